/* Passwords and one-time codes: see password.h. */
#include "password.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "keyfile.h"
#include "log.h"

/*
 * Argon2id, one lane: two passes over 19 MiB, one of the pairs that OWASP's password storage sheet
 * names as equally strong.  Memory is what hurts a guesser's hardware; more than this would let a
 * handful of sign-ins at once push a machine of 1 GiB into swapping.  A hash carries its
 * parameters, so these may be raised at any time.
 */
enum { PASSES = 2, MEMORY = 19 * 1024 * 1024 };

static const char CODE_KEY[] = "code.key";

char *
password_hash(struct arena *a, const char *password)
{
	char *hash = arena_alloc(a, crypto_pwhash_STRBYTES);

	if (crypto_pwhash_str_alg(
		hash, password, strlen(password), PASSES, MEMORY, crypto_pwhash_ALG_ARGON2ID13)) {
		log_error("out of memory while a password is hashed");
		abort();
	}
	return hash;
}

bool
password_verify(const char *hash, const char *password)
{
	unsigned char salt[crypto_pwhash_SALTBYTES] = {0}, out[32];

	if (hash)
		return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
	/* The same work where there is no account, or time would tell which names exist. */
	if (crypto_pwhash(out, sizeof(out), password, strlen(password), salt, PASSES, MEMORY,
		crypto_pwhash_ALG_ARGON2ID13) == 0)
		sodium_memzero(out, sizeof(out));
	return false;
}

char *
password_code(struct arena *a, int digits)
{
	uint32_t bound = 1;

	for (int i = 0; i < digits; i++)
		bound *= 10;
	return arena_printf(a, "%0*u", digits, randombytes_uniform(bound));
}

/*
 * Six digits are guessed in a second when their hash leaks, so the hash is keyed with a secret that
 * is not in the database.  Whoever needs the key first makes it.
 */
static bool
code_key(unsigned char *key, size_t size)
{
	ssize_t n = keyfile_read(CODE_KEY, key, size);
	int lock;

	if (n < 0 && errno == ENOENT && (lock = keyfile_lock()) >= 0) {
		n = keyfile_read(CODE_KEY, key, size);
		if (n < 0 && errno == ENOENT) {
			randombytes_buf(key, size);
			n = keyfile_write(CODE_KEY, key, size) ? -1 : (ssize_t)size;
		}
		keyfile_unlock(lock);
	}
	if (n != (ssize_t)size)
		log_error("the key of one-time codes cannot be read", "file", CODE_KEY);
	return n == (ssize_t)size;
}

char *
password_code_hash(struct arena *a, const char *id, const char *code)
{
	enum { BYTES = 32 };
	static unsigned char key[crypto_generichash_KEYBYTES];
	static bool known;
	crypto_generichash_state state;
	unsigned char hash[BYTES];

	if (!known && !(known = code_key(key, sizeof(key))))
		return NULL;
	crypto_generichash_init(&state, key, sizeof(key), BYTES);
	crypto_generichash_update(&state, (const unsigned char *)id, strlen(id) + 1);
	crypto_generichash_update(&state, (const unsigned char *)code, strlen(code));
	crypto_generichash_final(&state, hash, BYTES);
	return sodium_bin2hex(arena_alloc(a, 2 * BYTES + 1), 2 * BYTES + 1, hash, BYTES);
}

bool
password_equal(const char *a, const char *b)
{
	size_t n;

	if (!a || !b || (n = strlen(a)) != strlen(b))
		return false;
	return sodium_memcmp(a, b, n) == 0;
}
