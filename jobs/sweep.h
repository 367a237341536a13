/*
 * sweep: what a crash left out of the Redis stream is put into it.
 *
 * Events and messages are rows before they are entries of the stream (shared/event.h), and whoever
 * wrote the row adds the entry.  The sweeper reads every entry's id and compares the rows of the
 * last jobs.sweep seconds; a row whose entry is still missing a second after it was first missed is
 * repeated.  Both its readings end in memory, so a stream that is cut at its older end within that
 * time is compared all the same.
 *
 * Rows are compared back to the mark of stream.h, whatever happened since: no daemon, no Redis, or
 * one that came back with less.  Where there is no mark, the newest events.keep rows are.
 */
#ifndef JOBS_SWEEP_H
#define JOBS_SWEEP_H

#include <stdint.h>
#include "idmap.h"
#include "job.h"

enum { SWEEP_CHUNK = 500 }; /* events put into the stream at once */

/* Read the stream's tail; soon again while much is coming, lest it be cut before it was read. */
int sweep_tail(struct req *r, struct report *out);
/* Compare, repeat, move the mark. */
int sweep_run(struct req *r, struct report *out);
/* Put up to SWEEP_CHUNK events that are committed into the stream now, but for those that are
 * there; ids is written over.  0 or ERR_UNAVAILABLE: then they are found missing, like all others.
 */
int sweep_tell(struct req *r, struct id16 *ids, int n, int64_t *told);
/* Every event made before that moment (milliseconds since 1970) has been in the stream; 0 when
 * unknown. */
int64_t sweep_mark(void);

#endif
