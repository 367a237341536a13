/*
 * route: from method and path to an operation, by the family's one regular expression (PCRE2).
 */
#ifndef ROOKERY_ROUTE_H
#define ROOKERY_ROUTE_H

#include "contract.h"

struct req;

enum { ROUTE_CAPTURES = 8 };

/* Compile the family's expression; once, before workers are forked. */
void route_compile(const struct family *f);
/* Set r->op and *route and the captures' raw texts.  0, ERR_NOT_FOUND or ERR_METHOD (with an Allow header). */
int route_find(struct req *r, const struct route **route, const char **captures);

#endif
