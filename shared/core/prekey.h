/*
 * prekey: the key material of devices.
 *
 * A bundle is an identity key, a prekey signed with it, and one-time prekeys that are handed out
 * once.  Keys are stored in one spelling (standard base64 with padding), so that the same key is the
 * same text.
 *
 *	struct prekeys keys = {in->signedPreKey, in->signedPreKeySignature, in->oneTimePreKeys};
 *	struct prekey_stock stock;
 *
 *	if ((err = prekey_store(r, in->deviceId, identity, &keys, &stock)))
 *		return err;
 */
#ifndef ROOKERY_CORE_PREKEY_H
#define ROOKERY_CORE_PREKEY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct db_res;
struct req;

struct prekeys { /* base64, named in errors as the documents name them */
	const char *signed_prekey, *signature;
	json_t *one_time;        /* array of strings */
	int64_t registration_id; /* 0 leaves the device's as it is */
};

struct prekey_stock {
	int64_t added;     /* one-time keys that were new */
	int64_t remaining; /* that the device offers now */
	bool first;        /* the device had no bundle before */
};

/* The text of a public key in the one spelling.  ERR_VALIDATION naming field when it is no public
 * key. */
int prekey_public(struct req *r, const char *field, const char *key, const char **out);
/* Check the keys and the signature and store them for a device of the caller.  identity is as
 * prekey_public() answers it.  ERR_VALIDATION naming the input, ERR_NOT_FOUND, or ERR_CONFLICT when
 * the device is registered under another identity. */
int prekey_store(struct req *r, const char *device, const char *identity,
    const struct prekeys *keys, struct prekey_stock *out);

struct signed_prekey {
	const char *key, *signature;             /* base64 */
	int64_t key_id;                          /* the owner's number */
	const char *key_field, *signature_field; /* how errors name them */
};

/* Check a signed prekey under the identity of a device of the caller and put it into force; *row is
 * it. ERR_VALIDATION naming the input, ERR_CONFLICT when the device has no identity, or another one
 * by now, or the number stands for another key. */
int prekey_publish_signed(
    struct req *r, const char *device, const struct signed_prekey *k, struct db_res **row);

#endif
