/* recent: see recent.h. */
#include "recent.h"

#include <stdlib.h>
#include "map.h"

enum { FIRST_SIZE = 256 };

static uint32_t
mask(const struct recent *r)
{
	return 2 * r->size - 1;
}

static uint32_t
hash(struct uid id)
{
	return (uint32_t)uid_hash(id);
}

/* The table's slot of the id, or the empty one where it would go.  The ring is only looked at when
 * the hash is the same. */
static uint32_t
find(const struct recent *r, struct uid id)
{
	uint32_t h = hash(id), i = h & mask(r);

	while (r->table[i].place &&
	       (r->table[i].hash != h || !uid_same(r->ring[r->table[i].place - 1], id)))
		i = (i + 1) & mask(r);
	return i;
}

static void
forget(struct recent *r, struct uid id)
{
	uint32_t hole = find(r, id), i;

	for (i = (hole + 1) & mask(r); r->table[i].place; i = (i + 1) & mask(r)) {
		uint32_t h = r->table[i].hash & mask(r);

		if (((i - h) & mask(r)) >= ((i - hole) & mask(r))) {
			r->table[hole] = r->table[i];
			hole = i;
		}
	}
	r->table[hole].place = 0;
}

static void
put(struct recent *r, struct uid id, uint32_t place)
{
	r->table[find(r, id)] = (struct recent_slot){hash(id), place + 1};
}

/* A ring that is full but not yet at its limit doubles; places stay, as the ring has not gone
 * round. */
static void
grow(struct recent *r)
{
	uint32_t used = r->size;

	r->size = used ? 2 * used : FIRST_SIZE;
	if (r->size > r->limit)
		r->size = r->limit;
	r->ring = must_realloc(r->ring, r->size * sizeof(*r->ring));
	free(r->table);
	r->table = must_zalloc(2 * (size_t)r->size * sizeof(*r->table));
	for (uint32_t i = 0; i < used; i++)
		put(r, r->ring[i], i);
}

bool
recent_has(const struct recent *r, struct uid id)
{
	return r->size && r->table[find(r, id)].place;
}

bool
recent_add(struct recent *r, struct uid id)
{
	uint32_t place;

	if (recent_has(r, id))
		return false;
	if (r->count >= r->size && r->size < r->limit)
		grow(r);
	place = (uint32_t)(r->count & (r->size - 1));
	if (r->count >= r->size)
		forget(r, r->ring[place]);
	r->ring[place] = id;
	put(r, id, place);
	r->count++;
	return true;
}

void
recent_free(struct recent *r)
{
	free(r->ring);
	free(r->table);
	*r = (struct recent){.limit = r->limit};
}
