/*
 * stream: the ids of the events in the Redis stream "rt", read by their place, and whether the
 * stream is still the one that was read before.
 *
 * The stream is cut at its older end all the time (events.stream_keep).  Whatever else makes
 * entries disappear (a Redis that came back with less, a deleted key or entry) is a change of its
 * identity.
 *
 * Beside the stream lies rt:swept: every event made before that moment (milliseconds since 1970)
 * has been in the stream.  It is written in the order of the entries, so a Redis that loses its
 * latest entries loses the mark with them.
 *
 *	struct stream_place place = {0};        // from the beginning
 *
 *	while (!(err = stream_read(&place, take_id, seen)) && place.more)
 *		continue;
 */
#ifndef JOBS_STREAM_H
#define JOBS_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include "idmap.h"

struct stream_place {
	char last[48];    /* entry read last; "" before the first */
	char deleted[48]; /* newest entry that was ever deleted by name */
	int64_t added;    /* entries ever added */
	int64_t swept;    /* the mark, 0 when there is none */
	int64_t entries;  /* read by this call */
	bool more;        /* there may be more to read */
	bool cut;         /* the entry read last is not there any more; reading began anew */
	bool another;     /* it is not the stream that was read before; reading began anew */
};

/* Read on from *place, a page at a time, giving each event's id to take().  0 or ERR_UNAVAILABLE.
 * A place that is all zero begins with the oldest entry. */
int stream_read(
    struct stream_place *place, void (*take)(void *ctx, const struct id16 *id), void *ctx);
/* Move the mark. */
int stream_mark(struct stream_place *place, int64_t swept);

#endif
