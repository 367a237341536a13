/* ES256 signatures of tokens: see token_signature.h. */
#include "token_signature.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <string.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum {
	NUMBER = 32, /* bytes of r and of s */
	KEYS = 8,    /* parsed keys that are kept */
};

static struct {
	struct parsed {
		char kid[TOKEN_KID_SIZE];
		EVP_PKEY *key;
	} parsed[KEYS];
	int n;
	unsigned generation; /* of token_keys: a file may have changed under its name */
} keys;

static void
forget(void)
{
	while (keys.n > 0)
		EVP_PKEY_free(keys.parsed[--keys.n].key);
}

static EVP_PKEY *
parse(const struct token_key *key)
{
	BIO *bio = BIO_new_mem_buf(key->pem, (int)key->size);
	EVP_PKEY *parsed = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return parsed;
}

/* Stays ours; NULL when the file holds no key. */
static EVP_PKEY *
key_parsed(const struct token_key *key)
{
	EVP_PKEY *parsed;

	if (keys.generation != token_keys_generation() || keys.n == KEYS) {
		forget();
		keys.generation = token_keys_generation();
	}
	for (int i = 0; i < keys.n; i++)
		if (!strcmp(keys.parsed[i].kid, key->kid))
			return keys.parsed[i].key;
	if (!(parsed = parse(key)))
		return NULL;
	strcpy(keys.parsed[keys.n].kid, key->kid);
	keys.parsed[keys.n++].key = parsed;
	return parsed;
}

/* The two numbers as OpenSSL wants them, DER; its length, 0 when they are none. */
static int
to_der(const unsigned char numbers[2 * NUMBER], unsigned char **out)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(numbers, NUMBER, NULL),
	       *s = BN_bin2bn(numbers + NUMBER, NUMBER, NULL);
	int n = 0;

	*out = NULL;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		n = i2d_ECDSA_SIG(sig, out);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return n > 0 ? n : 0;
}

bool
token_signature_good(const struct token_key *key, const char *token)
{
	const char *dot = strrchr(token, '.');
	unsigned char numbers[2 * NUMBER], *der;
	EVP_PKEY *parsed = key_parsed(key);
	EVP_MD_CTX *ctx;
	bool good = false;
	size_t n;
	int der_n;

	/* libsodium 1.0.18 takes some bytes above 0x7f for digits. */
	if (!dot || !parsed || dot[1 + strspn(dot + 1, DIGITS)] ||
	    sodium_base642bin(numbers, sizeof(numbers), dot + 1, strlen(dot + 1), NULL, &n, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	    n != sizeof(numbers))
		return false;
	der_n = to_der(numbers, &der);
	ctx = EVP_MD_CTX_new();
	if (der_n && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, parsed) == 1)
		good = EVP_DigestVerify(ctx, der, (size_t)der_n, (const unsigned char *)token,
			   (size_t)(dot - token)) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	return good;
}
