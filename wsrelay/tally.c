/* tally: see tally.h. */
#include "tally.h"

#include <stddef.h>
#include "loop.h"
#include "share.h"

enum { PROBES = 16 };

static uint16_t
this_minute(void)
{
	return (uint16_t)(loop_now() / 60000 + 1);
}

static struct tally *
find(int slot, enum tally_kind kind, uint64_t key)
{
	struct tally *table = share_tally(slot, (int)kind);

	for (uint64_t i = 0; i < PROBES; i++) {
		struct tally *t = &table[(key + i) & (share->tally_size - 1)];

		if (t->key == (uint32_t)(key >> 32))
			return t;
	}
	return NULL;
}

int64_t
tally_minute_left(void)
{
	return 60000 - loop_now() % 60000;
}

/* Counts of a minute begin with it. */
static void
turn_minute(struct tally *t)
{
	if (t->minute != this_minute())
		t->fresh = t->told = 0;
	t->minute = this_minute();
}

/* The key's place, or one that nothing is said by any more; NULL when there is none. */
static struct tally *
place(enum tally_kind kind, uint64_t key)
{
	int slot = (int)(share_mine - share->slot);
	struct tally *t = find(slot, kind, key), *table = share_tally(slot, (int)kind);

	for (uint64_t i = 0; !t && i < PROBES; i++) {
		t = &table[(key + i) & (share->tally_size - 1)];
		if (t->n || t->minute == this_minute()) {
			t = NULL;
			continue;
		}
		*t = (struct tally){.key = (uint32_t)(key >> 32)};
	}
	return t;
}

void
tally_add(enum tally_kind kind, uint64_t key, bool fresh)
{
	struct tally *t = place(kind, key);

	if (!t)
		return;
	t->n++;
	if (!fresh)
		return;
	turn_minute(t);
	if (t->fresh < 4095)
		t->fresh++;
}

void
tally_tell(enum tally_kind kind, uint64_t key)
{
	struct tally *t = place(kind, key);

	if (!t)
		return;
	turn_minute(t);
	if (t->told < UINT16_MAX)
		t->told++;
}

void
tally_drop(enum tally_kind kind, uint64_t key)
{
	struct tally *t = find((int)(share_mine - share->slot), kind, key);

	if (t && t->n)
		t->n--;
}

uint32_t
tally_count(enum tally_kind kind, uint64_t key)
{
	uint32_t n = 0;

	for (int i = 0; i < SHARE_SLOTS; i++) {
		struct tally *t = share->slot[i].pid ? find(i, kind, key) : NULL;

		n += t ? t->n : 0;
	}
	return n;
}

/* Of all processes, what was counted in this minute. */
static uint32_t
in_minute(enum tally_kind kind, uint64_t key, bool told)
{
	uint32_t n = 0;

	for (int i = 0; i < SHARE_SLOTS; i++) {
		struct tally *t = share->slot[i].pid ? find(i, kind, key) : NULL;

		if (t && t->minute == this_minute())
			n += told ? t->told : t->fresh;
	}
	return n;
}

uint32_t
tally_fresh(enum tally_kind kind, uint64_t key)
{
	return in_minute(kind, key, false);
}

uint32_t
tally_told(enum tally_kind kind, uint64_t key)
{
	return in_minute(kind, key, true);
}
