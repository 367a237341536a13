/* message: see message.h. */
#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "core_sql.h"
#include "db.h"
#include "event.h"
#include "json.h"
#include "req.h"

/* One column of the batch: the texts of all items, NULL where all are null (the function takes that
 * as such). */
static const char *
column(struct req *r, const char *const *texts, int n)
{
	for (int i = 0; i < n; i++) {
		if (texts[i])
			return db_array(r, texts, n);
	}
	return NULL;
}

enum draft_field {
	ID,
	SENDER,
	DEVICE,
	CONVERSATION,
	RECIPIENT,
	CLIENT_ID,
	KIND,
	BODY,
	META,
	TTL,
	EXPIRES,
	REPLY_TO,
	MENTIONS,
	FIELDS
};

static void
fill(const char *fields[FIELDS][MESSAGE_BATCH], int i, const struct message_item *m)
{
	struct req *r = m->r;

	fields[ID][i] = req_newid(r);
	fields[SENDER][i] = r->me;
	fields[DEVICE][i] = r->device;
	fields[CONVERSATION][i] = m->conversation;
	fields[RECIPIENT][i] = m->conversation ? NULL : m->recipient;
	fields[CLIENT_ID][i] = m->client_id;
	fields[KIND][i] = m->kind;
	fields[BODY][i] = m->body;
	fields[META][i] =
	    m->meta && json_object_size(m->meta) ? json_text(r->arena, m->meta, NULL) : NULL;
	fields[TTL][i] = m->ttl_seconds > 0 ? db_int_text(r, m->ttl_seconds) : NULL;
	fields[EXPIRES][i] = m->expires_at;
	fields[REPLY_TO][i] = m->reply_to;
	fields[MENTIONS][i] =
	    m->mentions && json_array_size(m->mentions) ? db_array_json(r, m->mentions) : NULL;
}

static void
set_text(json_t *o, const char *name, const char *text)
{
	if (text)
		json_object_set_new(o, name, json_string(text));
}

static void
set_number(json_t *o, const char *name, const char *text)
{
	if (text)
		json_object_set_new(o, name, json_integer(strtoll(text, NULL, 10)));
}

json_t *
message_json(struct req *r, const struct message_view *m)
{
	json_t *o = json_object();

	(void)r; /* whose arena json uses */
	set_text(o, "messageId", m->id);
	set_text(o, "conversationId", m->conversation);
	set_number(o, "seq", m->seq);
	set_text(o, "senderId", m->sender);
	set_text(o, "senderDeviceId", m->sender_device);
	set_text(o, "type", m->kind);
	set_text(o, "ciphertext", m->body);
	set_text(o, "clientMessageId", m->client_id);
	set_text(o, "createdAt", m->created_at);
	set_text(o, "quotedMessageId", m->reply_to);
	set_text(o, "expiresAt", m->expires_at);
	set_number(o, "ttlSeconds", m->ttl_seconds);
	set_number(o, "version", m->version);
	set_text(o, "editedAt", m->edited_at);
	set_text(o, "deletedAt", m->deleted_at);
	if (m->reaction_count && strcmp(m->reaction_count, "0") != 0)
		set_number(o, "reactionCount", m->reaction_count);
	if (m->meta)
		json_object_update_missing(o, m->meta);
	return o;
}

struct message_view
message_view_at(struct req *r, const struct db_res *res, int row)
{
	const char *meta = db_get(res, row, "meta"), *why;

	return (struct message_view){
	    .id = db_get(res, row, "id"),
	    .conversation = db_get(res, row, "conversation_id"),
	    .seq = db_get(res, row, "seq"),
	    .sender = db_get(res, row, "sender_id"),
	    .sender_device = db_get(res, row, "sender_device_id"),
	    .kind = db_get(res, row, "kind"),
	    .body = db_get(res, row, "body"),
	    .client_id = db_get(res, row, "client_id"),
	    .created_at = db_get(res, row, "created_at"),
	    .reply_to = db_get(res, row, "reply_to_id"),
	    .expires_at = db_get(res, row, "expires_at"),
	    .ttl_seconds = db_get(res, row, "ttl_seconds"),
	    .version = db_get(res, row, "version"),
	    .edited_at = db_get(res, row, "edited_at"),
	    .deleted_at = db_get(res, row, "deleted_at"),
	    .reaction_count = db_get(res, row, "reaction_count"),
	    .meta = meta ? json_read(r->arena, meta, strlen(meta), &why) : NULL,
	};
}

