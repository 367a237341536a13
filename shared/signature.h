/*
 * signature: is a prekey signed by the identity key it comes with?
 *
 * Two kinds of identity keys are in use, and both are 32 bytes:
 *
 *	Curve25519   with XEdDSA signatures (the Signal protocol); serialised 33 bytes, 0x05 first.
 *	Ed25519      with EdDSA signatures (RFC 8032).
 *
 * Which signature is accepted follows from the identity key's length alone:
 *
 *	33 bytes, 0x05 first   XEdDSA by the 32 bytes that follow
 *	32 bytes               Ed25519 by the key as it stands; when that fails XEdDSA by it as a
 *	                       Curve25519 key
 *
 * Trying both is safe: what verifies either way was signed by the holder of the private half.
 * What is signed are the bytes of the signed prekey as given, 33 or 32, prefix included.  XEdDSA's
 * sign bit may be zero, as the specification has it, or be carried in the signature's top bit, as
 * Signal's libraries have it.
 *
 *	if (!signature_verify_prekey(in->identityKey, in->signedPreKey, in->signature))
 *		return req_fail(r, ERR_UNPROCESSABLE, "signature", "does not verify");
 */
#ifndef ROOKERY_SIGNATURE_H
#define ROOKERY_SIGNATURE_H

#include <stdbool.h>

/* All three are base64, either alphabet, padded or not.  false for whatever is malformed. */
bool signature_verify_prekey(const char *identity_key_b64, const char *signed_prekey_b64,
    const char *signature_b64);
/* Has the form of a public key: 32 bytes, or 33 with 0x05 in front; not all zero. */
bool key_is_public(const char *b64);

#endif
