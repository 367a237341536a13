/* cursor: see cursor.h. */
#include "cursor.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* ---- positions and the epoch --------------------------------------------------------------- */

static bool
read_number(const char **s, const char *end, uint64_t *out)
{
	const char *start = *s;

	*out = 0;
	for (; *s < end && **s >= '0' && **s <= '9'; (*s)++)
		if (__builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, (uint64_t)(**s - '0'), out))
			return false;
	return *s > start;
}

bool
pos_parse(const char *s, size_t n, struct rt_pos *out)
{
	const char *end = s + n;

	return read_number(&s, end, &out->ms) && s < end && *s++ == '-' &&
	       read_number(&s, end, &out->n) && s == end;
}

/* The position just before p. */
static struct rt_pos
before(struct rt_pos p)
{
	if (p.n)
		p.n--;
	else if (p.ms)
		p = (struct rt_pos){p.ms - 1, UINT64_MAX};
	return p;
}

static struct rt_pos
after(struct rt_pos p)
{
	if (p.n < UINT64_MAX)
		p.n++;
	else
		p = (struct rt_pos){p.ms + 1, 0};
	return p;
}

void
epoch_derive(const char *value, size_t n, struct epoch *out)
{
	unsigned char digest[64];

	crypto_generichash(digest, sizeof(digest), (const unsigned char *)value, n, NULL, 0);
	sodium_bin2hex(out->name, sizeof(out->name), digest, EPOCH_TEXT / 2);
	memcpy(out->key, digest + 32, EPOCH_KEY);
	sodium_memzero(digest, sizeof(digest));
}

/* ---- what is covered ------------------------------------------------------------------------ */

static bool
hold_has(const struct cursor_hold *h, struct rt_pos pos, uint64_t tag, int64_t seq)
{
	if (!h->tag)
		return pos_compare(pos, h->from) == 0;
	/* A message at or below LAST filled a gap and went out ahead of those that waited for it.
	 */
	return h->tag == tag && pos_compare(pos, h->from) >= 0 && !(seq > 0 && seq <= h->last);
}

bool
cursor_covers(const struct cursor *c, struct rt_pos pos, uint64_t tag, int64_t seq)
{
	if (pos_compare(pos, c->at) > 0)
		return false;
	for (int i = 0; i < c->holds; i++)
		if (hold_has(&c->hold[i], pos, tag, seq))
			return false;
	return true;
}

bool
cursor_set_covers(const struct cursor_set *set, struct rt_pos pos, uint64_t tag, int64_t seq)
{
	for (int i = 0; i < set->parts; i++)
		if (cursor_covers(&set->part[i], pos, tag, seq))
			return true;
	return false;
}

struct rt_pos
cursor_low(const struct cursor *c)
{
	struct rt_pos low = c->at;

	for (int i = 0; i < c->holds; i++)
		if (pos_compare(c->hold[i].from, low) <= 0)
			low = before(c->hold[i].from);
	return low;
}

struct rt_pos
cursor_set_low(const struct cursor_set *set)
{
	struct rt_pos low = {0, 0};

	for (int i = 0; i < set->parts; i++) {
		struct rt_pos p = cursor_low(&set->part[i]);

		if (pos_compare(p, low) > 0)
			low = p; /* below it, this part alone covers everything */
	}
	return low;
}

struct rt_pos
cursor_set_high(const struct cursor_set *set)
{
	struct rt_pos high = {0, 0};

	for (int i = 0; i < set->parts; i++)
		if (pos_compare(set->part[i].at, high) > 0)
			high = set->part[i].at;
	return high;
}

/* Is what a holds back also not covered by b? */
static bool
hold_is_missing(const struct cursor_hold *h, const struct cursor *b)
{
	if (pos_compare(h->from, b->at) > 0)
		return true;
	for (int i = 0; i < b->holds; i++)
		if (b->hold[i].tag == h->tag && pos_compare(b->hold[i].from, h->from) <= 0 &&
		    (h->tag ? b->hold[i].last <= h->last
			    : pos_compare(b->hold[i].from, h->from) == 0))
			return true;
	return false;
}

