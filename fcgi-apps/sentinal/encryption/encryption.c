/* encryption: what has logic beside encryption.yaml and encryption.sql. */
#include "encryption.gen.h"

#include <string.h>

#include "conf.h"
#include "core/prekey.h"
#include "core_sql.h"
#include "db.h"
#include "req.h"

/* ---- whose ids --------------------------------------------------------------------------------
 */

static int
own_user(struct req *r, const char *field, const char *id)
{
	if (!id || strcmp(id, r->me) == 0)
		return 0;
	return req_fail(r, ERR_FORBIDDEN, field, "is not your own account");
}

/* A device of the caller, by its id or its own name; the one that asks when none is named. */
static int
own_device(struct req *r, const char *field, const char *name, const char **id)
{
	struct db_res *res;
	int err;

	if (!name && r->device) {
		*id = r->device;
		return 0;
	}
	if (!name)
		return req_fail(r, ERR_VALIDATION, field, "is required");
	if ((err = sql_device_named(r, &res, name)))
		return err;
	*id = db_get(res, 0, "id");
	return *id ? 0 : req_fail(r, ERR_FORBIDDEN, field, "is none of your devices");
}

static int
own(struct req *r, const char *user, const char *name, const char **device)
{
	int err = own_user(r, "user_id", user);

	return err ? err : own_device(r, "device_id", name, device);
}

/* ---- publishing -------------------------------------------------------------------------------
 */

int
encryption_identity_upload(struct req *r, const struct encryption_identity_upload_in *in)
{
	const char *device, *key;
	struct db_res *row;
	int err;

	if ((err = own(r, in->user_id, in->device_id, &device)) ||
	    (err = prekey_public(r, "public_key", in->public_key, &key)) ||
	    (err = sql_identity_publish(r, &row, device, key)))
		return err;
	return resp_row(r, 201, row);
}

static int
publish_signed(struct req *r, const char *user, const char *name, const struct signed_prekey *k)
{
	const char *device;
	struct db_res *row;
	json_t *body;
	int err;

	if ((err = own(r, user, name, &device)) ||
	    (err = prekey_publish_signed(r, device, k, &row)))
		return err;
	body = db_row_json(r, row, 0);
	json_object_set_new(body, "user_id", json_string(r->me));
	json_object_set_new(body, "is_active", json_true());
	return resp_json(r, 201, body);
}

int
encryption_signed_upload(struct req *r, const struct encryption_signed_upload_in *in)
{
	struct signed_prekey k = {
	    in->public_key, in->signature, in->key_id, "public_key", "signature"};

	return publish_signed(r, in->user_id, in->device_id, &k);
}

int
encryption_signed_rotate(struct req *r, const struct encryption_signed_rotate_in *in)
{
	struct signed_prekey k = {json_string_value(json_object_get(in->key, "public_key")),
	    json_string_value(json_object_get(in->key, "signature")),
	    json_integer_value(json_object_get(in->key, "key_id")), "key.public_key",
	    "key.signature"};

	return publish_signed(r, in->user_id, in->device_id, &k);
}

struct one_time { /* columns of one upload, n each */
	const char **devices, **keys, **ids;
	const char *name; /* as the device of the last key was named */
};

/* One key of an upload.  Nearly always all keys are of one device: it is looked up once. */
static int
take_one(struct req *r, const json_t *entry, size_t i, struct one_time *out)
{
	const char *name = json_string_value(json_object_get(entry, "device_id"));
	static const char *const members[] = {"user_id", "device_id", "public_key"};
	const char *fields[3];
	int err;

	for (int f = 0; f < 3; f++)
		fields[f] = req_printf(r, "keys[%zu].%s", i, members[f]);
	if ((err = own_user(r, fields[0], json_string_value(json_object_get(entry, "user_id")))) ||
	    (err = prekey_public(r, fields[2],
		 json_string_value(json_object_get(entry, "public_key")), &out->keys[i])))
		return err;
	out->ids[i] = db_int_text(r, json_integer_value(json_object_get(entry, "key_id")));
	if (i > 0 && name && out->name && strcmp(out->name, name) == 0) {
		out->devices[i] = out->devices[i - 1];
		return 0;
	}
	out->name = name;
	return own_device(r, fields[1], name, &out->devices[i]);
}

int
encryption_onetime_upload(struct req *r, const struct encryption_onetime_upload_in *in)
{
	size_t n = json_array_size(in->keys), size = (n + 1) * sizeof(const char *);
	struct one_time c = {arena_alloc(r->arena, size), arena_alloc(r->arena, size),
	    arena_alloc(r->arena, size), NULL};
	struct db_res *res;
	int err;

	for (size_t i = 0; i < n; i++) {
		if ((err = take_one(r, json_array_get(in->keys, i), i, &c)))
			return err;
	}
	err = sql_one_time_prekeys_publish(r, &res, db_array(r, c.devices, (int)n),
	    db_array(r, c.keys, (int)n), db_array(r, c.ids, (int)n),
	    db_int_text(r, conf_int("prekeys.max")));
	if (err)
		return err;
	return resp_json(
	    r, 201, json_pack("{s:I}", "uploaded", (json_int_t)db_int(res, 0, "added")));
}

/* ---- taking -----------------------------------------------------------------------------------
 */

int
encryption_onetime_count(struct req *r, const struct encryption_onetime_count_in *in)
{
	const char *device;
	struct db_res *row;
	int err;

	if ((err = own(r, in->user_id, in->device_id, &device)) ||
	    (err = sql_prekey_count(r, &row, device)))
		return err;
	return resp_row(r, 200, row);
}

/* The device whose key is asked for: it must be another one than mine. */
static int
other_device(
    struct req *r, const char *user, const char *name, const char *mine, const char **device)
{
	struct db_res *res;
	int err = sql_device_seen(r, &res, user, name);

	if (err)
		return err;
	*device = db_get(res, 0, "id");
	if (strcmp(*device, mine) == 0)
		return req_fail(r, ERR_VALIDATION, "device_id", "is the device that asks");
	return 0;
}

int
encryption_onetime_consume(struct req *r, const struct encryption_onetime_consume_in *in)
{
	const char *mine, *device;
	struct db_res *row;
	int err;

	if ((err = own_user(r, "consumed_by", in->consumed_by)) ||
	    (err = own_device(r, "consumed_device_id", in->consumed_device_id, &mine)) ||
	    (err = other_device(r, in->user_id, in->device_id, mine, &device)) ||
	    (err = sql_prekey_consume(
		 r, &row, in->user_id, device, mine, db_int_text(r, conf_int("prekeys.low")))))
		return err;
	return resp_row(r, 200, row);
}

int
encryption_bundle(struct req *r, const struct encryption_bundle_in *in)
{
	const char *mine, *device;
	struct db_res *row;
	int err;

	if ((err = own_device(r, "consumer_device_id", in->consumer_device_id, &mine)) ||
	    (err = other_device(r, in->user_id, in->device_id, mine, &device)) ||
	    (err = sql_bundle_take(
		 r, &row, in->user_id, mine, device, db_int_text(r, conf_int("prekeys.low")))))
		return err;
	return resp_row(r, 200, row);
}
