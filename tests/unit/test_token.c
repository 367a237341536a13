/* Access tokens against every forgery that is known for JWT, key files, rotation and the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <jwt.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base64.h"
#include "clock.h"
#include "conf.h"
#include "token.h"

#define ACCOUNT "019c1234-0000-7000-8000-00000000000a"
#define SESSION "019c1234-0000-7000-8000-00000000000b"
#define DEVICE "019c1234-0000-7000-8000-00000000000c"

static struct arena *a;
static char run[] = "/tmp/rookery-test-token-XXXXXX";

static int
setup(void **state)
{
	(void)state;
	a = arena_new();
	if (!mkdtemp(run) || setenv("ROOKERY_RUN", run, 1) ||
	    setenv("ROOKERY_CONF", "/dev/null", 1))
		return -1;
	return conf_load(NULL);
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(a);
	return system("rm -rf \"$ROOKERY_RUN\"");
}

/* Names in RUN/keys that end so; the last one's kid into kid when that is not NULL. */
static int
count_files(const char *suffix, char *kid)
{
	DIR *dir = opendir(arena_printf(a, "%s/keys", run));
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len < strlen(suffix) || strcmp(entry->d_name + len - strlen(suffix), suffix))
			continue;
		n++;
		if (kid)
			snprintf(kid, 21, "%.20s", entry->d_name + strlen("token-"));
	}
	closedir(dir);
	return n;
}

static const char *
key_path(const char *kid, const char *suffix)
{
	return arena_printf(a, "%s/keys/token-%s%s", run, kid, suffix);
}

static char *
slurp(const char *path)
{
	char *text = arena_zalloc(a, 4096);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, 4095, f) > 0);
	fclose(f);
	return text;
}

/* head.payload.signature, truly signed with that private key whatever head and payload say. */
static char *
sign(const char *kid, const char *head, const char *payload)
{
	char *text = arena_printf(a, "%s.%s", base64_encode_url(a, head, strlen(head)),
	    base64_encode_url(a, payload, strlen(payload)));
	FILE *f = fopen(key_path(kid, ".pem"), "r");
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char der[128], raw[64];
	const unsigned char *p = der;
	size_t n = sizeof(der);
	ECDSA_SIG *sig;

	fclose(f);
	assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(md, der, &n, (unsigned char *)text, strlen(text)), 1);
	sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	return arena_printf(a, "%s.%s", text, base64_encode_url(a, raw, sizeof(raw)));
}

static char *
head(const char *alg, const char *kid, const char *more)
{
	return arena_printf(a, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"%s}", alg, kid, more);
}

static char *
payload(const char *iss, const char *sub, const char *sid, const char *did, const char *times)
{
	return arena_printf(a, "{\"iss\":\"%s\",\"sub\":\"%s\",\"sid\":\"%s\",\"did\":\"%s\"%s}",
	    iss, sub, sid, did, times);
}

