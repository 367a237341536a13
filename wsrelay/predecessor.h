/*
 * predecessor: was the message before this one committed so lately that it may still be missing?
 *
 * Of a conversation that the relay does not remember, a message cannot tell whether the one before
 * it went out long ago or was never put into the stream: its app died, or Redis was gone, and the
 * sweeper will bring it within seconds.  PostgreSQL knows when it was written.  Look-ups of a turn
 * are one statement; a failed one is asked again until it succeeds.
 *
 * Ownership: predecessor_get() answers a reference; predecessor_put() gives it back.
 *
 *	p = predecessor_get(ev->conversation, ev->seq, ev->pos.ms);
 *	if (p->answer == PREDECESSOR_ASKED)
 *		...                              // predecessor_start()'s callback says when
 */
#ifndef WSRELAY_PREDECESSOR_H
#define WSRELAY_PREDECESSOR_H

#include <stdint.h>
#include "uid.h"

enum predecessor_answer {
	PREDECESSOR_ASKED,
	PREDECESSOR_OLD, /* or there is none: it has been published, nothing is to be waited for */
	PREDECESSOR_NEAR,
};

struct predecessor {
	uint32_t refs;
	enum predecessor_answer answer;
	struct uid conversation;
	int64_t seq;   /* of the message before */
	int64_t after; /* ms since 1970: written later than this is near */
	struct predecessor *next_wanted;
};

void predecessor_start(void (*came)(void));
/* The one before message seq, whose entry is of that time.  It is old, too, when it was written
 * before edge_ms (of the stream): then its entry was cut off with the others, or not loaded. */
struct predecessor *predecessor_get(
    struct uid conversation, int64_t seq, uint64_t ms, uint64_t edge_ms);
void predecessor_put(struct predecessor *p);
/* Redis was gone from one time to another (ms since 1970): what was written then was published
 * later. */
void predecessor_redis_was_gone(int64_t from_ms, int64_t to_ms);
/* Send the look-ups wanted since the last turn. */
void predecessor_flush(void);

#endif
