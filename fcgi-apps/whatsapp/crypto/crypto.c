/* crypto: what has logic beside crypto.yaml; the queries are the core's. */
#include "crypto.gen.h"

#include "conf.h"
#include "core/prekey.h"
#include "core_sql.h"
#include "db.h"
#include "req.h"

int
keys_register(struct req *r, const struct keys_register_in *in)
{
	struct prekeys keys = {
	    in->signedPreKey, in->signedPreKeySignature, in->oneTimePreKeys, in->registrationId};
	struct prekey_stock stock;
	struct db_res *row;
	const char *identity;
	int err;

	if ((err = prekey_public(r, "identityKey", in->identityKey, &identity)) ||
	    (err = sql_prekey_identity(r, &row, in->deviceId)))
		return err;
	if (!db_rows(row))
		return req_fail(r, ERR_VALIDATION, "deviceId", "is none of your devices");
	if ((err = prekey_store(r, in->deviceId, identity, &keys, &stock)))
		return err;
	return resp_json(r, 201,
	    json_pack("{s:s, s:s, s:I}", "deviceId", in->deviceId, "status",
		stock.first ? "registered" : "updated", "oneTimePreKeysLeft",
		(json_int_t)stock.remaining));
}

int
prekeys_take(struct req *r, const struct prekeys_take_in *in)
{
	struct db_res *row;
	int err;

	err = sql_prekey_bundle(
	    r, &row, in->recipientId, in->deviceId, db_int_text(r, conf_int("prekeys.low")));
	return err ? err : resp_row(r, 200, row);
}
