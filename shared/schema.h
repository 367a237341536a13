/*
 * schema: values held against the contract's schemas.
 *
 * Ownership: messages and normalised texts live in the arena given.
 *
 *	struct schema_fault fault;
 *	if (!schema_check(a, op->body, body, &fault))
 *		return req_fail(r, ERR_VALIDATION, fault.path, "%s", fault.why);
 */
#ifndef ROOKERY_SCHEMA_H
#define ROOKERY_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include "arena.h"
#include "contract.h"

struct schema_fault {
	const char *path; /* "memberIds[3]"; "" for the value itself */
	const char *why;  /* "must be …" */
	int invalid;      /* x-invalid of the nearest field, or 0 */
	int form;         /* alternative of a one_of that was chosen at the top; 0 else */
};

/* Does the value satisfy the schema?  Strings with a format are normalised in place (UUIDs in lower case,
 * times in UTC). */
bool schema_check(struct arena *a, const struct schema *s, json_t *value, struct schema_fault *fault);
/* The same for a text from path, query or header; integers, numbers and booleans are parsed.  *value is set. */
bool schema_check_text(struct arena *a, const struct schema *s, const char *text, json_t **value,
    struct schema_fault *fault);

#endif
