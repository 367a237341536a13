/*
 * Access tokens: see token.h.  The parts, top to bottom: issuing, the table of verified tokens,
 * verifying, opaque secrets.  Where keys come from is the matter of token_keys.c.
 */
#include "token.h"

#include <errno.h>
#include <jwt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base64.h"
#include "clock.h"
#include "id.h"
#include "json.h"
#include "log.h"
#include "token_keys.h"
#include "token_signature.h"

enum {
	TOKEN_MAX = 4096,  /* bytes; longer ones are not looked at */
	CACHE_SETS = 1024, /* power of two */
	CACHE_WAYS = 8,
	CACHE_KEY = 32, /* bytes of BLAKE2b */
};

static const char ISSUER[] = "rookery";

/* ---- issuing ----------------------------------------------------------------------------- */

static char *
sign(struct arena *a, const char *account, const char *session, const char *device,
    int64_t lifetime_seconds)
{
	const struct token_key *key = token_keys_signer();
	long now = (long)(clock_now() / CLOCK_SECOND);
	char *text = NULL, *copy = NULL;
	jwt_t *jwt;

	if (!key || jwt_new(&jwt))
		return NULL;
	if (!jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)key->pem, (int)key->size) &&
	    !jwt_add_header(jwt, "kid", key->kid) && !jwt_add_grant(jwt, "iss", ISSUER) &&
	    !jwt_add_grant(jwt, "sub", account) && !jwt_add_grant(jwt, "sid", session) &&
	    !jwt_add_grant(jwt, "did", device) && !jwt_add_grant_int(jwt, "iat", now) &&
	    !jwt_add_grant_int(jwt, "exp", now + (long)lifetime_seconds))
		text = jwt_encode_str(jwt);
	jwt_free(jwt);
	if (text)
		copy = arena_strdup(a, text);
	else
		log_error("cannot sign a token", "kid", key->kid);
	free(text);
	return copy;
}

/* libjwt shares jansson with us and frees what it makes: no arena may be in use meanwhile. */
char *
token_issue(struct arena *a, const char *account, const char *session, const char *device,
    int64_t lifetime_seconds)
{
	struct arena *before = json_use(NULL);
	char *text = sign(a, account, session, device, lifetime_seconds);

	json_use(before);
	return text;
}

/* ---- the table of verified tokens -------------------------------------------------------- */

/* A set holds the tokens whose hashes begin alike, latest used first. */
struct entry {
	unsigned char key[CACHE_KEY];
	struct token_claims claims; /* expires 0: the entry is free */
};

static struct entry cache[CACHE_SETS][CACHE_WAYS]; /* pages that nothing touched cost nothing */
static unsigned cache_generation;

/* The set of a token.  Keys that changed make all earlier verdicts void. */
static struct entry *
cache_set(const unsigned char key[CACHE_KEY])
{
	if (cache_generation != token_keys_generation()) {
		memset(cache, 0, sizeof(cache));
		cache_generation = token_keys_generation();
	}
	return cache[(key[0] | key[1] << 8) & (CACHE_SETS - 1)];
}

static void
move_to_front(struct entry *set, int way)
{
	struct entry entry = set[way];

	memmove(set + 1, set, (size_t)way * sizeof(*set));
	set[0] = entry;
}

static bool
cache_find(const unsigned char key[CACHE_KEY], int64_t now, struct token_claims *out)
{
	struct entry *set = cache_set(key);

	for (int i = 0; i < CACHE_WAYS; i++) {
		if (set[i].claims.expires <= now || memcmp(set[i].key, key, CACHE_KEY))
			continue;
		if (i)
			move_to_front(set, i);
		*out = set[0].claims;
		return true;
	}
	return false;
}

/* Takes the place of an expired entry, else of the one that was not used for longest. */
static void
cache_add(const unsigned char key[CACHE_KEY], int64_t now, const struct token_claims *claims)
{
	struct entry *set = cache_set(key);
	int way = 0;

	while (way < CACHE_WAYS - 1 && set[way].claims.expires > now)
		way++;
	move_to_front(set, way);
	memcpy(set[0].key, key, CACHE_KEY);
	set[0].claims = *claims;
}

/* ---- verifying --------------------------------------------------------------------------- */

/* The key that the head asks for.  The head is not trusted: it must name ES256, one of our keys and
 * nothing that we would have to understand (RFC 7515, "crit"). */
static const struct token_key *
key_of(jwt_t *jwt)
{
	const char *kid = jwt_get_header(jwt, "kid"), *alg = jwt_get_header(jwt, "alg");
	char *crit = jwt_get_headers_json(jwt, "crit");
	bool ours = alg && !strcmp(alg, "ES256") && kid && !crit;

	free(crit);
	return ours ? token_keys_find(kid) : NULL;
}

/* A canonical UUID claim into out. */
static bool
claim_id(jwt_t *jwt, const char *name, char out[ID_SIZE])
{
	const char *text = jwt_get_grant(jwt, name);

	return text && id_parse(text, out) && !strcmp(text, out);
}

static bool
claim_time(jwt_t *jwt, const char *name, int64_t *out)
{
	errno = 0;
	*out = jwt_get_grant_int(jwt, name);
	return errno == 0 && *out > 0;
}

static bool
read_claims(jwt_t *jwt, int64_t now, struct token_claims *out)
{
	const char *issuer = jwt_get_grant(jwt, "iss");

	return issuer && !strcmp(issuer, ISSUER) && claim_id(jwt, "sub", out->account) &&
	       claim_id(jwt, "sid", out->session) && claim_id(jwt, "did", out->device) &&
	       claim_time(jwt, "iat", &out->issued) && claim_time(jwt, "exp", &out->expires) &&
	       out->expires > now;
}

/* libjwt takes the token apart; nothing of it is believed before the signature was verified. */
static bool
check(const char *token, int64_t now, struct token_claims *claims)
{
	const struct token_key *key;
	bool good;
	jwt_t *jwt;

	if (jwt_decode(&jwt, token, NULL, 0))
		return false;
	key = key_of(jwt);
	good = key && token_signature_good(key, token) && read_claims(jwt, now, claims);
	jwt_free(jwt);
	return good;
}

bool
token_verify(const char *token, struct token_claims *out)
{
	struct token_claims claims = {0};
	unsigned char hash[CACHE_KEY];
	size_t n = token ? strnlen(token, TOKEN_MAX) : 0;
	int64_t now = clock_now() / CLOCK_SECOND;
	struct arena *before;
	bool good;

	if (n == 0 || n == TOKEN_MAX)
		return false;
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)token, n, NULL, 0);
	if (cache_find(hash, now, out))
		return true;
	before = json_use(NULL);
	good = check(token, now, &claims);
	json_use(before);
	if (good) {
		cache_add(hash, now, &claims);
		*out = claims;
	}
	return good;
}

/* ---- opaque secrets ---------------------------------------------------------------------- */

char *
token_random(struct arena *a, size_t n)
{
	unsigned char *bytes = arena_alloc(a, n);

	randombytes_buf(bytes, n);
	return base64_encode_url(a, bytes, n);
}

char *
token_hash(struct arena *a, const char *secret)
{
	enum { BYTES = 32 };
	unsigned char hash[BYTES];
	char *hex = arena_alloc(a, 2 * BYTES + 1);

	crypto_generichash(hash, BYTES, (const unsigned char *)secret, strlen(secret), NULL, 0);
	return sodium_bin2hex(hex, 2 * BYTES + 1, hash, BYTES);
}
