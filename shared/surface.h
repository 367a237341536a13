/*
 * surface: what the five documented surfaces do differently, as data: the shape of their errors.
 */
#ifndef ROOKERY_SURFACE_H
#define ROOKERY_SURFACE_H

#include <jansson.h>
#include "err.h"

struct req;

struct surface {
	const char *name;
	const char *error_type; /* media type of error bodies */
	int validation_status;  /* of malformed input where the operation says nothing else */
	/* Body of an error answer; detail and field may be NULL. */
	json_t *(*error)(struct req *r, enum err err, int status, const char *detail, const char *field);
};

/* By name; an unknown one is a programming error: it aborts. */
const struct surface *surface_named(const char *name);

#endif
