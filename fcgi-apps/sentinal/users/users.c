/* users: what has logic beside users.yaml and users.sql. */
#include "users.gen.h"

#include <string.h>

#include "blob_send.h"
#include "conf.h"
#include "core/account.h"
#include "core/link.h"
#include "core/session.h"
#include "core_sql.h"
#include "db.h"
#include "json.h"
#include "picture.h"
#include "req.h"

/* ---- people, with their pictures ------------------------------------------------------------ */

static int
person(struct req *r, const struct db_res *res, int row, json_t **out)
{
	*out = db_row_json(r, res, row);
	return picture_show(r, *out, db_get(res, row, "_picture"));
}

static int
reply_person(struct req *r, int status, const struct db_res *res)
{
	json_t *one;
	int err;

	if (!db_rows(res))
		return ERR_NOT_FOUND;
	err = person(r, res, 0, &one);
	return err ? err : resp_json(r, status, one);
}

static int
reply_people(struct req *r, const struct db_res *res)
{
	json_t *list = json_array(), *one;
	int err;

	for (int i = 0; i < db_rows(res); i++) {
		if ((err = person(r, res, i, &one)))
			return err;
		json_array_append_new(list, one);
	}
	return resp_json(r, 200, json_pack("{s:o}", "contacts", list));
}

int
users_me(struct req *r, const struct users_me_in *in)
{
	struct db_res *row;
	int err = sql_user_me(r, &row);

	(void)in;
	return err ? err : reply_person(r, 200, row);
}

int
users_picture(struct req *r, const struct users_picture_in *in)
{
	struct db_res *row;
	int err = link_check(
	    r, picture_name(r, in->picture, in->id, in->viewer), in->expires, in->signature);

	if (err || (err = sql_user_picture(r, &row, in->picture, in->viewer, in->id)))
		return err;
	if (!db_rows(row))
		return ERR_NOT_FOUND;
	return blob_send(r, in->picture, db_get(row, 0, "mime_type"), db_get(row, 0, "sha256"));
}

/* ---- changing ------------------------------------------------------------------------------- */

/* The body as it came: what is null in it is to be cleared, what is missing stays.  needed is the
 * field that cannot be cleared. */
static int
changes(struct req *r, const char *needed, json_t **out)
{
	const char *why;

	*out = json_read(r->arena, r->input, r->input_len, &why);
	if (json_is_null(json_object_get(*out, needed)))
		return req_fail(r, ERR_VALIDATION, needed, "cannot be null");
	return 0;
}

/* An address of ours stands for the file behind it, which becomes avatar_id; others stay. */
static int
change_picture(struct req *r, json_t *body)
{
	const char *url = json_string_value(json_object_get(body, "avatar_url")), *picture;
	struct db_res *file;
	int err;

	json_object_del(body, "avatar_id"); /* the core's name for it, and no field of the body */
	if (!url)
		return 0;
	if (!(picture = picture_named(r, url)))
		return strncmp(url, "https://", 8) == 0
			   ? 0
			   : req_fail(r, ERR_VALIDATION, "avatar_url", "must begin with https://");
	if ((err = sql_user_picture_own(r, &file, picture)))
		return err;
	if (!db_rows(file))
		return req_fail(
		    r, ERR_VALIDATION, "avatar_url", "is not the address of a picture of yours");
	json_object_del(body, "avatar_url");
	json_object_set_new(body, "avatar_id", json_string(picture));
	return 0;
}

int
users_me_change(struct req *r, const struct users_me_change_in *in)
{
	struct db_res *row;
	json_t *body;
	int err;

	(void)in;
	if ((err = changes(r, "display_name", &body)) || (err = change_picture(r, body)) ||
	    (err = sql_user_change(r, json_text(r->arena, body, NULL))) ||
	    (err = sql_user_me(r, &row)))
		return err;
	return reply_person(r, 200, row);
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
	struct db_res *row;
	json_t *body;
	int err;

	(void)in;
	if ((err = changes(r, "notifications_enabled", &body)) ||
	    (err = sql_user_settings_change(r, json_text(r->arena, body, NULL))) ||
	    (err = sql_user_settings(r, &row)))
		return err;
	return resp_row(r, 200, row);
}

/* ---- contacts ------------------------------------------------------------------------------- */

static const char *
number(struct req *r, bool given, int64_t n)
{
	return given ? db_int_text(r, n) : NULL;
}

int
users_contacts(struct req *r, const struct users_contacts_in *in)
{
	struct db_res *people;
	int err = sql_user_contacts(
	    r, &people, number(r, in->has_limit, in->limit), number(r, in->has_page, in->page));

	return err ? err : reply_people(r, people);
}

int
users_blocked(struct req *r, const struct users_blocked_in *in)
{
	struct db_res *people;
	int err = sql_user_blocked(
	    r, &people, number(r, in->has_limit, in->limit), number(r, in->has_page, in->page));

	return err ? err : reply_people(r, people);
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
	return reply_person(r, 201, row);
}

/* ---- devices and sessions ------------------------------------------------------------------- */

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
