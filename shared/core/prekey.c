/* prekey: see prekey.h. */
#include "prekey.h"

#include "base64.h"
#include "conf.h"
#include "core_sql.h"
#include "db.h"
#include "req.h"
#include "signature.h"

/* The one spelling of what has been found to be base64. */
static const char *
spelled(struct req *r, const char *text)
{
	size_t n;
	const void *bytes = base64_decode(r->arena, text, &n);

	return base64_encode(r->arena, bytes, n);
}

int
prekey_public(struct req *r, const char *field, const char *key, const char **out)
{
	if (!key_is_public(key))
		return req_fail(r, ERR_VALIDATION, field, "is not a public key");
	*out = spelled(r, key);
	return 0;
}

/* One-time keys as an array literal in the one spelling. */
static int
one_time_keys(struct req *r, const json_t *keys, const char **out)
{
	size_t n = json_array_size(keys);
	const char **text = arena_alloc(r->arena, (n + 1) * sizeof *text);
	int err;

	for (size_t i = 0; i < n; i++) {
		err = prekey_public(r, req_printf(r, "oneTimePreKeys[%zu]", i),
		    json_string_value(json_array_get(keys, i)), &text[i]);
		if (err)
			return err;
	}
	*out = db_array(r, text, (int)n);
	return 0;
}

int
prekey_store(struct req *r, const char *device, const char *identity, const struct prekeys *keys,
    struct prekey_stock *out)
{
	const char *signed_prekey, *one_time;
	struct db_res *res;
	int err;

	if ((err = prekey_public(r, "signedPreKey", keys->signed_prekey, &signed_prekey)) ||
	    (err = one_time_keys(r, keys->one_time, &one_time)))
		return err;
	if (!signature_verify_prekey(identity, keys->signed_prekey, keys->signature))
		return req_fail(r, ERR_VALIDATION, "signedPreKeySignature",
		    "was not made with the identity key over this prekey");
	err =
	    sql_prekey_store(r, &res, device, identity, signed_prekey, spelled(r, keys->signature),
		one_time, keys->registration_id ? db_int_text(r, keys->registration_id) : NULL,
		db_int_text(r, conf_int("prekeys.max")));
	if (err)
		return err;
	out->added = db_int(res, 0, "added");
	out->remaining = db_int(res, 0, "remaining");
	out->first = db_bool(res, 0, "first");
	return 0;
}

int
prekey_publish_signed(
    struct req *r, const char *device, const struct signed_prekey *k, struct db_res **row)
{
	const char *key, *identity;
	struct db_res *res;
	int err;

	if ((err = prekey_public(r, k->key_field, k->key, &key)) ||
	    (err = sql_prekey_identity(r, &res, device)))
		return err;
	identity = db_rows(res) ? db_get(res, 0, "identity_key") : NULL;
	if (!identity)
		return req_fail(r, ERR_CONFLICT, NULL, "The device has no identity key yet");
	if (!signature_verify_prekey(identity, k->key, k->signature))
		return req_fail(r, ERR_VALIDATION, k->signature_field,
		    "was not made with the identity key over this prekey");
	return sql_signed_prekey_publish(
	    r, row, device, identity, key, spelled(r, k->signature), db_int_text(r, k->key_id));
}
