/* idset: see idset.h. */
#include "idset.h"

#include <stdlib.h>
#include <string.h>

enum { SLICE_BITS = 10 };

struct idslice {
	int64_t at; /* milliseconds since 1970 >> SLICE_BITS */
	struct id16 *ids;
	size_t used, room;
	bool ordered; /* and each there once */
};

/* The first slice that is not older than at; s->n when all are. */
static size_t
find(const struct idset *s, int64_t at)
{
	size_t low = 0, high = s->n;

	if (high && s->slices[high - 1].at == at) /* most ids are new */
		return high - 1;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->slices[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void *
resized(void *p, size_t n, size_t size)
{
	if (!(p = reallocarray(p, n, size)))
		abort();
	return p;
}

static void
insert(struct idset *s, size_t i, int64_t at)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 32;
		s->slices = resized(s->slices, s->room, sizeof *s->slices);
	}
	memmove(s->slices + i + 1, s->slices + i, (s->n - i) * sizeof *s->slices);
	s->slices[i] = (struct idslice){.at = at, .ordered = true};
	s->n++;
}

void
idset_put(struct idset *s, const struct id16 *id)
{
	int64_t at = id16_ms(id) >> SLICE_BITS;
	size_t i = find(s, at);
	struct idslice *slice;

	if (i == s->n || s->slices[i].at != at)
		insert(s, i, at);
	slice = &s->slices[i];
	if (slice->used == slice->room) {
		slice->room += slice->room / 2 + 16;
		slice->ids = resized(slice->ids, slice->room, sizeof *slice->ids);
	}
	slice->ids[slice->used++] = *id;
	slice->ordered = false;
	s->ids++;
}

static int
compare(const void *a, const void *b)
{
	return id16_compare(a, b);
}

/* In order, each once, and no room left over: most slices will not grow again. */
static void
order(struct idset *s, struct idslice *slice)
{
	size_t n = 1;

	qsort(slice->ids, slice->used, sizeof *slice->ids, compare);
	for (size_t i = 1; i < slice->used; i++) {
		if (id16_compare(&slice->ids[i], &slice->ids[n - 1]))
			slice->ids[n++] = slice->ids[i];
	}
	s->ids -= slice->used - n;
	slice->used = slice->room = n;
	slice->ids = resized(slice->ids, n, sizeof *slice->ids);
	slice->ordered = true;
}

bool
idset_has(struct idset *s, const struct id16 *id)
{
	int64_t at = id16_ms(id) >> SLICE_BITS;
	size_t i = find(s, at);
	struct idslice *slice = s->slices + i;

	if (i == s->n || slice->at != at)
		return false;
	if (!slice->ordered)
		order(s, slice);
	return bsearch(id, slice->ids, slice->used, sizeof *slice->ids, compare);
}

/* The oldest n slices go. */
static void
drop(struct idset *s, size_t n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n; i++) {
		s->ids -= s->slices[i].used;
		free(s->slices[i].ids);
	}
	s->n -= n;
	memmove(s->slices, s->slices + n, s->n * sizeof *s->slices);
}

bool
idset_forget(struct idset *s, int64_t ms)
{
	size_t n = ms > 0 ? find(s, ms >> SLICE_BITS) : 0;

	drop(s, n);
	return n > 0;
}

int64_t
idset_bound(struct idset *s, size_t most)
{
	size_t n = 0, left = s->ids;
	int64_t since;

	while (left > most && n + 1 < s->n)
		left -= s->slices[n++].used;
	if (!n)
		return 0;
	since = (s->slices[n - 1].at + 1) << SLICE_BITS;
	drop(s, n);
	return since;
}

void
idset_free(struct idset *s)
{
	drop(s, s->n);
	free(s->slices);
	*s = (struct idset){0};
}