bool
cursor_contains(const struct cursor *a, const struct cursor *b)
{
	if (pos_compare(a->at, b->at) < 0)
		return false;
	for (int i = 0; i < a->holds; i++)
		if (!hold_is_missing(&a->hold[i], b))
			return false;
	return true;
}

/* ---- unions --------------------------------------------------------------------------------- */

static struct rt_pos
later(struct rt_pos a, struct rt_pos b)
{
	return pos_compare(a, b) > 0 ? a : b;
}

static bool
add_hold(struct cursor *c, uint64_t tag, struct rt_pos from, int64_t last)
{
	for (int i = 0; i < c->holds; i++)
		if (c->hold[i].tag == tag && c->hold[i].last <= last &&
		    (tag ? pos_compare(c->hold[i].from, from) <= 0
			 : pos_compare(c->hold[i].from, from) == 0))
			return true; /* said already */
	if (c->holds == CURSOR_HOLDS_MAX)
		return false;
	c->hold[c->holds++] = (struct cursor_hold){tag, from, last};
	return true;
}

/* The entries that both hold back, as a hold of out.  false when that cannot be said: a single
 * entry does not tell its conversation. */
static bool
add_common(struct cursor *out, const struct cursor_hold *h, const struct cursor_hold *k)
{
	const struct cursor_hold *one = h->tag ? k : h, *many = h->tag ? h : k;

	if (h->tag == k->tag) {
		if (!h->tag && pos_compare(h->from, k->from))
			return true; /* two entries */
		return add_hold(
		    out, h->tag, later(h->from, k->from), h->last > k->last ? h->last : k->last);
	}
	if (h->tag && k->tag)
		return true;                           /* two conversations */
	return pos_compare(one->from, many->from) < 0; /* before everything of it that is held */
}

/* What h holds back and b does not cover either. */
static bool
add_missing(struct cursor *out, const struct cursor_hold *h, const struct cursor *b)
{
	struct rt_pos above = after(b->at);

	if (pos_compare(h->from, b->at) > 0)
		return add_hold(out, h->tag, h->from, h->last);
	if (h->tag && pos_compare(above, out->at) <= 0 && !add_hold(out, h->tag, above, h->last))
		return false;
	for (int i = 0; i < b->holds; i++)
		if (!add_common(out, h, &b->hold[i]))
			return false;
	return true;
}

/* The union of two cursors as one: up to the farther of the two, but for what both hold back. */
static bool
merge(const struct cursor *x, const struct cursor *y, struct cursor *out)
{
	const struct cursor *a = pos_compare(x->at, y->at) >= 0 ? x : y, *b = a == x ? y : x;

	out->at = a->at;
	out->holds = 0;
	for (int i = 0; i < a->holds; i++)
		if (!add_missing(out, &a->hold[i], b))
			return false;
	return true;
}

bool
cursor_set_add(struct cursor_set *set, const struct cursor *c)
{
	struct cursor sum = *c, merged;

	for (int i = 0; i < set->parts;) {
		if (cursor_contains(&set->part[i], &sum)) {
			sum = set->part[i];
		} else if (!cursor_contains(&sum, &set->part[i])) {
			if (!merge(&sum, &set->part[i], &merged)) {
				i++;
				continue;
			}
			sum = merged;
		}
		set->part[i] = set->part[--set->parts];
	}
	if (set->parts == CURSOR_PARTS)
		return false;
	set->part[set->parts++] = sum;
	return true;
}

/* ---- text ----------------------------------------------------------------------------------- */

enum {
	HOLD_BYTES = 4 * sizeof(uint64_t),
	BOX_EXTRA = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES
};