/* ---- sealed messages, as one device reads them ---------------------------------------------- */

static bool
is_closed(const json_t *message)
{
	return json_is_true(json_object_get(message, "sealed")) &&
	       !json_object_get(message, "ciphertext") && !json_object_get(message, "deletedAt");
}

static json_t *
message_named(const json_t *messages, const char *id)
{
	json_t *message;
	size_t i;

	json_array_foreach (messages, i, message) {
		const char *name = json_string_value(json_object_get(message, "messageId"));

		if (name && strcmp(name, id) == 0)
			return message;
	}
	return NULL;
}

int
message_unseal(struct req *r, json_t *messages)
{
	json_t *ids = json_array(), *message;
	struct db_res *res;
	size_t i;
	int err;

	json_array_foreach (messages, i, message) {
		if (is_closed(message))
			json_array_append(ids, json_object_get(message, "messageId"));
	}
	if (json_array_size(ids) == 0)
		return 0;
	if ((err = sql_message_bodies(r, &res, db_array_json(r, ids))))
		return err;
	for (int row = 0; row < db_rows(res); row++) {
		message = message_named(messages, db_get(res, row, "message_id"));
		set_text(message, "ciphertext", db_get(res, row, "body"));
		set_text(message, "header", db_get(res, row, "header"));
	}
	return 0;
}

int
messages_json(struct req *r, const struct db_res *res, json_t **out)
{
	*out = json_array();

	for (int i = 0; i < db_rows(res); i++) {
		struct message_view view = message_view_at(r, res, i);

		json_array_append_new(*out, message_json(r, &view));
	}
	return message_unseal(r, *out);
}

/* ---- announcing --------------------------------------------------------------------------- */

void
message_announce(
    struct req *r, const struct message_view *m, const char *member_version, const char *to)
{
	struct event ev = {
	    .id = m->id,
	    .type = "message.new",
	    .conversation = m->conversation,
	    .version = member_version,
	    .seq = m->seq,
	    .to = to,
	    .except = m->sender_device,
	    .payload = json_text(r->arena, message_json(r, m), NULL),
	    .bodies = m->bodies,
	};

	event_queue(r, &ev);
}

static void
announce(const struct message_item *m, struct db_res *res, int row)
{
	struct message_view view = {
	    .id = m->id,
	    .conversation = m->conversation,
	    .seq = m->seq,
	    .sender = m->r->me,
	    .sender_device = m->r->device,
	    .kind = m->kind,
	    .body = m->body,
	    .client_id = m->client_id,
	    .created_at = m->created_at,
	    .reply_to = m->reply_to,
	    .expires_at = m->expires_at,
	    .ttl_seconds = m->ttl_seconds > 0 ? db_int_text(m->r, m->ttl_seconds) : NULL,
	    .version = "1",
	    .meta = m->meta,
	    .bodies = m->bodies ? db_get(res, row, "bodies") : NULL,
	};

	message_announce(
	    m->r, &view, db_get(res, row, "member_version"), db_get(res, row, "recipients"));
}

static int
refused(struct req *r, struct db_res *res, int row, int status)
{
	const char *problem = db_get(res, row, "problem");

	if (status == 409) {
		req_fail_extra(r, "messageId", json_string(db_get(res, row, "message_id")));
		return req_fail(
		    r, ERR_CONFLICT, "clientMessageId", "names a message that was sent before");
	}
	if (status == 403 && strcmp(problem, "closed") == 0)
		return req_fail(r, ERR_FORBIDDEN, NULL, "One of you has blocked the other");
	if (status == 403 && strcmp(problem, "not_allowed") == 0)
		return req_fail(
		    r, ERR_FORBIDDEN, NULL, "Only its admins post in this conversation");
	if (status == 403)
		return req_fail(
		    r, ERR_FORBIDDEN, NULL, "You are not a member of this conversation");
	if (status == 400 && strcmp(problem, "mentions") == 0)
		return req_fail(
		    r, ERR_VALIDATION, problem, "must name members of the conversation");
	if (status == 400)
		return req_fail(r, ERR_VALIDATION, problem, "must be somebody else");
	return req_fail(r, ERR_NOT_FOUND, problem, "does not exist");
}

