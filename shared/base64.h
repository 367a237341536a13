/*
 * base64: RFC 4648 over libsodium.
 *
 * Ownership: results live in the arena.  Decoding is strict: no blanks, no mixed alphabets, no
 * stray bits in the last character; what decodes has exactly one text per alphabet and padding.
 *
 *	size_t n;
 *	unsigned char *key = base64_decode(r->arena, in->identityKey, &n);
 *
 *	if (!key || n != 32)
 *		return req_fail(r, ERR_VALIDATION, "identityKey", "not a key");
 */
#ifndef ROOKERY_BASE64_H
#define ROOKERY_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include "arena.h"

/* Standard alphabet with padding. */
char *base64_encode(struct arena *a, const void *p, size_t n);
/* URL alphabet without padding, as JOSE and WebAuthn write it. */
char *base64_encode_url(struct arena *a, const void *p, size_t n);
/* Either alphabet, padded or not.  A NUL follows the *n bytes; NULL when text is not base64.  The
 * empty text is zero bytes. */
void *base64_decode(struct arena *a, const char *text, size_t *n);
/* The same into size bytes at out, without a NUL; false also when text has more. */
bool base64_decode_into(void *out, size_t size, const char *text, size_t *n);

#endif
