/*
 * surface: what the five documented surfaces do differently, as data: the shape of their errors, and
 * how long their tokens live.
 */
#ifndef ROOKERY_SURFACE_H
#define ROOKERY_SURFACE_H

#include <jansson.h>
#include <stdint.h>
#include "err.h"

struct req;

struct surface {
	const char *name;
	const char *error_type; /* media type of error bodies */
	int validation_status;  /* of malformed input where the operation says nothing else */
	/* Settings, in seconds: an access token's life, and that of a session nobody refreshes. */
	const char *token_lifetime, *session_lifetime;
	/* Body of an error answer; detail and field may be NULL. */
	json_t *(*error)(struct req *r, enum err err, int status, const char *detail, const char *field);
};

/* By name; an unknown one is a programming error: it aborts. */
const struct surface *surface_named(const char *name);
/* The longest life of an access token on any surface: so long the mark of an ended session is needed. */
int64_t surface_longest_token(void);

#endif
