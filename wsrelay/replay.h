/*
 * replay: where a connection that has just signed in begins, and the verdict about its cursor.
 *
 * No cursor: it begins now.  A cursor whose place the log holds: it walks the log from there.  One
 * whose place only the stream holds: a pass over the stream, shared by all who wait at the time,
 * collects what is theirs, and then they go on with the log.  "Recovered" is said only when
 * everything is at hand; otherwise the client begins now and knows that it must synchronise.
 *
 *	replay_begin(c, resume, n, since);       // says ready, at once or later
 */
#ifndef WSRELAY_REPLAY_H
#define WSRELAY_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct cursor_set;

void replay_start(void);
/* c has joined its account.  resume is NULL when the client named no cursor; since_ms: loop_now()
 * when it began to sign in. */
void replay_begin(struct conn *c, const char *resume, size_t n, int64_t since_ms);
/* c came from another process with what it has received there.  same: that speaks of this stream.
 */
void replay_adopt(struct conn *c, const struct cursor_set *received, bool same);
/* It has written what the last pass gave it, and there is more. */
void replay_again(struct conn *c);
void replay_leave(struct conn *c); /* it ends while it waits */
void replay_members_came(void);
/* Redis is there again: start the pass that was interrupted. */
void replay_resume(void);
/* The stream is another one: nobody's cursor means anything any more. */
void replay_refuse_all(void);

#endif
