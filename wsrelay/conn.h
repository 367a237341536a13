/*
 * conn: one client, from accept() to the end of its socket.
 *
 * An idle connection is this struct and nothing else: what it reads or has still to write is
 * allocated when there is something, and freed when it is gone.  What it shall receive stands in
 * the log (evlog.h); .next is its place there.
 *
 * Ownership: conn.c makes and frees connections.  A function that may end one says so; conn_end()
 * does not free, it says goodbye, and the loop frees later.
 *
 *	conn_say(c, text, n);                    // a text frame
 *	conn_end(c, CLOSE_FORBIDDEN, "session revoked");
 */
#ifndef WSRELAY_CONN_H
#define WSRELAY_CONN_H

#include "cursor.h"
#include "dialect.h"
#include "frame.h"
#include "loop.h"
#include "uid.h"
#include "ws_frame.h"

struct account;
struct calls;
struct queue;
struct sign_in;
struct typing;
struct watcher;

enum {
	CONN_MESSAGE_MAX = 65536, /* bytes of a message of a client */
	CONN_OWN_MAX = 1 << 18,   /* bytes waiting beside the log */
};

/* Close codes of ours, in ranges that tell a client what to do (docs/relay.md). */
enum close_code {
	CLOSE_BAD_REQUEST = 4400, /* the client is wrong: stop */
	CLOSE_TOKEN = 4401,       /* get another token, then reconnect */
	CLOSE_FORBIDDEN = 4403,   /* revoked: stop */
	CLOSE_IDLE = 4408,        /* reconnect */
	CLOSE_LOST_PLACE = 4410,  /* reconnect and sync over REST */
	CLOSE_TOO_MANY = 4429,    /* reconnect later */
	CLOSE_GOING_AWAY = 4503,  /* reconnect */
};

enum conn_state {
	CONN_HTTP,    /* the request's head is being read */
	CONN_OPEN,    /* upgraded, nobody yet */
	CONN_SIGNING, /* credentials are being looked at */
	CONN_REPLAY,  /* signed in; its backlog is being read from the stream */
	CONN_LIVE,
	CONN_CLOSING, /* the close frame is written or on its way */
};

struct conn_in { /* while something is half read */
	struct ws_parser ws;
	char *head; /* of the request */
	size_t head_n, head_cap;
};

struct conn_out { /* while something is to be written besides the log */
	uint8_t *bytes;
	uint32_t n, at, cap;
	struct frame *rest; /* of which .rest_at bytes are written */
	uint32_t rest_at;
	struct frame **replay; /* frames from the stream that precede the log */
	uint32_t replay_n, replay_at, replay_cap;
	size_t replay_bytes;
	struct cursor *reached; /* where collecting for it ended because there was too much */
	bool more;              /* another pass is to follow */
	int64_t since_ms;       /* loop_now() when it began to sign in; 0: not known */
	struct cursor_set
	    *received; /* by a client that resumed, until the log's own cursors contain it */
};

struct conn {
	struct source source;
	int fd;
	uint8_t state, dialect;
	bool dirty : 1, want_out : 1, fenced : 1, deaf : 1, peer_closed : 1, after_write : 1,
	    shut : 1, in_pass : 1, any_dialect : 1, ready : 1, wants_queue : 1, wants_presence : 1,
	    near : 1,    /* from this machine or its web server */
	    away : 1,    /* connected, and yet not online */
	    leaving : 1; /* its record is on the way to another process (handover.h) */
	uint8_t deflate; /* what was negotiated (deflate.h); 0: nothing */
	uint16_t code;   /* it was closed with */
	uint16_t slot;   /* of the wheel */
	uint16_t said;   /* messages in the present 10 s */
	struct conn *wheel_next, *wheel_prev;
	struct conn *next_of_account, *prev_of_account;
	struct conn *next_dirty;
	struct account *account;
	struct uid session, device;
	uint64_t next; /* place among the account's entries */
	uint32_t since, heard, pinged, ends,
	    said_since; /* seconds of conn_clock(); ends: 0 is never */
	struct conn_in *in;
	struct conn_out *out;
	struct sign_in *sign_in;
	struct calls *calls; /* of operations, while there are any */
	struct typing *typing;
	struct watcher *watcher; /* of others' presence */
	struct queue *queue;     /* NULL unless it uses the device's queue */
	uint64_t address;        /* key of its tally (limits.h); 0: not known */
};

/* Take over an accepted, non-blocking socket; dialect -1: the path of its request will decide.
 * address is a key of limits.h, 0 while it is not known. */
void conn_new(int fd, int dialect, uint64_t address, bool near);
/* The address is known now; false when it has too many connections. */
bool conn_set_address(struct conn *c, uint64_t address);
/* A connection of another process, filled in, goes on here: false when it cannot. */
bool conn_adopt(struct conn *c);
void conn_discard(struct conn *c); /* one that was not adopted */
/* Do not read from it for a while. */
void conn_deafen(struct conn *c, bool deaf);
/* It is not served while its record is on the way. */
void conn_leaving(struct conn *c, bool leaving);
/* Another process has it. */
void conn_let_go(struct conn *c);
uint32_t conn_clock(void); /* seconds, steady */
long conn_expires_in(
    const struct conn *c); /* whole seconds that its token has; 0: no end is known */
size_t conn_count(void);
size_t conn_count_live(void);
const uint64_t *conn_count_upgraded(void); /* by dialect */
/* Its request was answered: from now on it speaks WebSocket. */
void conn_upgraded(struct conn *c);

void conn_say(struct conn *c, const char *text, size_t n);
void conn_write(struct conn *c, const void *p, size_t n); /* bytes that no frame is put around */
struct conn_out *conn_out(struct conn *c);
void conn_end(struct conn *c, unsigned code, const char *reason);
/* The same for one whose account is known and not its own yet: a key of limits.h. */
void conn_refuse(struct conn *c, unsigned code, const char *reason, uint64_t account);
void conn_free_in(struct conn *c);
void conn_free(struct conn *c); /* at once; its memory stays until the end of the turn */
/* Signed in: give it to its account; fresh: just now, not in another process. */
void conn_join(struct conn *c, struct account *a, bool fresh);

/* Every connection that is upgraded: fn may end it, not free it. */
void conn_each(void (*fn)(struct conn *c, void *ctx), void *ctx);
/* The first of all connections for which fn says yes; NULL when there is none. */
struct conn *conn_find(bool (*fn)(struct conn *c, void *ctx), void *ctx);
/* End all over ms milliseconds, then call done(). */
void conn_drain(int64_t ms, void (*done)(void));

#endif
