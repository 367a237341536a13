/*
 * token_keys: the key files behind token.h, and what a process knows of them.
 *
 * Only token.c includes this.  Keys returned belong to the ring and stay as they are until the next
 * call of any function here.
 *
 *	const struct token_key *key = token_keys_find(kid);
 *
 *	if (key)
 *		jwt_decode(&jwt, token, (const unsigned char *)key->pem, (int)key->size);
 */
#ifndef ROOKERY_TOKEN_KEYS_H
#define ROOKERY_TOKEN_KEYS_H

#include <stddef.h>

enum {
	TOKEN_KID_SIZE = 21,   /* 20 hex digits and the NUL */
	TOKEN_PEM_SIZE = 1024, /* a P-256 key takes 250 bytes */
};

struct token_key {
	char kid[TOKEN_KID_SIZE];
	char pem[TOKEN_PEM_SIZE]; /* NUL-terminated */
	size_t size;
};

/* The newest private key, NULL when none can be read. */
const struct token_key *token_keys_signer(void);
/* The public key of that name.  The directory is looked at again from time to time, and for an
 * unknown name at most every other second.  NULL when there is none. */
const struct token_key *token_keys_find(const char *kid);
/* Another number than before when a key was added or taken away since. */
unsigned token_keys_generation(void);

#endif
