/*
 * map: objects by UUID.  An object that goes in begins with its struct uid.
 *
 * Ownership: the map owns its table only; objects belong to the caller and must stay where they are
 * while they are in the map.  Open addressing with linear probing; eight bytes a slot, at most
 * three quarters full.
 *
 *	struct map accounts = {0};
 *
 *	map_put(&accounts, account);          // account->id is its first member
 *	account = map_get(&accounts, id);     // NULL when it is not there
 */
#ifndef WSRELAY_MAP_H
#define WSRELAY_MAP_H

#include <stddef.h>
#include "uid.h"

struct map {
	void **slot;
	size_t size, used; /* size is a power of two, or 0 */
};

void *map_get(const struct map *m, struct uid id);
/* An object of that id must not be there yet. */
void map_put(struct map *m, void *object);
/* Take out the object of that id, if there is one. */
void map_remove(struct map *m, struct uid id);
/* Go through all objects: map_next(m, &i) from i = 0 until NULL.  Nothing may be put or removed
 * meanwhile. */
void *map_next(const struct map *m, size_t *i);
void map_free(struct map *m);

/* Memory that is never NULL: without memory the process ends and is started again. */
void *must_alloc(size_t size);
void *must_zalloc(size_t size);
void *must_realloc(void *p, size_t size);

#endif
