/* messages: sending in all its documented forms, and the pages that have two shapes. */
#include "messages.gen.h"

#include <string.h>

#include "conf.h"
#include "core/message.h"
#include "json.h"
#include "page.h"
#include "send.h"

enum { FORM_TEXT, FORM_IMAGE };
enum { FORM_VIDEO, FORM_MESSAGE };

/* ---- /conversations/{conversationId}/messages ------------------------------------------- */

static int
conversation_item(
    struct req *r, const struct conversation_message_create_in *in, struct message_item *m)
{
	*m = (struct message_item){
	    .r = r, .conversation = in->conversationId, .meta = json_object()};
	if (in->senderDeviceId && strcmp(in->senderDeviceId, r->device) != 0)
		return req_fail(r, ERR_FORBIDDEN, "senderDeviceId", "is not the device that sends");
	if (in->form == FORM_IMAGE) {
		m->kind = "image";
		m->client_id = in->messageId;
		send_meta(m, "mediaId", in->mediaId);
		send_meta(m, "caption", in->caption);
		send_meta(m, "encryptionInfo", in->encryptionInfo);
		return 0;
	}
	m->kind = "text";
	m->client_id = in->clientMessageId;
	m->body = in->ciphertext;
	send_meta(m, "sentAt", in->sentAt);
	send_meta(m, "ciphertextFormat", in->ciphertextFormat);
	if (in->formatting)
		json_object_set(m->meta, "formatting", in->formatting);
	return send_check_formatting(r, in->formatting);
}

static int
conversation_reply(const struct message_item *m, const struct conversation_message_create_in *in)
{
	bool image = in->form == FORM_IMAGE;

	return resp_json(m->r, 201,
	    json_pack("{s:s, s:s, s:s, s:s*, s:s, s:s, s:s, s:s, s:I}", "id", m->id, "messageId",
		image ? in->messageId : m->id, "conversationId", m->conversation, "mediaId",
		image ? in->mediaId : NULL, "chatId", m->conversation, "type", m->kind, "status",
		"queued", image ? "createdAt" : "serverTimestamp", m->created_at, "seq",
		send_seq(m)));
}

void
conversation_message_create_batch(
    struct req **r, const struct conversation_message_create_in *const *in, int n)
{
	struct message_item items[MESSAGE_BATCH];

	for (int i = 0; i < n; i++)
		r[i]->err = conversation_item(r[i], in[i], &items[i]);
	send_items(r, items, n);
	for (int i = 0; i < n; i++) {
		if (!r[i]->err)
			r[i]->err = conversation_reply(&items[i], in[i]);
	}
}

/* ---- /messages --------------------------------------------------------------------------- */

static int
video_item(const struct message_create_in *in, struct message_item *m)
{
	m->kind = "video";
	m->client_id = in->clientMessageId;
	/* Groups and broadcast lists are conversations; a user is reached through the direct one.
	 */
	if (strcmp(in->recipientType, "user") == 0)
		m->recipient = in->recipientId;
	else
		m->conversation = in->recipientId;
	send_meta(m, "mediaId", in->mediaId);
	send_meta(m, "caption", in->caption);
	if (in->encryption)
		json_object_set(m->meta, "encryption", in->encryption);
	return 0;
}

static int
self_destruct(struct req *r, const json_t *policy, struct message_item *m)
{
	json_t *ttl = json_object_get(policy, "ttlSeconds"),
	       *until = json_object_get(policy, "expiresAt");

	if (!policy)
		return 0;
	m->ttl_seconds = json_integer_value(ttl);
	m->expires_at = json_string_value(until);
	if (!m->ttl_seconds && !m->expires_at)
		return req_fail(r, ERR_VALIDATION, "selfDestruct", "needs ttlSeconds or expiresAt");
	return m->expires_at && send_is_past(m->expires_at)
		   ? req_fail(r, ERR_VALIDATION, "selfDestruct.expiresAt", "must lie in the future")
		   : 0;
}

