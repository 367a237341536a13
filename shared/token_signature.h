/*
 * token_signature: ES256 (RFC 7518, section 3.4) with keys that are parsed once.
 *
 * Only token.c includes this.  libjwt would parse the PEM of the key for each token, which takes
 * OpenSSL three times as long as verifying: when ten thousand clients come back at once, that is
 * what they wait for.
 *
 *	if (token_signature_good(token_keys_find(kid), token))
 *		...                      // then the claims may be read
 */
#ifndef ROOKERY_TOKEN_SIGNATURE_H
#define ROOKERY_TOKEN_SIGNATURE_H

#include <stdbool.h>
#include "token_keys.h"

/* Is the third part of the token the signature of the first two by that key? */
bool token_signature_good(const struct token_key *key, const char *token);

#endif
