/* messages: sending to each device its own ciphertext, and changing what was sent. */
#include "messages.gen.h"

#include <stdlib.h>
#include <string.h>

#include "core/message.h"
#include "core/sealed.h"
#include "db.h"
#include "json.h"
#include "req.h"

int
message_send_create(struct req *r, const struct message_send_create_in *in)
{
	struct message_item m = {.r = r,
	    .conversation = in->conversation_id,
	    .client_id = in->client_message_id,
	    .kind = in->message_type,
	    .reply_to = in->reply_to_id,
	    .mentions = in->mentions,
	    .meta = json_object(),
	    .key = in->idempotency_key};
	json_t *bodies;
	int err;

	if ((err = sealed_bodies(r, "ciphertexts", in->ciphertexts, &bodies)))
		return err;
	m.bodies = bodies;
	if (in->mentions && json_array_size(in->mentions))
		json_object_set(m.meta, "mentions", in->mentions);
	message_send(&m, 1);
	if (m.err)
		return m.err;
	return resp_json(r, m.repeated ? 200 : 201,
	    json_pack("{s:s, s:s, s:s, s:s?, s:I, s:s}", "id", m.id, "conversation_id",
		m.conversation, "sender_id", r->me, "client_message_id", in->client_message_id,
		"sequence_number", (json_int_t)strtoll(m.seq, NULL, 10), "created_at",
		m.created_at));
}

/* ---- reading ------------------------------------------------------------------------------- */

int
message_list(struct req *r, const struct message_list_in *in)
{
	struct db_res *res;
	int err = sql_message_page(r, &res, in->conversation_id,
	    in->has_before_seq ? db_int_text(r, in->before_seq) : NULL, db_int_text(r, in->limit));

	if (err)
		return err;
	return resp_json(r, 200, json_pack("{s:o}", "messages", db_rows_json(r, res)));
}

static int
show(struct req *r, const char *id)
{
	struct db_res *res;
	int err = sql_message_one(r, &res, id);

	return err ? err : resp_row(r, 200, res);
}

int
message_get(struct req *r, const struct message_get_in *in)
{
	return show(r, in->id);
}

/* ---- changing ------------------------------------------------------------------------------ */

static int
edit_sealed(struct req *r, const char *id, const json_t *ciphertexts)
{
	struct db_res *res;
	json_t *bodies;
	int err;

	if ((err = sealed_bodies(r, "ciphertexts", ciphertexts, &bodies)) ||
	    (err = sql_message_edit_sealed(r, &res, id, json_text(r->arena, bodies, NULL))))
		return err;
	return message_devices_right(r, res);
}

int
message_edit_one(struct req *r, const struct message_edit_one_in *in)
{
	struct db_res *res;
	int err;

	if (!in->ciphertext == !in->ciphertexts)
		return req_fail(r, ERR_UNPROCESSABLE, "ciphertext", "or ciphertexts is required");
	if (in->ciphertexts)
		err = edit_sealed(r, in->id, in->ciphertexts);
	else if (!(err = sealed_size(r, "ciphertext", in->ciphertext)))
		err = sql_message_edit_open(r, &res, in->id, in->ciphertext);
	return err ? err : show(r, in->id);
}
