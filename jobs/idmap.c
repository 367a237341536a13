/* idmap: see idmap.h.  Open addressing with linear probing, at most three quarters full. */
#include "idmap.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 256 };

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
id16_parse(const char *text, struct id16 *out)
{
	uint64_t half[2] = {0, 0};
	int n = 0;

	for (; *text; text++) {
		int d = digit(*text);

		if (*text == '-')
			continue;
		if (d < 0 || n == 32)
			return false;
		half[n / 16] = half[n / 16] << 4 | (uint64_t)d;
		n++;
	}
	*out = (struct id16){half[0], half[1]};
	return n == 32;
}

int64_t
id16_ms(const struct id16 *id)
{
	return (int64_t)(id->high >> 16);
}

void
id16_text(const struct id16 *id, char out[ID16_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	int at = 0;

	for (int i = 0; i < 32; i++) {
		uint64_t half = i < 16 ? id->high : id->low;

		if (i == 8 || i == 12 || i == 16 || i == 20)
			out[at++] = '-';
		out[at++] = digits[half >> (60 - 4 * (i % 16)) & 15];
	}
	out[at] = '\0';
}

int
id16_compare(const struct id16 *a, const struct id16 *b)
{
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return a->low < b->low ? -1 : a->low > b->low;
}

/* Place of the id, or the free place where it belongs.  The low half of a UUIDv7 is random. */
static struct idmap_entry *
place(struct idmap_entry *table, size_t room, const struct id16 *id)
{
	size_t i = (size_t)(id->low * 0x9e3779b97f4a7c15u >> 20) & (room - 1);

	while (table[i].value && id16_compare(&table[i].id, id))
		i = (i + 1) & (room - 1);
	return &table[i];
}

static void
grow(struct idmap *m)
{
	size_t room = m->room ? 2 * m->room : FIRST_ROOM;
	struct idmap_entry *table = calloc(room, sizeof *table);

	if (!table)
		abort();
	for (size_t i = 0; i < m->room; i++) {
		if (m->table[i].value)
			*place(table, room, &m->table[i].id) = m->table[i];
	}
	free(m->table);
	m->table = table;
	m->room = room;
}

void
idmap_put(struct idmap *m, const struct id16 *id, int64_t value)
{
	struct idmap_entry *e;

	if (4 * (m->used + 1) > 3 * m->room)
		grow(m);
	e = place(m->table, m->room, id);
	m->used += !e->value;
	*e = (struct idmap_entry){*id, value};
}

const int64_t *
idmap_find(const struct idmap *m, const struct id16 *id)
{
	const struct idmap_entry *e;

	if (!m->room)
		return NULL;
	e = place(m->table, m->room, id);
	return e->value ? &e->value : NULL;
}

void
idmap_free(struct idmap *m)
{
	free(m->table);
	*m = (struct idmap){0};
}
