/*
 * clock: instants as microseconds since 1970-01-01T00:00:00Z, and their text form (RFC 3339).
 *
 * Nothing is owned.  Text is always written in UTC with milliseconds, the way db.h hands out
 * timestamps; any offset is read.
 *
 *	int64_t us;
 *
 *	if (!clock_parse("2026-01-31T13:00:00.5+01:00", &us))
 *		return ERR_VALIDATION;
 *	clock_format(a, us); // "2026-01-31T12:00:00.500Z"
 */
#ifndef ROOKERY_CLOCK_H
#define ROOKERY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include "arena.h"

enum { CLOCK_SECOND = 1000000 }; /* microseconds */

/* Wall clock in microseconds since 1970; it may step.  For durations use clock_steady(). */
int64_t clock_now(void);
/* Microseconds since some fixed moment; never steps back. */
int64_t clock_steady(void);
/* RFC 3339 date-time: "T" and "Z" in either case, any number of fraction digits (those after the
 * sixth are dropped), offsets up to 23:59.  A leap second (23:59:60 UTC) is the second after it.
 * false, and *us untouched, for anything else and for instants outside the years 1 to 9999 UTC. */
bool clock_parse(const char *s, int64_t *us);
/* "2026-01-31T12:00:00.123Z" in the arena, cut (not rounded) to milliseconds; instants outside the
 * years 1 to 9999 become the nearest that has a text. */
char *clock_format(struct arena *a, int64_t us);

#endif
