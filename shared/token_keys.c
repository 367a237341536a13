/*
 * Key files of access tokens: see token_keys.h, and token.h for the functions that everyone may
 * call.
 *
 * A process keeps the public keys in a ring and looks at the directory again every few seconds, so
 * that a new key is known and a removed one forgotten everywhere without a restart.
 */
#include "token_keys.h"

#include <dirent.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base64.h"
#include "clock.h"
#include "conf.h"
#include "keyfile.h"
#include "log.h"
#include "token.h"

enum {
	RING_SIZE = 8,    /* public keys in use at one time */
	LOOK_AGAIN = 5,   /* seconds after which the directory is looked at again … */
	LOOK_UNKNOWN = 2, /* … and when a token names a key that is not known */
	COORDINATE = 32,  /* bytes of x and y */
};

/* What this process knows of RUN/keys, newest first. */
static struct {
	struct token_key keys[RING_SIZE];
	int n;
	struct token_key signer; /* size 0 until something is to be signed */
	int64_t looked;          /* clock_steady() of the last look; 0: never */
	unsigned generation;
} ring;

/* ---- key files --------------------------------------------------------------------------- */

/* Names sort by age: 12 hex digits of milliseconds, then 8 random ones. */
static void
new_kid(char kid[TOKEN_KID_SIZE])
{
	snprintf(kid, TOKEN_KID_SIZE, "%012llx%08x",
	    (unsigned long long)clock_now() / 1000 & 0xffffffffffff, randombytes_random());
}

static bool
is_kid(const char *s)
{
	return strlen(s) == TOKEN_KID_SIZE - 1 &&
	       strspn(s, "0123456789abcdef") == TOKEN_KID_SIZE - 1;
}

static void
key_name(char out[64], const char *kid, const char *suffix)
{
	snprintf(out, 64, "token-%.20s%.4s", kid, suffix);
}

/* Write what is in the memory BIO as a key file. */
static int
store(BIO *bio, const char *kid, const char *suffix)
{
	char name[64], *p;
	long n = BIO_get_mem_data(bio, &p);

	key_name(name, kid, suffix);
	return n > 0 ? keyfile_write(name, p, (size_t)n) : -1;
}

static int
make_keys(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *public = BIO_new(BIO_s_mem()), *private = BIO_new(BIO_s_secmem());
	char kid[TOKEN_KID_SIZE];
	int bad = -1;

	new_kid(kid);
	/* The public half first: nothing is signed with a key that cannot be verified. */
	if (key && public && private && PEM_write_bio_PUBKEY(public, key) &&
	    PEM_write_bio_PrivateKey(private, key, NULL, NULL, 0, NULL, NULL) &&
	    !store(public, kid, ".pub") && !store(private, kid, ".pem"))
		bad = 0;
	BIO_free(private);
	BIO_free(public);
	EVP_PKEY_free(key);
	if (bad)
		log_error("cannot make token keys");
	else
		log_info("token keys made", "kid", kid);
	return bad;
}

/* The names of up to max keys with that suffix, newest first. */
static int
list_keys(const char *suffix, char kids[][TOKEN_KID_SIZE], int max)
{
	char path[PATH_MAX], name[64], kid[TOKEN_KID_SIZE];
	struct dirent *entry;
	DIR *dir = opendir(conf_run_path(path, sizeof(path), "keys"));
	int n = 0, i;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "token-%20[0-9a-f]", kid) != 1 || !is_kid(kid))
			continue;
		key_name(name, kid, suffix);
		if (strcmp(name, entry->d_name))
			continue;
		for (i = n; i > 0 && strcmp(kids[i - 1], kid) < 0; i--)
			if (i < max)
				memcpy(kids[i], kids[i - 1], TOKEN_KID_SIZE);
		if (i < max)
			memcpy(kids[i], kid, TOKEN_KID_SIZE);
		n += n < max;
	}
	if (dir)
		closedir(dir);
	return n;
}

int
token_keys_rotate(void)
{
	int lock = keyfile_lock(), bad;

	if (lock < 0)
		return -1;
	bad = make_keys();
	keyfile_unlock(lock);
	return bad;
}

int
token_keys_ensure(void)
{
	char kid[1][TOKEN_KID_SIZE];
	int lock = keyfile_lock(), bad = 0;

	if (lock < 0)
		return -1;
	if (list_keys(".pem", kid, 1) == 0)
		bad = make_keys();
	keyfile_unlock(lock);
	return bad;
}

/* ---- the ring ---------------------------------------------------------------------------- */

