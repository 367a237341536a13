/*
 * buf: a growing byte string inside an arena.
 *
 * Ownership: the bytes belong to the arena; b.p is NUL-terminated after every call.
 *
 *	struct buf b = buf_new(r->arena);
 *	buf_printf(&b, "XADD %s", key);
 *	buf_putc(&b, '\n');
 */
#ifndef ROOKERY_BUF_H
#define ROOKERY_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include "arena.h"

struct buf {
	struct arena *arena;
	char *p;
	size_t n, cap;
};

struct buf buf_new(struct arena *a);
/* Make room for so many bytes more; whoever writes them at b->p + b->n adds to b->n and sets the NUL. */
void buf_reserve(struct buf *b, size_t more);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
