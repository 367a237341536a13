/* devices: what has logic beside devices.yaml and devices.sql. */
#include "devices.gen.h"

#include "conf.h"
#include "core/account.h"
#include "core/prekey.h"
#include "core/session.h"
#include "core_sql.h"
#include "db.h"
#include "req.h"

/* A device has no way to sign in by itself: who adds it also opens its first session. */
int
device_register(struct req *r, const struct device_register_in *in)
{
	struct session_tokens tokens;
	struct db_res *res;
	const char *identity;
	json_t *body;
	int err;

	if ((err = prekey_public(r, "identityKey", in->identityKey, &identity)) ||
	    (err = db_begin(r)))
		return err;
	err = sql_device_add(r, &res, in->deviceName, in->platform, in->deviceFingerprint, identity,
	    db_int_text(r, in->registrationId), in->pushToken,
	    in->websocketCapable ? "true" : "false", db_int_text(r, conf_int("device.max")));
	if (err || (err = session_open(r, r->me, db_get(res, 0, "id"), &tokens)) ||
	    (err = sql_device_get(r, &res, tokens.device)) || (err = db_commit(r)))
		return err;
	body = db_row_json(r, res, 0);
	json_object_set_new(body, "accessToken", json_string(tokens.access));
	json_object_set_new(body, "refreshToken", json_string(tokens.refresh));
	json_object_set_new(body, "expiresIn", json_integer(tokens.expires_in));
	return resp_json(r, 201, body);
}

int
device_change(struct req *r, const struct device_change_in *in)
{
	const char *capable = !in->has_websocketCapable ? NULL
			      : in->websocketCapable    ? "true"
							: "false";
	struct db_res *row;
	int err;

	if (!in->deviceName && !in->platform && !in->pushToken && !capable)
		return req_fail(r, ERR_VALIDATION, NULL, "nothing to change is given");
	if ((err = sql_device_change(
		 r, &row, in->deviceId, in->deviceName, in->platform, in->pushToken, capable)) ||
	    (err = sql_device_get(r, &row, in->deviceId)))
		return err;
	return resp_row(r, 200, row);
}

int
device_remove(struct req *r, const struct device_remove_in *in)
{
	struct db_res *row;
	int err = account_device_revoke(r, in->deviceId, &row);

	return err ? err : resp_row(r, 200, row);
}

int
device_prekeys(struct req *r, const struct device_prekeys_in *in)
{
	struct prekeys keys = {in->signedPreKey, in->signedPreKeySignature, in->oneTimePreKeys, 0};
	struct prekey_stock stock;
	const char *identity;
	struct db_res *row;
	int err;

	if ((err = sql_prekey_identity(r, &row, in->deviceId)))
		return err;
	if (!db_rows(row))
		return ERR_NOT_FOUND;
	if (!(identity = db_get(row, 0, "identity_key")))
		return req_fail(r, ERR_VALIDATION, "deviceId",
		    "has no identity key yet; POST /crypto/keys takes one");
	if ((err = prekey_store(r, in->deviceId, identity, &keys, &stock)))
		return err;
	return resp_json(r, 201,
	    json_pack("{s:s, s:I, s:I}", "deviceId", in->deviceId, "uploadedOneTimePreKeys",
		(json_int_t)stock.added, "remainingOneTimePreKeys", (json_int_t)stock.remaining));
}
