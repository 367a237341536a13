/*
 * dialect: how one surface speaks on its sockets.
 *
 * A dialect renders the canonical event and the relay's own notices, and reads what clients say. It
 * announces itself with DIALECT() and touches no other file: its socket is RUN/ws/SURFACE.sock.
 *
 *	static const struct dialect whatsapp = {.surface = "whatsapp", ...};
 *	DIALECT(whatsapp)
 */
#ifndef WSRELAY_DIALECT_H
#define WSRELAY_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include "frame.h"
#include "rt_event.h"
#include "ws_http.h"

enum { DIALECTS = 5 };

struct answer; /* call.h */
struct conn;

struct ready {          /* a connection is signed in */
	bool recovered; /* everything since its cursor follows */
	const char *cursor;
	struct uid account, session;
	long heartbeat_seconds, expires_in; /* until the token ends */
	unsigned retry_ms; /* when it is cut off without a word, it shall wait so long */
};

struct dialect {
	const char *surface;
	const char *const *paths; /* that may be upgraded; ends with NULL */
	const char *protocol;     /* subprotocol that is answered when it is offered */

	/* The event as a finished frame; cursor is text of n bytes, none when it stands for
	 * nothing. body, the text of an object, is what the receiving device alone is given of a
	 * sealed event, else NULL. */
	struct frame *(*event)(const struct rt_event *ev, const char *body, size_t body_n,
	    const char *cursor, size_t n);
	/* Notices: each says something to the connection with conn_say(). */
	void (*ready)(struct conn *c, const struct ready *r);
	void (*renewed)(struct conn *c, long expires_in);
	void (*degraded)(struct conn *c, const char *reason);
	void (*restored)(struct conn *c);
	void (*resync)(struct conn *c, const char *cursor);
	/* All that waited for the device has been sent, c->wants_queue having been set. */
	void (*queue_empty)(struct conn *c);
	/* Credentials in the handshake, if there are any. */
	void (*opened)(struct conn *c, const struct http_request *r);
	/* A text message of the client; NUL-terminated.  What the relay or an operation does with
	 * it stands best in a table (command.h). */
	void (*message)(struct conn *c, const char *text, size_t n);
	/* What became of a request or command that had an id, or was refused. */
	void (*answer)(struct conn *c, const struct answer *a);
};

/* The event as a frame of its own for that connection. */
struct frame *dialect_event(
    const struct conn *c, const struct rt_event *ev, const char *cursor, size_t n);

void dialect_register(const struct dialect *d);
int dialect_count(void);
const struct dialect *dialect_at(int i);

#define DIALECT(name)                                                                              \
	static __attribute__((constructor)) void dialect_announce_##name(void)                     \
	{                                                                                          \
		dialect_register(&name);                                                           \
	}

#endif
