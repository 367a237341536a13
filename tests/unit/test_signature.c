/* Signed prekeys of every kind, good and forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include "arena.h"
#include "base64.h"
#include "signature.h"

/* libxeddsa, for making signatures; Debian's header cannot be included. */
extern void ed25519_priv_sign(uint8_t *sig, const uint8_t *priv, const uint8_t *msg,
    const uint32_t msg_size, const uint8_t *nonce);
extern void priv_force_sign(uint8_t *out, const uint8_t *in, const bool set_sign_bit);
extern void priv_to_ed25519_pub(uint8_t *pub, const uint8_t *priv);
extern int xeddsa_init(void);

static struct arena *a;

struct bundle {
	unsigned char identity[33], prekey[33], signature[64];
	size_t identity_len, prekey_len;
};

static int
setup(void **state)
{
	(void)state;
	a = arena_new();
	return xeddsa_init() < 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

static bool
verifies(const struct bundle *b)
{
	return signature_verify_prekey(base64_encode(a, b->identity, b->identity_len),
	    base64_encode(a, b->prekey, b->prekey_len), base64_encode_url(a, b->signature, 64));
}

static void
random_prekey(struct bundle *b, size_t len)
{
	randombytes_buf(b->prekey, sizeof(b->prekey));
	b->prekey[0] = 5;
	b->prekey_len = len;
}

/* Signs like the specification (sign bit forced to zero) or like Signal's libraries (bit carried in
 * the signature); the key with its prefix or without. */
static struct bundle
xeddsa(bool carried, size_t identity_len, size_t prekey_len)
{
	unsigned char private[32], forced[32], nonce[64], curve[32], ed[32];
	struct bundle b = {.identity_len = identity_len};

	random_prekey(&b, prekey_len);
	randombytes_buf(private, sizeof(private));
	randombytes_buf(nonce, sizeof(nonce));
	private[0] &= 248;
	private[31] = (private[31] & 127) | 64;
	crypto_scalarmult_base(curve, private);
	if (carried) {
		ed25519_priv_sign(b.signature, private, b.prekey, (uint32_t)prekey_len, nonce);
		priv_to_ed25519_pub(ed, private);
		b.signature[63] |= ed[31] & 0x80;
	} else {
		priv_force_sign(forced, private, false);
		ed25519_priv_sign(b.signature, forced, b.prekey, (uint32_t)prekey_len, nonce);
	}
	b.identity[0] = 5;
	memcpy(b.identity + identity_len - 32, curve, 32);
	return b;
}

static struct bundle
ed25519(size_t prekey_len)
{
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	struct bundle b = {.identity_len = 32};

	random_prekey(&b, prekey_len);
	crypto_sign_keypair(b.identity, secret);
	crypto_sign_detached(b.signature, NULL, b.prekey, prekey_len, secret);
	return b;
}

/* What is good is good; one bit elsewhere, another length or another key is not. */
static void
expect_sound(struct bundle good)
{
	struct bundle bad;

	assert_true(verifies(&good));
	for (size_t i = 0; i < 64; i++) {
		bad = good;
		bad.signature[i] ^= 1;
		assert_false(verifies(&bad));
	}
	bad = good;
	bad.signature[63] ^= 0x80;
	assert_false(verifies(&bad));
	for (size_t i = 1; i < good.prekey_len; i++) {
		bad = good;
		bad.prekey[i] ^= 1;
		assert_false(verifies(&bad));
	}
	for (size_t i = 0; i < good.identity_len; i++) {
		bad = good;
		bad.identity[i] ^= 1;
		assert_false(verifies(&bad));
	}
	bad = good;
	bad.prekey_len = good.prekey_len == 32 ? 33 : 32;
	assert_false(verifies(&bad));
	arena_reset(a);
}

static void
every_kind(void **state)
{
	(void)state;
	for (int i = 0; i < 16; i++) { /* both values of the sign bit turn up */
		for (size_t prekey = 32; prekey <= 33; prekey++) {
			expect_sound(ed25519(prekey));
			for (size_t identity = 32; identity <= 33; identity++) {
				expect_sound(xeddsa(false, identity, prekey));
				expect_sound(xeddsa(true, identity, prekey));
			}
		}
	}
}

/* The vector that Signal's libraries are tested with. */
static void
signals_own_vector(void **state)
{
	static const unsigned char identity[33] = {0x05, 0xab, 0x7e, 0x71, 0x7d, 0x4a, 0x16, 0x3b,
	    0x7d, 0x9a, 0x1d, 0x80, 0x71, 0xdf, 0xe9, 0xdc, 0xf8, 0xcd, 0xcd, 0x1c, 0xea, 0x33,
	    0x39, 0xb6, 0x35, 0x6b, 0xe8, 0x4d, 0x88, 0x7e, 0x32, 0x2c, 0x64};
	static const unsigned char prekey[33] = {0x05, 0xed, 0xce, 0x9d, 0x9c, 0x41, 0x5c, 0xa7,
	    0x8c, 0xb7, 0x25, 0x2e, 0x72, 0xc2, 0xc4, 0xa5, 0x54, 0xd3, 0xeb, 0x29, 0x48, 0x5a,
	    0x0e, 0x1d, 0x50, 0x31, 0x18, 0xd1, 0xa8, 0x2d, 0x99, 0xfb, 0x4a};
	static const unsigned char signature[64] = {0x5d, 0xe8, 0x8c, 0xa9, 0xa8, 0x9b, 0x4a, 0x11,
	    0x5d, 0xa7, 0x91, 0x09, 0xc6, 0x7c, 0x9c, 0x74, 0x64, 0xa3, 0xe4, 0x18, 0x02, 0x74,
	    0xf1, 0xcb, 0x8c, 0x63, 0xc2, 0x98, 0x4e, 0x28, 0x6d, 0xfb, 0xed, 0xe8, 0x2d, 0xeb,
	    0x9d, 0xcd, 0x9f, 0xae, 0x0b, 0xfb, 0xb8, 0x21, 0x56, 0x9b, 0x3d, 0x90, 0x01, 0xbd,
	    0x81, 0x30, 0xcd, 0x11, 0xd4, 0x86, 0xce, 0xf0, 0x47, 0xbd, 0x60, 0xb8, 0x6e, 0x88};
	struct bundle b = {.identity_len = 33, .prekey_len = 33};

	(void)state;
	memcpy(b.identity, identity, 33);
	memcpy(b.prekey, prekey, 33);
	memcpy(b.signature, signature, 64);
	expect_sound(b);
}

/* An Ed25519 key behind the prefix of a Curve25519 key proves nothing. */
static void
the_prefix_decides(void **state)
{
	struct bundle b = ed25519(33);

	(void)state;
	memmove(b.identity + 1, b.identity, 32);
	b.identity[0] = 5;
	b.identity_len = 33;
	assert_false(verifies(&b));
}

static void
malformed_texts(void **state)
{
	struct bundle b = xeddsa(false, 33, 33);
	const char *identity = base64_encode(a, b.identity, 33),
		   *prekey = base64_encode(a, b.prekey, 33),
		   *signature = base64_encode(a, b.signature, 64);
	const char *const bad[] = {NULL, "", "AAAA", "!", "====", base64_encode(a, b.identity, 31),
	    arena_printf(a, "%s ", identity), arena_printf(a, "%s%s", identity, signature)};

	(void)state;
	assert_true(signature_verify_prekey(identity, prekey, signature));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(signature_verify_prekey(bad[i], prekey, signature));
		assert_false(signature_verify_prekey(identity, bad[i], signature));
		assert_false(signature_verify_prekey(identity, prekey, bad[i]));
		assert_false(key_is_public(bad[i]));
	}
	assert_false(signature_verify_prekey(identity, prekey, base64_encode(a, b.signature, 63)));
}

