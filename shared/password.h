/*
 * password: Argon2id (libsodium) for passwords and PINs, keyed BLAKE2b for one-time codes.
 *
 * Ownership: texts live in the arena.  A password costs 19 MiB and some 20 ms, on purpose; the
 * parameters stand in the hash.  The key of the codes is RUN/keys/code.key, made at first use.
 *
 *	code = password_code(a, 6);                         // sent to the caller, stored nowhere
 *	stored = password_code_hash(a, registration, code);
 *	…
 *	if (!password_equal(stored, password_code_hash(a, registration, in->otp)))
 */
#ifndef ROOKERY_PASSWORD_H
#define ROOKERY_PASSWORD_H

#include <stdbool.h>
#include "arena.h"

char *password_hash(struct arena *a, const char *password); /* "$argon2id$…" in the arena */
/* With hash NULL (no such account) false, after as long as a check takes. */
bool password_verify(const char *hash, const char *password);
/* A decimal code of n digits (n <= 9), uniformly drawn; and its hash bound to the id it was made
 * for: 64 hex digits, NULL (logged) when the key can be neither read nor made. */
char *password_code(struct arena *a, int digits);
char *password_code_hash(struct arena *a, const char *id, const char *code);
bool password_equal(const char *a, const char *b); /* constant time; false for NULL */

#endif
