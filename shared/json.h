/*
 * json: jansson inside arenas.
 *
 * json_use(arena) makes every json_t created from then on live in that arena: reference counts may be
 * ignored, nothing is to be freed, and the values die with the request.
 *
 *	json_use(r->arena);
 *	body = json_read(text, len, &why);
 */
#ifndef ROOKERY_JSON_H
#define ROOKERY_JSON_H

#include <jansson.h>
#include <stddef.h>
#include "arena.h"

/* Answers the arena in use before.  NULL stops the use of arenas: plain malloc and free again, as libraries that
 * use jansson themselves need it. */
struct arena *json_use(struct arena *a);
/* Parse one JSON document of n bytes (RFC 8259: any value at the top, no duplicate keys, no NUL
 * characters, valid UTF-8, at most 2048 levels deep).  NULL with *why set to a sentence in the arena. */
json_t *json_read(struct arena *a, const char *text, size_t n, const char **why);
/* Compact text in the arena. */
char *json_text(struct arena *a, const json_t *value, size_t *n);
/* Write n bytes of UTF-8 as a JSON string with its quotes (RFC 8259, section 7) to where there is room for 6 * n + 2; answers
 * its end. */
char *json_quote(char *to, const char *text, size_t n);
/* {"a": "x", "b": null}: names and strings alternate, NULL strings become null. */
json_t *json_strings(const char *name, ...) __attribute__((sentinel));

#endif
