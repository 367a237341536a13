/*
 * handover: one relay process passes its connections to the next, and no client notices.
 *
 * The two share a socket.  The new process loads the stream first and says when it is ready; then
 * the old one stops accepting and sends one connection after the other: its descriptor and what is
 * known of it (handover_conn.c).  What cannot be carried yet, since an answer for it is under way,
 * goes on where it is and follows later.  Until it has been sent, a connection is served by the old
 * process; from then on by the new one.  If the new one ends before it is ready, the old one goes
 * on.
 *
 * A module that keeps something beside struct conn registers a part: what it saves for a connection
 * comes back in the new process.
 *
 *	handover_give(fd, on_given);              // the old process
 *	handover_take(fd, on_taken);              // the new one, after it has started everything
 */
#ifndef WSRELAY_HANDOVER_H
#define WSRELAY_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pack.h"

struct conn;

enum { HANDOVER_VERSION = 1, HANDOVER_PARTS = 8 };

struct handover_part {
	uint8_t tag;                        /* never 0, never used again for something else */
	bool (*busy)(const struct conn *c); /* may be NULL: it cannot be carried yet */
	void (*save)(const struct conn *c, struct pack *p); /* nothing packed: nothing carried */
	void (*load)(struct conn *c, struct unpack *u); /* before the connection is live again */
};

void handover_register(const struct handover_part *part);

/* done(true): nothing is left here.  done(false): the other one has gone, all goes on here. */
void handover_give(int fd, void (*done)(bool all));
/* done(whole) when everything came; false when the old process ended before it had given all. */
void handover_take(int fd, void (*done)(bool whole));
/* This process ends: it keeps what it has not given, and asks for nothing. */
void handover_stop(void);
/* The stream and PostgreSQL may have come: the new process may be ready now. */
void handover_check(void);

/* ---- between handover.c and handover_conn.c -------------------------------------------------- */

/* Surfaces by the old process's numbers, so that dialects may be others in the new one. */
void handover_pack_hello(struct pack *p);
bool handover_read_hello(struct unpack *u);
/* false: not yet. */
bool handover_pack_conn(const struct conn *c, struct pack *p);
/* The descriptor's connection goes on here; false, and the descriptor is closed, when it cannot. */
bool handover_read_conn(int fd, struct unpack *u);

#endif
