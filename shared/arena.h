/*
 * arena: memory that lives as long as one request.
 *
 * Ownership: an arena owns every byte handed out from it; nothing is freed alone.  arena_reset()
 * runs the deferred closers (latest first) and keeps one block for the next request.
 * Allocation never returns NULL: when the system has no memory left the process aborts and the
 * master starts another.
 *
 *	struct arena *a = arena_new();
 *	char *s = arena_printf(a, "%s/%d", name, n);
 *	arena_defer(a, close_file, f);
 *	arena_reset(a);
 */
#ifndef ROOKERY_ARENA_H
#define ROOKERY_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);
/* Run deferred closers and forget everything allocated since the last reset. */
void arena_reset(struct arena *a);
/* Bytes held by the arena's blocks, used to shrink a worker after a burst. */
size_t arena_size(const struct arena *a);

void *arena_alloc(struct arena *a, size_t size);  /* uninitialised, aligned for any object */
void *arena_zalloc(struct arena *a, size_t size); /* zeroed */
char *arena_strdup(struct arena *a, const char *s); /* NULL stays NULL */
char *arena_memdup(struct arena *a, const void *p, size_t n); /* adds a NUL after the n bytes */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);

/* Call fn(arg) at the next reset: for what is not memory (files, results, handles). */
void arena_defer(struct arena *a, void (*fn)(void *), void *arg);

#endif
