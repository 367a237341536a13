/*
 * idset: which UUIDv7 are there, at 16 bytes each, for the events that the sweeper has seen in the
 * stream.
 *
 * An id lies in a slice with all others that were made within the same 1,024 ms, an array that is
 * put into order when it is searched.  What is too old goes by whole slices, and its memory with
 * it, so the set is never larger than the time it is asked about.
 *
 * Ownership: the slices belong to the struct, which begins zeroed and is freed by idset_free().
 * Memory that cannot be had ends the process.
 *
 *	struct idset seen = {0};
 *
 *	idset_put(&seen, &id);
 *	idset_forget(&seen, now_ms - 20000);
 *	if (!idset_has(&seen, &id))
 *		...
 */
#ifndef JOBS_IDSET_H
#define JOBS_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "idmap.h"

struct idslice;

struct idset {
	struct idslice *slices; /* the oldest first */
	size_t n, room;
	size_t ids; /* in all of them; one that was put twice may count twice */
};

void idset_put(struct idset *s, const struct id16 *id);
bool idset_has(struct idset *s, const struct id16 *id);
/* Nobody will ask for ids made before ms (since 1970): they may go.  Has memory been freed? */
bool idset_forget(struct idset *s, int64_t ms);
/* Forget the oldest slices until no more than most ids are left, but never the newest slice.
 * Everything made since the moment answered (ms since 1970) is still known; 0 when nothing went. */
int64_t idset_bound(struct idset *s, size_t most);
void idset_free(struct idset *s);

#endif
