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

/* The table's slot of the id, or the empty one where it would go. */
static uint32_t
find(const struct recent *r, struct uid id)
{
	uint32_t i = (uint32_t)uid_hash(id) & mask(r);

	while (r->table[i] && !uid_same(r->ring[r->table[i] - 1], id))
		i = (i + 1) & mask(r);
	return i;
}

static void
forget(struct recent *r, struct uid id)
{
	uint32_t hole = find(r, id), i;

	for (i = (hole + 1) & mask(r); r->table[i]; i = (i + 1) & mask(r)) {
		uint32_t h = (uint32_t)uid_hash(r->ring[r->table[i] - 1]) & mask(r);

		if (((i - h) & mask(r)) >= ((i - hole) & mask(r))) {
			r->table[hole] = r->table[i];
			hole = i;
		}
	}
	r->table[hole] = 0;
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
		r->table[find(r, r->ring[i])] = i + 1;
}

bool
recent_has(const struct recent *r, struct uid id)
{
	return r->size && r->table[find(r, id)];
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
	r->table[find(r, id)] = place + 1;
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
