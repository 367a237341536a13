/*
 * phone: telephone numbers as people write them, into E.164, over libphonenumber.
 *
 * C++17 behind this C interface.  Only programs that call it are linked with the library, and its
 * tables are set up at the first call; why, and what it costs: docs/decisions/phone-numbers.md.
 *
 *	char number[PHONE_SIZE];
 *
 *	if (!phone_normalize("(030) 1234-5678", "DE", number))
 *		return req_fail(r, ERR_VALIDATION, "phoneNumber", "not a telephone number");
 *	// "+493012345678"
 */
#ifndef ROOKERY_PHONE_H
#define ROOKERY_PHONE_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PHONE_SIZE = 17 }; /* +, fifteen digits (ITU-T E.164) and the NUL */

/* in: digits with the usual blanks, dots, dashes, slashes and brackets; international with +, else
 * as dialled in default_region (ISO 3166, "DE"), NULL when only international ones are wanted.
 * false, and out untouched, when no such number can exist: unknown country, too short, too long,
 * letters, or not a whole subscriber number. */
bool phone_normalize(const char *in, const char *default_region, char out[PHONE_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
