/*
 * crowd: thousands of WebSocket clients in one process, for fault tests and benchmarks.
 *
 * It holds the connections, reads what comes and publishes messages of its own; what to do is told
 * on standard input, a line a command, and each is answered by a line of JSON.  It speaks the
 * relay's dialect: the token in the first message, "ready", events with a cursor.  (With --nchan
 * there is no sign-in: a connection is ready when it is upgraded.)  tests/lib/crowd.py is its other
 * half.
 *
 * Ownership: everything lives as long as the process; a client's buffers are freed with its
 * connection.
 *
 *	client_begin(c);                    // connects, signs in; then crowd.on_event(c, …)
 *	client_drop(c);                     // as a lost network does
 */
#ifndef CROWD_H
#define CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum state { IDLE, CONNECTING, UPGRADING, SIGNING, READY };

struct client {
	/* As the file of clients has them. */
	const char *source, *path, *token, *to, *not, *conversation;

	int fd;
	uint8_t state;
	bool paused, lost; /* paused: does not read; lost: comes back by itself */
	bool queue;        /* uses its device's queue, and no cursor (queue.c) */
	uint32_t events;   /* since the counters were reset */
	uint32_t tries;    /* in vain, since it was last ready */
	uint64_t began;    /* ns, of the first try */
	uint64_t retry_at; /* ns */
	size_t rest_n;
	uint8_t *rest; /* half a frame */
	size_t cursor_n, cursor_cap;
	char *cursor;  /* newest received */
	char *unacked; /* ids to be acknowledged, with what is between them in a list */
	size_t unacked_n;
	uint32_t acks; /* of this connection */
};

struct counts { /* since the start */
	uint64_t events, bytes, ready, failed, closed, lost, resumed, not_resumed;
};

struct crowd {
	struct client *clients;
	size_t n, n_ready;
	bool nchan, keep_cursors, come_back;
	int receive_buffer; /* bytes of a socket; 0: the system's */
	const char *target; /* HOST:PORT */
	struct counts counts;
	void (*on_event)(struct client *c, const char *text, size_t n);
	void (*on_ready)(struct client *c);
	void (*on_other)(struct client *c, const char *what, const char *text, size_t n);
};

extern struct crowd crowd;

/* Connect and sign in, with the newest cursor when there is one. */
void client_begin(struct client *c);
void client_drop(struct client *c);
void client_pause(struct client *c, bool pause);
/* Wait for sockets, at most so long, and handle what is there. */
void clients_turn(int64_t most_ns);
void clients_start(void);
/* Watch another descriptor: fn is called when it can be read. */
void clients_watch(int fd, void (*fn)(void));
void clients_watch_again(int fd);

uint64_t now_ns(void);
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *fmt, ...);

/* Say something to the server; what cannot be sent ends the connection. */
void client_say(struct client *c, const char *text, size_t n);

/* queue.c: clients that use their device's queue. */
void queue_message(struct client *c, const char *id, size_t n); /* arrived */
/* Acknowledge what has arrived, now and then. */
void queue_turn(void);
void queue_forget(struct client *c); /* its connection has ended */

/* feed.c: where messages are published. */
enum feed_kind { FEED_RELAY, FEED_PEER, FEED_NCHAN };
struct feed {
	enum feed_kind kind;
	const char *where;            /* path of Redis' socket, or HOST:PORT */
	const char *group;            /* conversation of everybody */
	int keep;                     /* entries of the stream */
	int size;                     /* bytes of a delivered frame's payload */
	uint64_t published, answered; /* messages */
};
extern struct feed feed;
void feed_start(void);
/* Publish to one, or to everybody (NULL); it leaves with feed_flush(). */
void feed_message(const struct client *to);
void feed_flush(void);

/* watch.c: what arrives is written to a file, for tests that look at every event. */
void watch_start(const char *path);
void watch_flush(void);
/* c has acknowledged, in a message of that number, the ids in list. */
void watch_ack(const struct client *c, uint32_t number, const char *list);

/* measure.c: the commands that take time; each runs to its end and prints its answer. */
void measure_open(int64_t within_ms, int parallel, uint32_t events, int64_t most_s);
void measure_bursts(int messages, double seconds);
void measure_pairs(int window, double seconds);
void measure_rate(int per_second, double seconds);

#endif
