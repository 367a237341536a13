/* tally: see tally.h. */
#include "tally.h"

#include <stddef.h>
#include "loop.h"
#include "share.h"

enum { PROBES = 16, TOLD_BITS = 12, TOLD_MOST = (1 << TOLD_BITS) - 1 };

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

/* Who was told, a number for each minute from this one on: those of minutes that are over go. */
static uint64_t
told_now(const struct tally *t)
{
	uint16_t over = (uint16_t)(this_minute() - t->minute);

	return over < TALLY_MINUTES ? t->told >> (over * TOLD_BITS) : 0;
}

static uint32_t
told_for(const struct tally *t, uint32_t after)
{
	return (uint32_t)(told_now(t) >> (after * TOLD_BITS)) & TOLD_MOST;
}

/* Counts of a minute begin with it. */
static void
turn_minute(struct tally *t)
{
	if (t->minute == this_minute())
		return;
	t->fresh = 0;
	t->told = told_now(t);
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
		if (t->n || t->minute == this_minute() || told_now(t)) {
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
tally_tell(enum tally_kind kind, uint64_t key, uint32_t after)
{
	struct tally *t = place(kind, key);

	if (!t)
		return;
	turn_minute(t);
	after = after < TALLY_MINUTES ? after : TALLY_MINUTES - 1;
	if (told_for(t, after) < TOLD_MOST)
		t->told += 1ull << (after * TOLD_BITS);
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

uint32_t
tally_fresh(enum tally_kind kind, uint64_t key)
{
	uint32_t n = 0;

	for (int i = 0; i < SHARE_SLOTS; i++) {
		struct tally *t = share->slot[i].pid ? find(i, kind, key) : NULL;

		n += t && t->minute == this_minute() ? t->fresh : 0;
	}
	return n;
}

uint32_t
tally_told(enum tally_kind kind, uint64_t key, uint32_t after)
{
	uint32_t n = 0;

	for (int i = 0; i < SHARE_SLOTS; i++) {
		struct tally *t = share->slot[i].pid ? find(i, kind, key) : NULL;

		n += t ? told_for(t, after) : 0;
	}
	return n;
}
