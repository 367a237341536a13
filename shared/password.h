/*
 * password: Argon2id (libsodium) for passwords and PINs, keyed BLAKE2b for one-time codes.
 */
#ifndef ROOKERY_PASSWORD_H
#define ROOKERY_PASSWORD_H

#include <stdbool.h>
#include "arena.h"

char *password_hash(struct arena *a, const char *password); /* "$argon2id$…" in the arena */
bool password_verify(const char *hash, const char *password);
/* A decimal code of n digits (n <= 9), uniformly drawn; and its hash bound to the id it was made for. */
char *password_code(struct arena *a, int digits);
char *password_code_hash(struct arena *a, const char *id, const char *code);
bool password_equal(const char *a, const char *b); /* constant time */

#endif
