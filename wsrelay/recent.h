/*
 * recent: a set that remembers the last ids put into it, and forgets the oldest when it is full.
 *
 * Ownership: two tables inside the struct, freed by recent_free().  They grow to their limit as ids
 * come: 32 bytes an id.
 *
 *	struct recent seen = {.limit = 1 << 18};
 *
 *	if (!recent_add(&seen, event->id))
 *		drop(event);                   // it has been here before
 */
#ifndef WSRELAY_RECENT_H
#define WSRELAY_RECENT_H

#include "uid.h"

struct recent_slot {
	uint32_t hash, place; /* place in the ring + 1; 0 is empty */
};

struct recent {
	uint32_t limit; /* ids remembered; a power of two */
	uint32_t size;  /* of the ring now */
	uint64_t count; /* ids ever added */
	struct uid *ring;
	struct recent_slot *table; /* twice as large */
};

/* false when the id is remembered already. */
bool recent_add(struct recent *r, struct uid id);
bool recent_has(const struct recent *r, struct uid id);
void recent_free(struct recent *r);

#endif