static size_t
format_holds(const struct cursor *c, const struct epoch *epoch, char *out, size_t size)
{
	unsigned char box[BOX_EXTRA + CURSOR_HOLDS_MAX * HOLD_BYTES];
	uint64_t plain[CURSOR_HOLDS_MAX * 4];
	size_t n = (size_t)c->holds * HOLD_BYTES;

	for (int i = 0; i < c->holds; i++) {
		const struct cursor_hold *h = &c->hold[i];

		plain[4 * i] = h->tag;
		plain[4 * i + 1] = h->from.ms;
		plain[4 * i + 2] = h->from.n;
		plain[4 * i + 3] = (uint64_t)h->last;
	}
	if (sodium_base64_ENCODED_LEN(BOX_EXTRA + n, sodium_base64_VARIANT_URLSAFE_NO_PADDING) >
	    size)
		return 0;
	randombytes_buf(box, crypto_secretbox_NONCEBYTES);
	crypto_secretbox_easy(
	    box + crypto_secretbox_NONCEBYTES, (unsigned char *)plain, n, box, epoch->key);
	sodium_bin2base64(out, size, box, BOX_EXTRA + n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return strlen(out);
}

static size_t
format_part(const struct cursor *c, const struct epoch *epoch, char *out, size_t size)
{
	int n = snprintf(out, size, "%" PRIu64 "-%" PRIu64, c->at.ms, c->at.n);
	size_t holds;

	if (n < 0 || (size_t)n + 2 > size)
		return 0;
	if (!c->holds)
		return (size_t)n;
	out[n++] = '.';
	holds = format_holds(c, epoch, out + n, size - (size_t)n);
	return holds ? (size_t)n + holds : 0;
}

size_t
cursor_format(const struct cursor_set *set, const struct cursor *c, const struct epoch *epoch,
    char out[CURSOR_TEXT])
{
	int parts = (set ? set->parts : 0) + (c ? 1 : 0);
	size_t n = EPOCH_TEXT, got;

	memcpy(out, epoch->name, EPOCH_TEXT);
	for (int i = 0; i < parts; i++) {
		const struct cursor *part = set && i < set->parts ? &set->part[i] : c;

		out[n++] = i ? '~' : '.';
		got = format_part(part, epoch, out + n, CURSOR_TEXT - n - 1);
		if (!got)
			return 0;
		n += got;
	}
	out[n] = '\0';
	return n;
}

static bool
parse_holds(const char *s, size_t n, const struct epoch *epoch, struct cursor *c)
{
	unsigned char box[BOX_EXTRA + CURSOR_HOLDS_MAX * HOLD_BYTES];
	uint64_t plain[CURSOR_HOLDS_MAX * 4];
	size_t got;

	if (sodium_base642bin(box, sizeof(box), s, n, NULL, &got, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	    got <= BOX_EXTRA || (got - BOX_EXTRA) % HOLD_BYTES)
		return false;
	if (crypto_secretbox_open_easy((unsigned char *)plain, box + crypto_secretbox_NONCEBYTES,
		got - crypto_secretbox_NONCEBYTES, box, epoch->key))
		return false;
	c->holds = (int)((got - BOX_EXTRA) / HOLD_BYTES);
	for (int i = 0; i < c->holds; i++)
		c->hold[i] = (struct cursor_hold){
		    plain[4 * i], {plain[4 * i + 1], plain[4 * i + 2]}, (int64_t)plain[4 * i + 3]};
	return true;
}

static bool
parse_part(const char *s, size_t n, const struct epoch *epoch, struct cursor *c)
{
	const char *dot = memchr(s, '.', n);
	size_t head = dot ? (size_t)(dot - s) : n;

	c->holds = 0;
	return pos_parse(s, head, &c->at) && (!dot || parse_holds(dot + 1, n - head - 1, epoch, c));
}

int
cursor_parse(const char *s, size_t n, const struct epoch *epoch, struct cursor_set *out)
{
	const char *end = s + n;
	struct cursor part;

	out->parts = 0;
	if (n >= CURSOR_TEXT || n < EPOCH_TEXT + 2 || memcmp(s, epoch->name, EPOCH_TEXT) ||
	    s[EPOCH_TEXT] != '.')
		return -1;
	s += EPOCH_TEXT;
	while (s < end) {
		const char *tilde;
		size_t len;

		s++; /* '.' before the first part, '~' before the others */
		tilde = memchr(s, '~', (size_t)(end - s));
		len = (size_t)((tilde ? tilde : end) - s);

		if (!parse_part(s, len, epoch, &part) || !cursor_set_add(out, &part))
			return -1;
		s += len;
	}
	return 0;
}