/* Eight processes start at once: one pair of keys comes out of it, private to the owner. */
static void
keys_are_made_once(void **state)
{
	struct stat st;
	char kid[21];
	int status;

	(void)state;
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			_exit(token_keys_ensure() ? 1 : 0);
	for (int i = 0; i < 8; i++) {
		wait(&status);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_files(".pem", kid), 1);
	assert_int_equal(count_files(".pub", NULL), 1);
	assert_int_equal(stat(key_path(kid, ".pem"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(key_path(kid, ".pub"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(arena_printf(a, "%s/keys", run), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(token_keys_ensure(), 0);
	assert_int_equal(count_files(".pem", NULL), 1);
}

/* In processes of their own, which have read no key yet. */
static void
open_private_keys_are_refused(void **state)
{
	char kid[21];
	int status;

	(void)state;
	count_files(".pem", kid);
	for (int mode = 0600; mode <= 0644; mode += 044) {
		assert_int_equal(chmod(key_path(kid, ".pem"), (mode_t)mode), 0);
		if (fork() == 0)
			_exit(token_issue(a, ACCOUNT, SESSION, DEVICE, 900) ? 1 : 2);
		wait(&status);
		assert_int_equal(WEXITSTATUS(status), mode == 0600 ? 1 : 2);
	}
	assert_int_equal(chmod(key_path(kid, ".pem"), 0600), 0);
}

static void
a_token_goes_round(void **state)
{
	struct token_claims claims;
	char *token = token_issue(a, ACCOUNT, SESSION, DEVICE, 900), kid[21];
	jwt_t *jwt;

	(void)state;
	assert_non_null(token);
	for (int i = 0; i < 3; i++) { /* the second time out of the table */
		memset(&claims, 0xff, sizeof(claims));
		assert_true(token_verify(token, &claims));
		assert_string_equal(claims.account, ACCOUNT);
		assert_string_equal(claims.session, SESSION);
		assert_string_equal(claims.device, DEVICE);
		assert_int_equal(claims.expires - claims.issued, 900);
		assert_true(llabs(claims.issued - clock_now() / CLOCK_SECOND) <= 1);
	}
	count_files(".pem", kid);
	assert_int_equal(jwt_decode(&jwt, token, NULL, 0), 0);
	assert_string_equal(jwt_get_header(jwt, "alg"), "ES256");
	assert_string_equal(jwt_get_header(jwt, "kid"), kid);
	assert_string_equal(jwt_get_grant(jwt, "iss"), "rookery");
	jwt_free(jwt);
}

static void
claims_are_checked(void **state)
{
	static const char good[] = ",\"iat\":1000,\"exp\":9999999999";
	struct token_claims claims;
	char kid[21];

	(void)state;
	count_files(".pem", kid);
#define VERIFIES(head, payload) token_verify(sign(kid, head, payload), &claims)
#define PAYLOAD(...) VERIFIES(head("ES256", kid, ""), payload(__VA_ARGS__))
	assert_true(PAYLOAD("rookery", ACCOUNT, SESSION, DEVICE, good));
	assert_false(PAYLOAD("Rookery", ACCOUNT, SESSION, DEVICE, good));
	assert_false(PAYLOAD("", ACCOUNT, SESSION, DEVICE, good));
	assert_false(PAYLOAD("rookery", "", SESSION, DEVICE, good));
	assert_false(PAYLOAD("rookery", "me", SESSION, DEVICE, good));
	assert_false(PAYLOAD("rookery", ACCOUNT, SESSION "0", DEVICE, good));
	assert_false(PAYLOAD("rookery", ACCOUNT, "x" SESSION, DEVICE, good));
	assert_false(
	    PAYLOAD("rookery", ACCOUNT, SESSION, "019C1234-0000-7000-8000-00000000000C", good));
	assert_false(
	    PAYLOAD("rookery", ACCOUNT, SESSION, "019c1234000070008000000000000000000c", good));
	assert_false(PAYLOAD("rookery", ACCOUNT, SESSION, DEVICE, ",\"iat\":1000,\"exp\":2000"));
	assert_false(PAYLOAD("rookery", ACCOUNT, SESSION, DEVICE, ",\"iat\":1000"));
	assert_false(PAYLOAD("rookery", ACCOUNT, SESSION, DEVICE, ",\"exp\":9999999999"));
	assert_false(
	    PAYLOAD("rookery", ACCOUNT, SESSION, DEVICE, ",\"iat\":1000,\"exp\":\"9999999999\""));
	assert_false(
	    PAYLOAD("rookery", ACCOUNT, SESSION, DEVICE, ",\"iat\":1000,\"exp\":9999999999.5"));
	assert_false(PAYLOAD("rookery", ACCOUNT, SESSION, DEVICE, ",\"iat\":1000,\"exp\":-1"));
	assert_false(PAYLOAD("rookery", ACCOUNT, SESSION, DEVICE, ",\"iat\":1000,\"exp\":true"));
	assert_false(VERIFIES(head("ES256", kid, ""), "[]"));
	assert_false(VERIFIES(head("ES256", kid, ""), "{\"iss\":[\"rookery\"]}"));
	assert_false(VERIFIES(head("ES256", kid, ""), ""));
}

static void
heads_are_checked(void **state)
{
	const char *body =
	    payload("rookery", ACCOUNT, SESSION, DEVICE, ",\"iat\":1000,\"exp\":9999999999");
	struct token_claims claims;
	char kid[21];

	(void)state;
	count_files(".pem", kid);
	assert_true(VERIFIES(head("ES256", kid, ""), body));
	assert_false(VERIFIES(head("es256", kid, ""), body));
	assert_false(VERIFIES(head("ES384", kid, ""), body));
	assert_false(VERIFIES(head("RS256", kid, ""), body));
	assert_false(VERIFIES(head("none", kid, ""), body));
	assert_false(VERIFIES(head("", kid, ""), body));
	assert_false(VERIFIES(head("ES256", "", ""), body));
	assert_false(VERIFIES(head("ES256", "00000000000000000000", ""), body));
	assert_false(VERIFIES(head("ES256", "../../../etc/passwd", ""), body));
	assert_false(VERIFIES(head("ES256", kid, ",\"crit\":[\"b64\"],\"b64\":false"), body));
	assert_false(VERIFIES("{\"alg\":\"ES256\"}", body));
	assert_false(VERIFIES("{}", body));
	assert_false(VERIFIES("", body));
	assert_false(VERIFIES("[1]", body));
}

/* HMAC with the public key as the secret, no signature at all, and another head on a good token. */
static void
other_algorithms_are_refused(void **state)
{
	struct token_claims claims;
	char kid[21], *pem, *text, *none;
	const char *body =
	    payload("rookery", ACCOUNT, SESSION, DEVICE, ",\"iat\":1000,\"exp\":9999999999");
	jwt_t *jwt;

	(void)state;
	count_files(".pem", kid);
	pem = slurp(key_path(kid, ".pub"));
	for (jwt_alg_t alg = JWT_ALG_HS256; alg <= JWT_ALG_HS512; alg++) {
		assert_int_equal(jwt_new(&jwt), 0);
		jwt_set_alg(jwt, alg, (unsigned char *)pem, (int)strlen(pem));
		jwt_add_header(jwt, "kid", kid);
		jwt_add_grants_json(jwt, body);
		text = jwt_encode_str(jwt);
		assert_non_null(text);
		assert_false(token_verify(text, &claims));
		free(text);
		jwt_free(jwt);
	}
	none = head("none", kid, "");
	none = arena_printf(a, "%s.%s.", base64_encode_url(a, none, strlen(none)),
	    base64_encode_url(a, body, strlen(body)));
	assert_false(token_verify(none, &claims));
	none[strlen(none) - 1] = 0;
	assert_false(token_verify(none, &claims));
	text = sign(kid, head("ES256", kid, ""), body);
	*strrchr(text, '.') = 0;
	assert_false(token_verify(text, &claims));
	assert_false(token_verify(arena_printf(a, "%s.", text), &claims));
}

/* Change every byte, cut at every place, and append: nothing passes, nothing crashes. */
static void
damage_is_noticed(void **state)
{
	char *good = token_issue(a, ACCOUNT, SESSION, DEVICE, 900), *bad;
	size_t n = strlen(good);
	struct token_claims claims;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bad = arena_strdup(a, good);
		bad[i] ^= 2;
		if (token_verify(bad, &claims)) /* unused bits of the last base64 character */
			assert_true(i == n - 1);
		bad[i] = (char)0xff;
		assert_false(token_verify(bad, &claims));
		bad[i] = 0;
		assert_false(token_verify(bad, &claims));
	}
	assert_false(token_verify(NULL, &claims));
	assert_false(token_verify(arena_printf(a, "%s.x", good), &claims));
	bad = arena_alloc(a, 100001);
	memset(bad, 'A', 100000);
	bad[100000] = 0;
	assert_false(token_verify(bad, &claims));
	bad[4000] = 0;
	bad[1000] = bad[2000] = '.';
	assert_false(token_verify(bad, &claims));
}

static void
tokens_expire(void **state)
{
	char *token = token_issue(a, ACCOUNT, SESSION, DEVICE, 1);
	struct token_claims claims;

	(void)state;
	assert_true(token_verify(token, &claims));
	while (clock_now() / CLOCK_SECOND < claims.expires)
		usleep(10000);
	assert_false(token_verify(token, &claims));
	assert_false(token_verify(token_issue(a, ACCOUNT, SESSION, DEVICE, 0), &claims));
}

/* More tokens than the table holds: all stay good, remembered or not. */
static void
the_table_is_bounded(void **state)
{
	enum { MANY = 12000 };
	char **tokens = arena_alloc(a, MANY * sizeof(*tokens));
	struct token_claims claims;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		char *account = arena_printf(a, "019c1234-0000-7000-8000-%012x", i);

		tokens[i] = token_issue(a, account, SESSION, DEVICE, 900);
		assert_true(token_verify(tokens[i], &claims));
		assert_string_equal(claims.account, account);
	}
	for (int i = 0; i < MANY; i += 7) {
		assert_true(token_verify(tokens[i], &claims));
		assert_int_equal(strtol(claims.account + 24, NULL, 16), i);
	}
}

static void
jwks_shows_public_keys(void **state)
{
	json_t *set = token_jwks(), *key;
	char kid[21], *text;
	size_t n;

	(void)state;
	count_files(".pem", kid);
	assert_non_null(set);
	assert_int_equal(json_array_size(json_object_get(set, "keys")), 1);
	key = json_array_get(json_object_get(set, "keys"), 0);
	assert_string_equal(json_string_value(json_object_get(key, "kty")), "EC");
	assert_string_equal(json_string_value(json_object_get(key, "crv")), "P-256");
	assert_string_equal(json_string_value(json_object_get(key, "alg")), "ES256");
	assert_string_equal(json_string_value(json_object_get(key, "use")), "sig");
	assert_string_equal(json_string_value(json_object_get(key, "kid")), kid);
	assert_null(json_object_get(key, "d"));
	for (const char *const *c = (const char *const[]){"x", "y", NULL}; *c; c++) {
		assert_non_null(base64_decode(a, json_string_value(json_object_get(key, *c)), &n));
		assert_int_equal(n, 32);
	}
	text = json_dumps(set, 0);
	assert_null(strstr(text, "PRIVATE"));
	free(text);
	json_decref(set);
}

/* A new pair signs at once, the old one still verifies; an unknown kid makes the process look
 * again, and a removed key takes the tokens it verified along. */
static void
keys_rotate(void **state)
{
	char first[21], *old = token_issue(a, ACCOUNT, SESSION, DEVICE, 900), *new;
	struct token_claims claims;
	int status;

	(void)state;
	count_files(".pem", first);
	assert_true(token_verify(old, &claims));
	if (fork() == 0) /* as another program would */
		_exit(token_keys_rotate() ? 1 : 0);
	wait(&status);
	assert_int_equal(status, 0);
	assert_int_equal(count_files(".pem", NULL), 2);
	sleep(2);
	assert_false(
	    token_verify(sign(first, head("ES256", "00000000000000000000", ""), "{}"), &claims));
	new = token_issue(a, ACCOUNT, SESSION, DEVICE, 900);
	assert_int_not_equal(strncmp(old, new, strcspn(old, ".")), 0); /* another kid */
	assert_true(token_verify(new, &claims));
	assert_true(token_verify(old, &claims));

	assert_int_equal(unlink(key_path(first, ".pub")), 0);
	sleep(2);
	assert_false(
	    token_verify(sign(first, head("ES256", "00000000000000000000", ""), "{}"), &claims));
	assert_false(token_verify(old, &claims));
	assert_true(token_verify(new, &claims));
}

static void
secrets(void **state)
{
	char *one = token_random(a, 32), *two = token_random(a, 32);
	size_t n;

	(void)state;
	assert_int_equal(strlen(one), 43);
	assert_string_not_equal(one, two);
	assert_non_null(base64_decode(a, one, &n));
	assert_int_equal(n, 32);
	/* BLAKE2b-256 of "abc", as b2sum -l 256 prints it */
	assert_string_equal(token_hash(a, "abc"),
	    "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

static void
base64_is_strict(void **state)
{
	static const char *const bad[] = {"A", "AAA=A", "A===", "AA=", "AAA==", "AA AA", "AAAA\n",
	    "AB==", "AAB=", "+-AA", "_/AA", "AAAA=", "=", "\xff\xff\xff\xff", "AA==AA=="};
	static const char *const good[] = {"-_8", "-_8=", "+/8", "+/8="};
	size_t n = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (base64_decode(a, bad[i], &n))
			fail_msg("\"%s\" was decoded", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_memory_equal(base64_decode(a, good[i], &n), "\xfb\xff", 3);
		assert_int_equal(n, 2);
	}
	assert_non_null(base64_decode(a, "", &n));
	assert_int_equal(n, 0);
	assert_string_equal(base64_encode(a, "\xfb\xff", 2), "+/8=");
	assert_string_equal(base64_encode_url(a, "\xfb\xff", 2), "-_8");
	assert_string_equal(base64_encode(a, "", 0), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_are_made_once),
	    cmocka_unit_test(open_private_keys_are_refused),
	    cmocka_unit_test(a_token_goes_round),
	    cmocka_unit_test(claims_are_checked),
	    cmocka_unit_test(heads_are_checked),
	    cmocka_unit_test(other_algorithms_are_refused),
	    cmocka_unit_test(damage_is_noticed),
	    cmocka_unit_test(tokens_expire),
	    cmocka_unit_test(the_table_is_bounded),
	    cmocka_unit_test(jwks_shows_public_keys),
	    cmocka_unit_test(keys_rotate),
	    cmocka_unit_test(secrets),
	    cmocka_unit_test(base64_is_strict),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