static bool
read_key(struct token_key *key, const char *kid, const char *suffix)
{
	char name[64];
	ssize_t n;

	key_name(name, kid, suffix);
	n = keyfile_read(name, key->pem, sizeof(key->pem) - 1);
	if (n <= 0)
		return false;
	key->pem[n] = 0;
	key->size = (size_t)n;
	memcpy(key->kid, kid, TOKEN_KID_SIZE);
	return true;
}

/* The public key as OpenSSL has it, NULL unless it lies on P-256. */
static EVP_PKEY *
parse_public(const struct token_key *key)
{
	BIO *bio = BIO_new_mem_buf(key->pem, (int)key->size);
	EVP_PKEY *parsed = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	char group[32];

	BIO_free(bio);
	if (!parsed || !EVP_PKEY_is_a(parsed, "EC") ||
	    !EVP_PKEY_get_group_name(parsed, group, sizeof(group), NULL) ||
	    strcmp(group, SN_X9_62_prime256v1)) {
		EVP_PKEY_free(parsed);
		return NULL;
	}
	return parsed;
}

/* Read the directory anew.  The private key is read again when it is needed. */
static void
ring_load(void)
{
	char kids[RING_SIZE][TOKEN_KID_SIZE], before[RING_SIZE][TOKEN_KID_SIZE];
	int n = list_keys(".pub", kids, RING_SIZE), had = ring.n;
	bool changed;
	EVP_PKEY *parsed;

	for (int i = 0; i < had; i++)
		memcpy(before[i], ring.keys[i].kid, TOKEN_KID_SIZE);
	ring.n = 0;
	for (int i = 0; i < n; i++) {
		if (!read_key(&ring.keys[ring.n], kids[i], ".pub"))
			continue;
		if ((parsed = parse_public(&ring.keys[ring.n])))
			ring.n++;
		else
			log_error("not a P-256 public key", "kid", kids[i]);
		EVP_PKEY_free(parsed);
	}
	changed = had != ring.n;
	for (int i = 0; i < had && !changed; i++)
		changed = strcmp(before[i], ring.keys[i].kid) != 0;
	ring.generation += changed;
	ring.looked = clock_steady();
	sodium_memzero(&ring.signer, sizeof(ring.signer));
}

static void
ring_refresh(int seconds)
{
	if (!ring.looked || clock_steady() - ring.looked >= seconds * (int64_t)CLOCK_SECOND)
		ring_load();
}

static const struct token_key *
ring_find(const char *kid)
{
	for (int i = 0; i < ring.n; i++)
		if (!strcmp(ring.keys[i].kid, kid))
			return &ring.keys[i];
	return NULL;
}

const struct token_key *
token_keys_find(const char *kid)
{
	const struct token_key *key;

	ring_refresh(LOOK_AGAIN);
	if (!(key = ring_find(kid))) {
		ring_refresh(LOOK_UNKNOWN);
		key = ring_find(kid);
	}
	return key;
}

const struct token_key *
token_keys_signer(void)
{
	char kid[1][TOKEN_KID_SIZE];

	ring_refresh(LOOK_AGAIN);
	if (!ring.signer.size &&
	    (list_keys(".pem", kid, 1) == 0 || !read_key(&ring.signer, kid[0], ".pem"))) {
		log_error("no private token key can be read");
		return NULL;
	}
	return &ring.signer;
}

unsigned
token_keys_generation(void)
{
	ring_refresh(LOOK_AGAIN);
	return ring.generation;
}

/* ---- JWKS -------------------------------------------------------------------------------- */

static json_t *
coordinate(struct arena *a, EVP_PKEY *key, const char *name)
{
	unsigned char bytes[COORDINATE];
	BIGNUM *n = NULL;
	json_t *text = NULL;

	if (EVP_PKEY_get_bn_param(key, name, &n) &&
	    BN_bn2binpad(n, bytes, COORDINATE) == COORDINATE)
		text = json_string(base64_encode_url(a, bytes, sizeof(bytes)));
	BN_free(n);
	return text;
}

json_t *
token_jwks(void)
{
	struct arena *a = arena_new();
	json_t *keys = json_array();
	EVP_PKEY *parsed;

	ring_refresh(LOOK_AGAIN);
	for (int i = 0; i < ring.n; i++) {
		if (!(parsed = parse_public(&ring.keys[i])))
			continue;
		json_array_append_new(
		    keys, json_pack("{ss ss ss ss ss so so}", "kty", "EC", "crv", "P-256", "use",
			      "sig", "alg", "ES256", "kid", ring.keys[i].kid, "x",
			      coordinate(a, parsed, OSSL_PKEY_PARAM_EC_PUB_X), "y",
			      coordinate(a, parsed, OSSL_PKEY_PARAM_EC_PUB_Y)));
		EVP_PKEY_free(parsed);
	}
	arena_free(a);
	return json_pack("{so}", "keys", keys);
}