static void
take_result(struct message_item *m, struct db_res *res, int row)
{
	m->id = db_get(res, row, "message_id");
	m->conversation = db_get(res, row, "conversation_id");
	m->conversation_kind = db_get(res, row, "conversation_kind");
	m->seq = db_get(res, row, "seq");
	m->created_at = db_get(res, row, "created_at");
}

static void
settle(struct message_item *m, struct db_res *res, int row)
{
	int status = (int)db_int(res, row, "status");

	if (status) {
		m->err = refused(m->r, res, row, status);
		return;
	}
	take_result(m, res, row);
	announce(m, res, row);
}

static void
send_plain(struct message_item *const *items, int n)
{
	const char *fields[FIELDS][MESSAGE_BATCH], *columns[FIELDS];
	struct req *r = items[0]->r;
	struct db_res *res;
	int err;

	for (int i = 0; i < n; i++)
		fill(fields, i, items[i]);
	for (int f = 0; f < FIELDS; f++)
		columns[f] = column(r, fields[f], n);
	err = sql_message_send(r, &res, columns[ID], columns[SENDER], columns[DEVICE],
	    columns[CONVERSATION], columns[RECIPIENT], columns[CLIENT_ID], columns[KIND],
	    columns[BODY], columns[META], columns[TTL], columns[EXPIRES], columns[REPLY_TO],
	    columns[MENTIONS]);
	for (int i = 0; err && i < n; i++)
		items[i]->err = err;
	for (int row = 0; !err && row < db_rows(res); row++)
		settle(items[db_int(res, row, "item") - 1], res, row);
}

/* ---- sealed ones -------------------------------------------------------------------------- */

static void
name_devices(struct req *r, struct db_res *res, const char *column)
{
	const char *list = db_get(res, 0, column), *why;

	if (list)
		req_fail_extra(r, column, json_read(r->arena, list, strlen(list), &why));
}

int
message_devices_right(struct req *r, struct db_res *res)
{
	if (!db_get(res, 0, "missing") && !db_get(res, 0, "stale"))
		return 0;
	name_devices(r, res, "missing");
	name_devices(r, res, "stale");
	return req_fail(r, ERR_CONFLICT, NULL,
	    "The message must be encrypted for every device of the other members, and for no "
	    "other");
}

static void
send_sealed(struct message_item *m)
{
	const char *fields[FIELDS][MESSAGE_BATCH];
	struct req *r = m->r;
	struct db_res *res;

	if (!m->meta)
		m->meta = json_object();
	json_object_set_new(m->meta, "sealed", json_true());
	fill(fields, 0, m);
	m->err = sql_message_send_sealed(r, &res, fields[CONVERSATION][0], fields[RECIPIENT][0],
	    fields[CLIENT_ID][0], fields[KIND][0], fields[META][0], fields[TTL][0],
	    fields[EXPIRES][0], fields[REPLY_TO][0], fields[MENTIONS][0],
	    json_text(r->arena, m->bodies, NULL), m->key);
	if (m->err)
		return;
	if ((m->err = message_devices_right(r, res)))
		return;
	m->repeated = db_int(res, 0, "status") == 200;
	if (m->repeated)
		take_result(m, res, 0);
	else
		settle(m, res, 0);
}

void
message_send(struct message_item *items, int n)
{
	struct message_item *plain[MESSAGE_BATCH];
	int count = 0;

	for (int i = 0; i < n; i++) {
		if (!items[i].bodies)
			plain[count++] = &items[i];
	}
	if (count)
		send_plain(plain, count);
	for (int i = 0; i < n; i++) {
		if (items[i].bodies)
			send_sealed(&items[i]);
	}
}
