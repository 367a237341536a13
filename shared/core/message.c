/* message: see message.h. */
#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "core_sql.h"
#include "db.h"
#include "event.h"
#include "json.h"
#include "req.h"

/* One column of the batch: the texts of all items, NULL where all are null (the function takes that as such). */
static const char *
column(struct req *r, const char *const *texts, int n)
{
	for (int i = 0; i < n; i++) {
		if (texts[i])
			return db_array(r, texts, n);
	}
	return NULL;
}

enum draft_field { ID, SENDER, DEVICE, CONVERSATION, RECIPIENT, CLIENT_ID, KIND, BODY, META, TTL, EXPIRES,
	REPLY_TO, MENTIONS, FIELDS };

static void
fill(const char *fields[FIELDS][MESSAGE_BATCH], int i, struct req *r, const struct message_draft *d)
{
	fields[ID][i] = req_newid(r);
	fields[SENDER][i] = r->me;
	fields[DEVICE][i] = r->device;
	fields[CONVERSATION][i] = d->conversation;
	fields[RECIPIENT][i] = d->conversation ? NULL : d->recipient;
	fields[CLIENT_ID][i] = d->client_id;
	fields[KIND][i] = d->kind;
	fields[BODY][i] = d->body;
	fields[META][i] = d->meta && json_object_size(d->meta) ? json_text(r->arena, d->meta, NULL) : NULL;
	fields[TTL][i] = d->ttl_seconds > 0 ? db_int_text(r, d->ttl_seconds) : NULL;
	fields[EXPIRES][i] = d->expires_at;
	fields[REPLY_TO][i] = d->reply_to;
	fields[MENTIONS][i] =
	    d->mentions && json_array_size(d->mentions) ? db_array_json(r, d->mentions) : NULL;
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
message_json(const struct message_view *m)
{
	json_t *o = json_object();

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
	if (m->meta)
		json_object_update_missing(o, m->meta);
	return o;
}

static void
announce(struct req *r, const struct message_draft *d, const struct message_sent *s, struct db_res *res,
    int row)
{
	struct message_view view = {
	    .id = s->id,
	    .conversation = s->conversation,
	    .seq = s->seq,
	    .sender = r->me,
	    .sender_device = r->device,
	    .kind = d->kind,
	    .body = d->body,
	    .client_id = d->client_id,
	    .created_at = s->created_at,
	    .reply_to = d->reply_to,
	    .expires_at = d->expires_at,
	    .ttl_seconds = d->ttl_seconds > 0 ? db_int_text(r, d->ttl_seconds) : NULL,
	    .meta = d->meta,
	};
	struct event ev = {
	    .id = s->id,
	    .type = "message.new",
	    .conversation = s->conversation,
	    .version = db_get(res, row, "member_version"),
	    .seq = s->seq,
	    .to = db_get(res, row, "recipients"),
	    .except = r->device,
	    .payload = json_text(r->arena, message_json(&view), NULL),
	};

	event_queue(r, &ev);
}

static int
refused(struct req *r, struct db_res *res, int row, int status)
{
	const char *problem = db_get(res, row, "problem");

	if (status == 409) {
		req_fail_extra(r, "messageId", json_string(db_get(res, row, "message_id")));
		return req_fail(r, ERR_CONFLICT, "clientMessageId", "names a message that was sent before");
	}
	if (status == 403 && strcmp(problem, "closed") == 0)
		return req_fail(r, ERR_FORBIDDEN, NULL, "One of you has blocked the other");
	if (status == 403 && strcmp(problem, "not_allowed") == 0)
		return req_fail(r, ERR_FORBIDDEN, NULL, "Only its admins post in this conversation");
	if (status == 403)
		return req_fail(r, ERR_FORBIDDEN, NULL, "You are not a member of this conversation");
	if (status == 400 && strcmp(problem, "mentions") == 0)
		return req_fail(r, ERR_VALIDATION, problem, "must name members of the conversation");
	if (status == 400)
		return req_fail(r, ERR_VALIDATION, problem, "must be somebody else");
	return req_fail(r, ERR_NOT_FOUND, problem, "does not exist");
}

static void
settle(struct req *r, const struct message_draft *d, struct message_sent *s, struct db_res *res, int row)
{
	int status = (int) db_int(res, row, "status");

	if (status) {
		r->err = refused(r, res, row, status);
		return;
	}
	s->id = db_get(res, row, "message_id");
	s->conversation = db_get(res, row, "conversation_id");
	s->conversation_kind = db_get(res, row, "conversation_kind");
	s->seq = db_get(res, row, "seq");
	s->created_at = db_get(res, row, "created_at");
	announce(r, d, s, res, row);
}

void
message_send(struct req **r, const struct message_draft *drafts, struct message_sent *sent, int n)
{
	const char *fields[FIELDS][MESSAGE_BATCH], *columns[FIELDS];
	struct db_res *res;
	int err;

	for (int i = 0; i < n; i++)
		fill(fields, i, r[i], &drafts[i]);
	for (int f = 0; f < FIELDS; f++)
		columns[f] = column(r[0], fields[f], n);
	err = sql_message_send(r[0], &res, columns[ID], columns[SENDER], columns[DEVICE],
	    columns[CONVERSATION], columns[RECIPIENT], columns[CLIENT_ID], columns[KIND], columns[BODY],
	    columns[META], columns[TTL], columns[EXPIRES], columns[REPLY_TO], columns[MENTIONS]);
	for (int i = 0; err && i < n; i++)
		r[i]->err = err;
	for (int row = 0; !err && row < db_rows(res); row++) {
		int i = (int) db_int(res, row, "item") - 1;

		settle(r[i], &drafts[i], &sent[i], res, row);
	}
}
