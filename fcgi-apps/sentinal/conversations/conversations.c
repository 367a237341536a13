/* conversations: those that are shown, with their links; the rest is conversations.yaml and
 * conversations.sql. */
#include "conversations.gen.h"

#include <string.h>

#include "conf.h"
#include "db.h"
#include "json.h"
#include "page.h"
#include "req.h"

/* ---- showing ------------------------------------------------------------------------------ */

static json_t *
text(const char *s)
{
	return s ? json_string(s) : json_null();
}

static const char *
invite_link(struct req *r, const char *code)
{
	return code ? req_printf(r, "%s%s", conf_str("invite.link"), code) : NULL;
}

static json_t *
partner_json(const struct db_res *v, int row)
{
	const char *id = db_get(v, row, "peer_id");

	return id ? json_pack("{s:s, s:o, s:o}", "user_id", id, "username",
			text(db_get(v, row, "peer_username")), "display_name",
			text(db_get(v, row, "peer_name")))
		  : json_null();
}

/* A row of the view conversation_card. */
static json_t *
conversation_json(struct req *r, const struct db_res *v, int row)
{
	static const char *const same[] = {"id", "description", "avatar_url", "creator_id",
	    "last_message_at", "created_at", "role", "muted_until"};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		json_object_set_new(o, same[i], text(db_get(v, row, same[i])));
	json_object_set_new(
	    o, "type", json_string(strcmp(db_get(v, row, "kind"), "direct") == 0 ? "DM" : "GROUP"));
	json_object_set_new(o, "subject", text(db_get(v, row, "title")));
	json_object_set_new(o, "invite_link", text(invite_link(r, db_get(v, row, "invite_code"))));
	json_object_set_new(o, "participant_count", json_integer(db_int(v, row, "member_count")));
	json_object_set_new(o, "partner", partner_json(v, row));
	json_object_set_new(o, "is_muted", json_boolean(db_bool(v, row, "muted")));
	json_object_set_new(o, "is_pinned", json_boolean(db_bool(v, row, "pinned")));
	json_object_set_new(o, "is_archived", json_boolean(db_bool(v, row, "archived")));
	return o;
}

static int
show(struct req *r, int status, const struct db_res *v)
{
	return db_rows(v) ? resp_json(r, status, conversation_json(r, v, 0)) : ERR_NOT_FOUND;
}

static int
show_page(struct req *r, const struct page *p, const struct db_res *v, int64_t total)
{
	json_t *list = json_array();

	for (int i = 0; i < db_rows(v); i++)
		json_array_append_new(list, conversation_json(r, v, i));
	return page_reply_rows(r, p, list, total < 0 ? 0 : total);
}

int
conversation_list(struct req *r, const struct conversation_list_in *in)
{
	struct page p = page_of(r, in);
	struct db_res *v, *first;
	int err = sql_conversation_list(r, &v, in->archived, p.limit, p.offset);
	int64_t total = err ? 0 : page_total(v);

	if (!err && total < 0 && p.offset > 0) {
		if ((err = sql_conversation_list(r, &first, in->archived, 1, 0)))
			return err;
		total = page_total(first);
	}
	return err ? err : show_page(r, &p, v, total);
}

int
conversation_search(struct req *r, const struct conversation_search_in *in)
{
	struct page p = page_of(r, in);
	struct db_res *v, *first;
	int err = sql_conversation_search(r, &v, in->query, p.limit, p.offset);
	int64_t total = err ? 0 : page_total(v);

	if (!err && total < 0 && p.offset > 0) {
		if ((err = sql_conversation_search(r, &first, in->query, 1, 0)))
			return err;
		total = page_total(first);
	}
	return err ? err : show_page(r, &p, v, total);
}

int
conversation_get(struct req *r, const struct conversation_get_in *in)
{
	struct db_res *v;
	int err = sql_conversation_show(r, &v, in->id);

	return err ? err : show(r, 200, v);
}

int
conversation_direct(struct req *r, const struct conversation_direct_in *in)
{
	bool first = strcmp(in->user_id_1, r->me) == 0;
	const char *other = first ? in->user_id_2 : in->user_id_1;
	struct db_res *v;
	int err;

	if (!first && strcmp(in->user_id_2, r->me) != 0)
		return req_fail(r, ERR_FORBIDDEN, "user_id_1", "or user_id_2 must be you");
	if (strcmp(other, r->me) == 0)
		return req_fail(r, ERR_VALIDATION, "user_id_2", "must be somebody else");
	err = sql_conversation_between(r, &v, other);
	return err ? err : show(r, 200, v);
}

/* ---- making and changing -------------------------------------------------------------------- */

static bool
given(const char *s)
{
	return s && *s;
}

/* The one other participant; the caller may be named too, and anybody twice. */
static const char *
partner_of(struct req *r, const json_t *participants)
{
	const char *other = NULL, *id;
	size_t i;
	json_t *one;

	json_array_foreach (participants, i, one) {
		id = json_string_value(one);
		if (strcmp(id, r->me) == 0)
			continue;
		if (other && strcmp(id, other) != 0)
			return NULL;
		other = id;
	}
	return other;
}

static int
open_direct(struct req *r, const struct conversation_create_in *in)
{
	const char *other = partner_of(r, in->participants);
	struct db_res *v;
	int err;

	if (given(in->subject) || given(in->description))
		return req_fail(r, ERR_VALIDATION, given(in->subject) ? "subject" : "description",
		    "belongs to groups; a DM has none");
	if (!other)
		return req_fail(
		    r, ERR_VALIDATION, "participants", "must name exactly one other user for a DM");
	if ((err = sql_conversation_open(r, &v, other)))
		return err;
	return show(r, db_bool(v, 0, "_created") ? 201 : 200, v);
}

static const char *
most_members(struct req *r)
{
	return db_int_text(r, conf_int("group.max"));
}

int
conversation_create(struct req *r, const struct conversation_create_in *in)
{
	const char *members = in->participants ? db_array_json(r, in->participants) : "{}";
	struct db_res *v;
	int err;

	if (strcmp(in->type, "DM") == 0)
		return open_direct(r, in);
	if (!in->subject || strspn(in->subject, " \t\r\n") == strlen(in->subject))
		return req_fail(r, ERR_VALIDATION, "subject", "is what a group needs");
	err = sql_conversation_found(r, &v, in->subject, in->description, members, most_members(r));
	return err ? err : show(r, 201, v);
}

int
conversation_update(struct req *r, const struct conversation_update_in *in)
{
	struct db_res *v;
	int err =
	    sql_conversation_change(r, &v, in->id, in->subject, in->description, in->avatar_url);

	return err ? err : show(r, 200, v);
}

int
participant_add(struct req *r, const struct participant_add_in *in)
{
	struct db_res *row;
	int err = sql_participant_enter(r, &row, in->id, in->user_id, in->role, most_members(r));

	return err ? err : resp_row(r, 201, row);
}

/* ---- links ---------------------------------------------------------------------------------- */

int
conversation_invite(struct req *r, const struct conversation_invite_in *in)
{
	struct db_res *row;
	int err = sql_conversation_invite(r, &row, in->id);

	if (err)
		return err;
	return resp_json(
	    r, 200, json_pack("{s:s}", "invite_link", invite_link(r, db_get(row, 0, "_code"))));
}

int
conversation_join(struct req *r, const struct conversation_join_in *in)
{
	struct db_res *v;
	int err = sql_conversation_join(r, &v, in->link, most_members(r));

	if (err)
		return err;
	return show(r, db_bool(v, 0, "_joined") ? 201 : 200, v);
}
