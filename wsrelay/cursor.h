/*
 * cursor: what a client has received, as a set of stream positions.
 *
 * Delivery order may differ from stream order: an event waits while a predecessor of its
 * conversation is missing or its members are being looked up, and others overtake it.  A cursor
 * therefore says "everything up to AT, except what was held back": at most CURSOR_HOLDS holds, each
 * "of the conversation with this tag everything from FROM on whose sequence is above LAST" (tag 0:
 * the one entry at FROM).  It is a statement about the stream alone, so it stays true for another
 * relay, for one that was restarted, and for one that holds back other events.
 *
 * A client between two orders (docs/relay.md, "Resume") has several of them at once: it has
 * received the union.
 *
 * As text: EPOCH.MS-SEQ[.HOLDS][~MS-SEQ[.HOLDS]]…  EPOCH is 12 hex digits; HOLDS is encrypted,
 * since it speaks of other people's conversations.  All characters fit a subprotocol token and a
 * query.
 *
 *	struct cursor_set set;
 *
 *	if (cursor_parse(text, n, epoch, &set))
 *		...                                       // another epoch, or not ours
 *	if (!cursor_set_covers(&set, pos, tag, seq))
 *		send(event);
 */
#ifndef WSRELAY_CURSOR_H
#define WSRELAY_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CURSOR_HOLDS = 16,     /* an order holds back no more */
	CURSOR_HOLDS_MAX = 32, /* a union may come to more */
	CURSOR_PARTS = 4,
	CURSOR_TEXT = 4096,
	EPOCH_TEXT = 12,
	EPOCH_KEY = 32,
};

struct rt_pos { /* id of a stream entry: milliseconds and a number within them */
	uint64_t ms, n;
};

struct cursor_hold {
	uint64_t tag; /* low word of the conversation's id; 0: one entry */
	struct rt_pos from;
	int64_t last;
};

struct cursor {
	struct rt_pos at;
	int holds;
	struct cursor_hold hold[CURSOR_HOLDS_MAX];
};

struct cursor_set {
	int parts; /* 0: nothing was received */
	struct cursor part[CURSOR_PARTS];
};

struct epoch { /* identity of the stream, made from a random value that lies beside it */
	char name[EPOCH_TEXT + 1];
	unsigned char key[EPOCH_KEY];
};

static inline int
pos_compare(struct rt_pos a, struct rt_pos b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

/* Bytes of a cursor that are in use. */
static inline size_t
cursor_size(const struct cursor *c)
{
	return offsetof(struct cursor, hold) + (size_t)c->holds * sizeof(c->hold[0]);
}

/* "1718000000000-3"; false when it is not of that form. */
bool pos_parse(const char *s, size_t n, struct rt_pos *out);

void epoch_derive(const char *value, size_t n, struct epoch *out);

/* Has the entry at pos been received?  tag is 0 and seq 0 for what they do not apply to. */
bool cursor_covers(const struct cursor *c, struct rt_pos pos, uint64_t tag, int64_t seq);
bool cursor_set_covers(const struct cursor_set *set, struct rt_pos pos, uint64_t tag, int64_t seq);
/* Everything after this position may be missing: the greatest position below all holds. */
struct rt_pos cursor_low(const struct cursor *c);
struct rt_pos cursor_set_low(const struct cursor_set *set);
struct rt_pos cursor_set_high(const struct cursor_set *set); /* nothing above it was received */
/* Does a surely cover everything that b covers?  (May say no where the answer is yes.) */
bool cursor_contains(const struct cursor *a, const struct cursor *b);
/* Add c to the union, which nearly always is one cursor again; false when there would be too many
 * parts. */
bool cursor_set_add(struct cursor_set *set, const struct cursor *c);

/* Text of the union of set (may be NULL) and c (may be NULL); answers its length, 0 if it does not
 * fit. */
size_t cursor_format(const struct cursor_set *set, const struct cursor *c,
    const struct epoch *epoch, char out[CURSOR_TEXT]);
/* 0, or -1 when the text is not a cursor of this epoch. */
int cursor_parse(const char *s, size_t n, const struct epoch *epoch, struct cursor_set *out);

#endif
