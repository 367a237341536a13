/* forward: one message to several recipients, all or none (WA-MSG-005). */
#include "messages.gen.h"

#include <string.h>

#include "conf.h"
#include "core/message.h"
#include "json.h"
#include "send.h"

/* The recipient names exactly one of these. */
static const char *const targets[] = {"userId", "groupId", "broadcastListId"};

static int
target_of(struct req *r, const json_t *recipient, size_t i, const char **id, bool *is_user)
{
	int named = 0;

	for (int t = 0; t < 3; t++) {
		const char *value = json_string_value(json_object_get(recipient, targets[t]));

		if (!value)
			continue;
		*id = value;
		*is_user = t == 0;
		named++;
	}
	return named == 1 ? 0
			  : req_fail(r, ERR_VALIDATION, req_printf(r, "recipients[%zu]", i),
				"must name exactly one of userId, groupId and broadcastListId");
}

static json_t *
forwarded_meta(struct req *r, const struct message_forward_in *in, struct db_res *original)
{
	const char *meta = db_get(original, 0, "meta"), *why;
	json_t *o = meta ? json_read(r->arena, meta, strlen(meta), &why) : json_object();

	/* What belonged to the original alone does not travel. */
	json_object_del(o, "mentions");
	json_object_set_new(o, "forwarded", json_true());
	json_object_set_new(o, "forwardedFrom", json_string(db_get(original, 0, "id")));
	if (in->forwardedText)
		json_object_set_new(o, "forwardedText", json_string(in->forwardedText));
	return o;
}

/* Every entry of the envelope is the ciphertext for one of the recipients. */
static int
check_envelope(struct req *r, const json_t *envelope, const json_t *recipients)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)envelope, name, value) {
		bool known = false, is_user;
		const char *id = NULL;
		size_t i;
		json_t *one;

		json_array_foreach (recipients, i, one)
			known |= !target_of(r, one, i, &id, &is_user) && strcmp(id, name) == 0;
		if (!known || !json_is_string(value) || !*json_string_value(value))
			return req_fail(
			    r, ERR_VALIDATION, "e2eEnvelope", "must map recipients to ciphertexts");
	}
	return 0;
}

static int
fill_item(struct req *r, const struct message_forward_in *in, struct db_res *original, size_t i,
    struct message_item *m)
{
	const char *id = NULL, *own;
	bool is_user = false;
	int err = target_of(r, json_array_get(in->recipients, i), i, &id, &is_user);

	if (err)
		return err;
	own = json_string_value(json_object_get(in->e2eEnvelope, id));
	*m = (struct message_item){.r = r,
	    .conversation = is_user ? NULL : id,
	    .recipient = is_user ? id : NULL,
	    .kind = db_get(original, 0, "kind"),
	    .body = own ? own : db_get(original, 0, "body"),
	    .meta = forwarded_meta(r, in, original)};
	if (!m->body && json_object_get(m->meta, "sealed"))
		return req_fail(r, ERR_VALIDATION, "e2eEnvelope",
		    "is required: the message was encrypted for each device alone");
	json_object_del(m->meta, "sealed");
	if (in->clientQueueId)
		m->client_id =
		    i ? req_printf(r, "%s#%zu", in->clientQueueId, i + 1) : in->clientQueueId;
	return 0;
}

static int
reply(struct req *r, const struct message_item *items, int n)
{
	json_t *all = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(all, json_pack("{s:s, s:s}", "messageId", items[i].id,
					       "conversationId", items[i].conversation));
	return resp_json(r, 201,
	    json_pack("{s:s, s:s, s:b, s:s, s:o}", "forwardedMessageId", items[0].id, "status",
		"forwarded", "queued", 1, "createdAt", items[0].created_at, "messages", all));
}

/* Send inside the open transaction; the first refusal undoes all. */
static int
send_all(struct req *r, struct message_item *items, int n)
{
	int err;

	if ((err = db_begin(r)))
		return err;
	message_send(items, n);
	for (int i = 0; i < n; i++) {
		if (items[i].err) {
			r->events = NULL;
			r->events_tail = NULL;
			return items[i].err;
		}
	}
	return db_commit(r);
}

int
message_forward(struct req *r, const struct message_forward_in *in)
{
	struct message_item items[MESSAGE_BATCH];
	size_t n = json_array_size(in->recipients);
	struct db_res *original;
	int err;

	if ((int64_t)n > conf_int("forward.max") || n > MESSAGE_BATCH)
		return req_fail(r, ERR_UNPROCESSABLE, "recipients", "may name at most %lld",
		    (long long)conf_int("forward.max"));
	if ((err = sql_message_forwardable(r, &original, in->messageId)))
		return err;
	if (db_rows(original) == 0)
		return ERR_NOT_FOUND;
	for (size_t i = 0; i < n; i++) {
		if ((err = fill_item(r, in, original, i, &items[i])))
			return err;
		if ((int64_t)strlen(items[i].body ? items[i].body : "") > conf_int("message.max"))
			return req_fail(r, ERR_TOO_LARGE, "e2eEnvelope",
			    "holds a ciphertext that is too large");
	}
	if ((err = check_envelope(r, in->e2eEnvelope, in->recipients)) ||
	    (err = send_all(r, items, (int)n)))
		return err;
	return reply(r, items, (int)n);
}