static int
message_item_of(struct req *r, const struct message_create_in *in, struct message_item *m)
{
	*m = (struct message_item){.r = r, .meta = json_object()};
	if (in->form == FORM_VIDEO)
		return video_item(in, m);
	m->conversation = in->conversationId;
	m->recipient = in->recipientId;
	m->client_id = in->clientMessageId;
	m->body = in->ciphertext;
	m->reply_to = in->quotedMessageId;
	m->kind = in->messageType ? in->messageType : in->mediaId ? "media" : "text";
	if (!m->conversation && !m->recipient)
		return req_fail(r, ERR_VALIDATION, "conversationId", "or recipientId is required");
	if (!in->ciphertext && !in->mediaId)
		return req_fail(r, ERR_VALIDATION, "ciphertext", "or mediaId is required");
	if (in->viewOnce && !in->mediaId)
		return req_fail(r, ERR_VALIDATION, "viewOnce", "is for media alone");
	send_meta(m, "mediaId", in->mediaId);
	send_meta(m, "caption", in->caption);
	if (in->viewOnce)
		json_object_set_new(m->meta, "viewOnce", json_true());
	return self_destruct(r, in->selfDestruct, m);
}

void
message_create_batch(struct req **r, const struct message_create_in *const *in, int n)
{
	struct message_item items[MESSAGE_BATCH];

	for (int i = 0; i < n; i++)
		r[i]->err = message_item_of(r[i], in[i], &items[i]);
	send_items(r, items, n);
	for (int i = 0; i < n; i++) {
		const struct message_item *m = &items[i];

		if (!r[i]->err)
			r[i]->err = resp_json(r[i], 201,
			    json_pack("{s:s, s:s, s:s, s:s, s:I}", "messageId", m->id, "status",
				"queued", "queuedAt", m->created_at, "conversationId",
				m->conversation, "seq", send_seq(m)));
	}
}

int
messages_queue(struct req *r, const struct messages_queue_in *in)
{
	struct page page = page_of(r, in);
	struct db_res *res;
	json_t *list;
	int64_t total;
	int err;

	if ((err = sql_queue_page(r, &res, page.limit, page.offset)) ||
	    (err = messages_json(r, res, &list)))
		return err;
	total = page_total(res);
	if (total < 0) {
		if ((err = sql_queue_count(r, &res)))
			return err;
		total = db_int(res, 0, "total");
	}
	return total == 0 ? ERR_NOT_FOUND : page_reply_rows(r, &page, list, total);
}

/* ---- /messages/{messageId} --------------------------------------------------------------- */

int
message_edit(struct req *r, const struct message_edit_in *in)
{
	struct db_res *row;
	int err;

	if ((err = send_check_size(r, in->ciphertext)))
		return err;
	err = sql_message_edit(r, &row, in->messageId, in->ciphertext, in->nonce, in->editedAt,
	    in->clientEditId, in->has_version ? db_int_text(r, in->version) : NULL);
	return err ? err : resp_row(r, 200, row);
}

/* ---- /group-chats/{groupId}/messages ----------------------------------------------------- */

/* Conversations that are no groups are not found here. */
static void
groups_only(struct req **r, const struct group_message_create_in *const *in, int n)
{
	const char *ids[MESSAGE_BATCH] = {NULL};
	bool is_group[MESSAGE_BATCH] = {false};
	struct db_res *res;
	int err;

	for (int i = 0; i < n; i++)
		ids[i] = in[i]->groupId;
	err = sql_groups_among(r[0], &res, db_array(r[0], ids, n));
	for (int i = 0; !err && i < db_rows(res); i++)
		is_group[db_int(res, i, "n") - 1] = true;
	for (int i = 0; i < n; i++) {
		if (err)
			r[i]->err = err;
		else if (!is_group[i])
			r[i]->err = ERR_NOT_FOUND;
	}
}

void
group_message_create_batch(struct req **r, const struct group_message_create_in *const *in, int n)
{
	struct message_item items[MESSAGE_BATCH];

	groups_only(r, in, n);
	for (int i = 0; i < n; i++) {
		items[i] = (struct message_item){.r = r[i],
		    .conversation = in[i]->groupId,
		    .client_id = in[i]->clientMessageId,
		    .kind = "text",
		    .body = in[i]->ciphertext,
		    .mentions = in[i]->mentions,
		    .meta = json_object()};
		if (in[i]->mentions)
			json_object_set(items[i].meta, "mentions", in[i]->mentions);
	}
	send_items(r, items, n);
	for (int i = 0; i < n; i++) {
		if (!r[i]->err)
			r[i]->err = resp_json(r[i], 201,
			    json_pack("{s:s, s:s, s:s, s:O, s:I}", "messageId", items[i].id,
				"groupId", in[i]->groupId, "createdAt", items[i].created_at,
				"mentions", in[i]->mentions ? in[i]->mentions : json_array(), "seq",
				send_seq(&items[i])));
	}
}
