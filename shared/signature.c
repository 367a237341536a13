/* Signed prekeys: see signature.h. */
#include "signature.h"

#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include "base64.h"

/* Debian's xeddsa.h includes a header that the package does not have. */
extern int xeddsa_init(void);
extern void curve25519_pub_to_ed25519_pub(
    uint8_t *ed25519, const uint8_t *curve25519, const bool set_sign_bit);

enum {
	RAW = 32,
	PREFIXED = 33,
	PREFIX = 0x05, /* "DJB type" of the Signal protocol */
	SIGNATURE = 64,
};

/* A key as it was given; its last RAW bytes are the key proper.  0 or its length. */
static size_t
decode_key(const char *text, unsigned char out[PREFIXED])
{
	size_t n;

	if (!text || !base64_decode_into(out, PREFIXED, text, &n))
		return 0;
	if (n != RAW && (n != PREFIXED || out[0] != PREFIX))
		return 0;
	return sodium_is_zero(out + n - RAW, RAW) ? 0 : n;
}

/* XEdDSA, 2.3 and 2.5: the Curve25519 key becomes the Ed25519 key of the same point, whose sign is
 * not in it. */
static bool
verify_xeddsa(const unsigned char *key, const unsigned char *message, size_t n,
    const unsigned char signature[SIGNATURE])
{
	unsigned char plain[SIGNATURE], ed25519[RAW];
	bool sign = signature[SIGNATURE - 1] & 0x80;

	if (xeddsa_init() < 0)
		return false;
	memcpy(plain, signature, SIGNATURE);
	plain[SIGNATURE - 1] &= 0x7f;
	curve25519_pub_to_ed25519_pub(ed25519, key, sign);
	return crypto_sign_verify_detached(plain, message, n, ed25519) == 0;
}

bool
signature_verify_prekey(
    const char *identity_key_b64, const char *signed_prekey_b64, const char *signature_b64)
{
	unsigned char identity[PREFIXED], prekey[PREFIXED], signature[SIGNATURE];
	size_t n = decode_key(identity_key_b64, identity),
	       m = decode_key(signed_prekey_b64, prekey), k;

	if (!n || !m || !signature_b64 ||
	    !base64_decode_into(signature, SIGNATURE, signature_b64, &k) || k != SIGNATURE)
		return false;
	if (n == RAW && crypto_sign_verify_detached(signature, prekey, m, identity) == 0)
		return true;
	return verify_xeddsa(identity + n - RAW, prekey, m, signature);
}

bool
key_is_public(const char *b64)
{
	unsigned char key[PREFIXED];

	return decode_key(b64, key) != 0;
}
