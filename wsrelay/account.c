/* account: see account.h. */
#include "account.h"

#include <stdlib.h>
#include "map.h"

enum { FIRST_CAP = 4 };

static struct map accounts;

struct account *
account_find(struct uid id)
{
	return map_get(&accounts, id);
}

struct account *
account_get(struct uid id)
{
	struct account *a = account_find(id);

	if (!a) {
		a = must_zalloc(sizeof(*a));
		a->id = id;
		map_put(&accounts, a);
	}
	a->refs++;
	return a;
}

void
account_put(struct account *a)
{
	if (--a->refs)
		return;
	map_remove(&accounts, a->id);
	free(a->ring);
	free(a);
}

size_t
account_count(void)
{
	return accounts.used;
}

static long
resize(struct account *a, uint32_t cap)
{
	uint32_t *ring = must_alloc(cap * sizeof(*ring));
	long grown = ((long)cap - (long)a->cap) * (long)sizeof(*ring);

	for (uint64_t k = a->first; k < a->end; k++)
		ring[k & (cap - 1)] = account_entry(a, k);
	free(a->ring);
	a->ring = ring;
	a->cap = cap;
	return grown;
}

long
account_push(struct account *a, uint32_t n)
{
	long grown = 0;

	if (a->end - a->first == a->cap)
		grown = resize(a, a->cap ? 2 * a->cap : FIRST_CAP);
	a->ring[a->end++ & (a->cap - 1)] = n;
	return grown;
}

long
account_pop(struct account *a)
{
	long grown = 0;

	a->first++;
	if (a->first == a->end && a->cap) {
		grown = -(long)(a->cap * sizeof(*a->ring));
		free(a->ring);
		a->ring = NULL;
		a->cap = 0;
	} else if (a->cap > 64 && a->end - a->first < a->cap / 8) {
		grown = resize(a, a->cap / 2);
	}
	return grown;
}
