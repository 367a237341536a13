/*
 * utf8: is it UTF-8 (RFC 3629), decided byte by byte so that a text may arrive in pieces.
 *
 *	struct utf8 u = {0};
 *
 *	if (!utf8_feed(&u, piece, n))
 *		...                       // no continuation can make it valid any more
 *	if (!utf8_whole(&u))
 *		...                       // it ends inside a character
 */
#ifndef WSRELAY_UTF8_H
#define WSRELAY_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct utf8 {
	uint8_t need;   /* continuation bytes still to come */
	uint8_t lo, hi; /* bounds of the next one */
};

bool utf8_feed(struct utf8 *u, const void *p, size_t n);
bool utf8_valid(const void *p, size_t n);

static inline bool
utf8_whole(const struct utf8 *u)
{
	return u->need == 0;
}

#endif