/* Keys of small order would let one signature pass for everything. */
static void
weak_keys(void **state)
{
	struct bundle b = {.identity_len = 32, .prekey_len = 32, .prekey = {5, 1}};

	(void)state;
	b.identity[0] =
	    1; /* the neutral element of Ed25519, of order 1; as Curve25519 u = 1, of order 4 */
	b.signature[0] = 1;
	assert_false(verifies(&b));
	memset(b.identity, 0, 32);
	assert_false(verifies(&b));
}

static void
public_keys(void **state)
{
	unsigned char key[64] = {0};

	(void)state;
	assert_false(key_is_public(base64_encode(a, key, 32)));
	key[0] = 5;
	assert_false(key_is_public(base64_encode(a, key, 33)));
	assert_true(key_is_public(base64_encode(a, key, 32)));
	key[32] = 1;
	assert_true(key_is_public(base64_encode(a, key, 33)));
	assert_true(key_is_public(base64_encode_url(a, key, 33)));
	assert_false(key_is_public(base64_encode(a, key, 31)));
	assert_false(key_is_public(base64_encode(a, key, 34)));
	assert_false(key_is_public(base64_encode(a, key, 64)));
	key[0] = 6;
	assert_false(key_is_public(base64_encode(a, key, 33)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind),
	    cmocka_unit_test(signals_own_vector),
	    cmocka_unit_test(the_prefix_decides),
	    cmocka_unit_test(malformed_texts),
	    cmocka_unit_test(weak_keys),
	    cmocka_unit_test(public_keys),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
