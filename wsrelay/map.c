/* map: see map.h. */
#include "map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 16 };

static struct uid
id_of(const void *object)
{
	return *(const struct uid *)object;
}

static size_t
home(const struct map *m, struct uid id)
{
	return uid_hash(id) & (m->size - 1);
}

/* The slot of that id, or the empty one where it would go. */
static size_t
find(const struct map *m, struct uid id)
{
	size_t i = home(m, id);

	while (m->slot[i] && !uid_same(id_of(m->slot[i]), id))
		i = (i + 1) & (m->size - 1);
	return i;
}

void *
map_get(const struct map *m, struct uid id)
{
	return m->size ? m->slot[find(m, id)] : NULL;
}

static void
resize(struct map *m, size_t size)
{
	struct map old = *m;

	m->slot = must_zalloc(size * sizeof(*m->slot));
	m->size = size;
	for (size_t i = 0; i < old.size; i++)
		if (old.slot[i])
			m->slot[find(m, id_of(old.slot[i]))] = old.slot[i];
	free(old.slot);
}

void
map_put(struct map *m, void *object)
{
	if (m->used + 1 > m->size / 4 * 3)
		resize(m, m->size ? m->size * 2 : FIRST_SIZE);
	m->slot[find(m, id_of(object))] = object;
	m->used++;
}

void
map_remove(struct map *m, struct uid id)
{
	size_t hole, i;

	if (!m->size || !m->slot[hole = find(m, id)])
		return;
	m->used--;
	/* Close the hole: an object further on moves back unless its home lies after the hole. */
	for (i = (hole + 1) & (m->size - 1); m->slot[i]; i = (i + 1) & (m->size - 1)) {
		size_t h = home(m, id_of(m->slot[i]));

		if (((i - h) & (m->size - 1)) >= ((i - hole) & (m->size - 1))) {
			m->slot[hole] = m->slot[i];
			hole = i;
		}
	}
	m->slot[hole] = NULL;
	if (m->size > 1024 && m->used < m->size / 8)
		resize(m, m->size / 2);
}

void *
map_next(const struct map *m, size_t *i)
{
	while (*i < m->size) {
		void *object = m->slot[(*i)++];

		if (object)
			return object;
	}
	return NULL;
}

void
map_free(struct map *m)
{
	free(m->slot);
	*m = (struct map){0};
}

/* ---- memory ------------------------------------------------------------------------------ */

static void *
must(void *p)
{
	if (!p) {
		fputs("rk-wsrelay: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *
must_alloc(size_t size)
{
	return must(malloc(size ? size : 1));
}

void *
must_zalloc(size_t size)
{
	return must(calloc(1, size ? size : 1));
}

void *
must_realloc(void *p, size_t size)
{
	return must(realloc(p, size ? size : 1));
}
