/*
 * replay_begin: the place in the log at which a connection goes on, and the verdict that it hears.
 *
 * Between replay.c and replay_begin.c.  What the connection has received stands in
 * c->out->received while the log does not say it by itself.
 */
#ifndef WSRELAY_REPLAY_BEGIN_H
#define WSRELAY_REPLAY_BEGIN_H

#include <stdbool.h>

struct conn;
struct cursor_set;

enum replay_where {
	REPLAY_IN_LOG,    /* the log has everything above it */
	REPLAY_AHEAD,     /* the log will, when it has read as far */
	REPLAY_IN_STREAM, /* or nowhere */
};

enum replay_where replay_where(const struct cursor_set *received);
/* Everything after what it has received, and has not queued, is in the log; text is its cursor. */
void replay_in_log(struct conn *c, const char *text);
/* The same for one that waited for a pass and needs none. */
void replay_give_log(struct conn *c);
void replay_refuse(struct conn *c);
void replay_wait(struct conn *c); /* for a pass over the stream */

#endif
