/* arena: see arena.h.  Blocks form a list; the first one survives arena_reset(), and grows to what was needed. */
#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 16 * 1024, LARGEST_KEPT = 512 * 1024, ALIGNMENT = 16 };

struct block {
	struct block *next;
	size_t size, used;
	/* max_align_t keeps the bytes that follow aligned for any object. */
	max_align_t bytes[];
};

struct closer {
	struct closer *next;
	void (*fn)(void *);
	void *arg;
};

struct arena {
	struct block *first, *last;
	struct closer *closers;
};

static struct block *
block_new(size_t size)
{
	struct block *b = malloc(sizeof *b + size);

	if (!b) {
		fputs("{\"level\":\"error\",\"msg\":\"out of memory\"}\n", stderr);
		abort();
	}
	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *
arena_new(void)
{
	struct arena *a = calloc(1, sizeof *a);

	if (!a)
		abort();
	a->first = a->last = block_new(FIRST_BLOCK);
	return a;
}

static void
drop_blocks(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

/* One block instead of several, so that the next request of this size asks malloc for nothing. */
static void
merge_blocks(struct arena *a)
{
	size_t size = arena_size(a);

	drop_blocks(a->first->next);
	a->first->next = NULL;
	if (size > LARGEST_KEPT)
		size = LARGEST_KEPT;
	if (size > a->first->size) {
		free(a->first);
		a->first = block_new(size);
	}
}

void
arena_reset(struct arena *a)
{
	while (a->closers) {
		struct closer *c = a->closers;

		a->closers = c->next;
		c->fn(c->arg);
	}
	if (a->first->next)
		merge_blocks(a);
	a->first->used = 0;
	a->last = a->first;
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	free(a->first);
	free(a);
}

size_t
arena_size(const struct arena *a)
{
	size_t n = 0;

	for (const struct block *b = a->first; b; b = b->next)
		n += b->size;
	return n;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->last;
	char *p;

	if (size > SIZE_MAX / 2)
		abort();
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (b->size - b->used < size) {
		size_t grown = b->size * 2 < (1u << 20) ? b->size * 2 : (1u << 20);

		b = block_new(size > grown ? size : grown);
		a->last->next = b;
		a->last = b;
	}
	p = (char *)b->bytes + b->used;
	b->used += size;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

char *
arena_memdup(struct arena *a, const void *p, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_memdup(a, s, strlen(s)) : NULL;
}

char *
arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *s;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0)
		abort();
	s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}

void
arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
	struct closer *c = arena_alloc(a, sizeof *c);

	c->fn = fn;
	c->arg = arg;
	c->next = a->closers;
	a->closers = c;
}
