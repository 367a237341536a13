/*
 * query: query strings and percent-encoding (RFC 3986, with + as a blank as forms write it).
 *
 *	bool bad = false;
 *	const char *page = query_get(r->arena, r->query_string, "page", &bad);
 */
#ifndef ROOKERY_QUERY_H
#define ROOKERY_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include "arena.h"

/* The first value of a parameter, decoded, in the arena; NULL when it is absent, and also when its escapes are
 * malformed: then *bad is set. */
const char *query_get(struct arena *a, const char *query, const char *name, bool *bad);
/* n bytes decoded; NULL when an escape is malformed or stands for NUL.  plus: + is a blank. */
const char *query_decode(struct arena *a, const char *s, size_t n, bool plus);

#endif
