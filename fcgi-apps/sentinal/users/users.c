/* users: what has logic beside users.yaml and users.sql. */
#include "users.gen.h"

#include "conf.h"
#include "core/account.h"
#include "core/session.h"
#include "core_sql.h"
#include "db.h"
#include "json.h"
#include "req.h"

/* The body as it came: what is null in it is to be cleared, what is missing stays.  needed is the
 * field that cannot be cleared. */
static int
changes(struct req *r, const char *needed, const char **out)
{
	const char *why;
	json_t *body = json_read(r->arena, r->input, r->input_len, &why);

	if (json_is_null(json_object_get(body, needed)))
		return req_fail(r, ERR_VALIDATION, needed, "cannot be null");
	*out = json_text(r->arena, body, NULL);
	return 0;
}

int
users_me_change(struct req *r, const struct users_me_change_in *in)
{
	const char *body;
	struct db_res *row;
	int err;

	(void)in;
	if ((err = changes(r, "display_name", &body)) || (err = sql_user_change(r, body)) ||
	    (err = sql_user_me(r, &row)))
		return err;
	return resp_row(r, 200, row);
}

int
users_me_delete(struct req *r, const struct users_me_delete_in *in)
{
	int err = account_erase(r);

	(void)in;
	return err ? err : resp_json(r, 200, NULL);
}

int
users_settings_change(struct req *r, const struct users_settings_change_in *in)
{
	const char *body;
	struct db_res *row;
	int err;

	(void)in;
	if ((err = changes(r, "notifications_enabled", &body)) ||
	    (err = sql_user_settings_change(r, body)) || (err = sql_user_settings(r, &row)))
		return err;
	return resp_row(r, 200, row);
}

int
users_contact_add(struct req *r, const struct users_contact_add_in *in)
{
	struct db_res *row;
	int err;

	if ((err = sql_user_contact_add(
		 r, &row, in->contact_user_id, db_int_text(r, conf_int("contacts.max")))) ||
	    (err = sql_user_contact(r, &row, in->contact_user_id)))
		return err;
	return resp_row(r, 201, row);
}

int
users_device_deactivate(struct req *r, const struct users_device_deactivate_in *in)
{
	struct db_res *row;
	int err;

	if ((err = sql_device_named(r, &row, in->id)))
		return err;
	if (!db_get(row, 0, "id"))
		return ERR_NOT_FOUND;
	err = account_device_revoke(r, db_get(row, 0, "id"), &row);
	return err ? err : resp_json(r, 200, NULL);
}

int
users_session_revoke(struct req *r, const struct users_session_revoke_in *in)
{
	int ended, err = session_end(r, in->id, NULL, "revoked", &ended);

	if (!err && !ended)
		return ERR_NOT_FOUND;
	return err ? err : resp_json(r, 200, NULL);
}

int
users_sessions_revoke(struct req *r, const struct users_sessions_revoke_in *in)
{
	int ended, err = session_end_others(r, "revoked", &ended);

	(void)in;
	return err ? err : resp_json(r, 200, json_pack("{s:i}", "revoked", ended));
}
