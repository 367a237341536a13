/* send: one message to everybody on a list, each in their own direct conversation. */
#include "broadcasts.gen.h"

#include <stdlib.h>
#include <string.h>

#include "core/message.h"
#include "core/sealed.h"
#include "db.h"
#include "req.h"

/* ---- what is given ------------------------------------------------------------------------- */

/* All of the request by recipient; whatever is wrong with it is found before anything is sent. */
static int
read_recipients(struct req *r, const json_t *recipients, struct db_res *list, json_t *given)
{
	json_t *known = json_object(), *entry;
	size_t k;
	int err;

	for (int row = 0; row < db_rows(list); row++)
		json_object_set_new(known, db_get(list, row, "account_id"), json_true());
	json_array_foreach ((json_t *)recipients, k, entry) {
		const char *id = json_string_value(json_object_get(entry, "user_id"));
		json_t *bodies;

		if (!json_object_get(known, id) || json_object_get(given, id))
			return req_fail(r, ERR_UNPROCESSABLE,
			    req_printf(r, "recipients[%zu].user_id", k), "%s",
			    json_object_get(given, id) ? "is named twice" : "is not on the list");
		if ((err = sealed_bodies(r, req_printf(r, "recipients[%zu].ciphertexts", k),
			 json_object_get(entry, "ciphertexts"), &bodies)))
			return err;
		json_object_set_new(given, id, bodies);
	}
	return 0;
}

/* ---- what becomes of it --------------------------------------------------------------------- */

static json_t *
result_json(const char *user, const char *status, const struct message_item *m)
{
	bool sent = m && !m->err;

	return json_pack("{s:s, s:s, s:s?, s:s?, s:o, s:s?}", "user_id", user, "status", status,
	    "message_id", sent ? m->id : NULL, "conversation_id", sent ? m->conversation : NULL,
	    "sequence_number",
	    sent ? json_integer((json_int_t)strtoll(m->seq, NULL, 10)) : json_null(), "created_at",
	    sent ? m->created_at : NULL);
}

/* Send to one; what concerns this recipient alone becomes its result, anything else ends the
 * request. */
static int
send_one(struct req *r, const struct broadcast_send_in *in, const char *user, const json_t *bodies,
    json_t *results)
{
	struct message_item m = {.r = r,
	    .recipient = user,
	    .client_id = in->client_message_id,
	    .kind = in->message_type,
	    .bodies = bodies};
	const char *status = "sent";
	json_t *result;

	message_send(&m, 1);
	if (m.err == ERR_FORBIDDEN)
		status = "blocked";
	else if (m.err == ERR_NOT_FOUND)
		status = "gone";
	else if (m.err == ERR_CONFLICT)
		status = "devices";
	else if (m.err)
		return m.err;
	result = result_json(user, status, &m);
	if (m.err == ERR_CONFLICT)
		json_object_update(result, r->err_extra);
	json_array_append_new(results, result);
	r->err_field = NULL;
	r->err_detail = NULL;
	r->err_extra = NULL;
	return 0;
}

static int
sent_among(const json_t *results)
{
	int sent = 0;
	json_t *result;
	size_t i;

	json_array_foreach ((json_t *)results, i, result) {
		const char *status = json_string_value(json_object_get(result, "status"));

		sent += strcmp(status, "sent") == 0;
	}
	return sent;
}

/*
 * Each recipient is a transaction of its own, so none waits for the others, and what was sent stays
 * sent when the request ends early; the client repeats it under its client_message_id.
 */
int
broadcast_send(struct req *r, const struct broadcast_send_in *in)
{
	json_t *given = json_object(), *results = json_array();
	struct db_res *list;
	int err, sent;

	if ((err = sql_recipients_now(r, &list, in->id)) ||
	    (err = read_recipients(r, in->recipients, list, given)))
		return err;
	for (int row = 0; row < db_rows(list); row++) {
		const char *user = db_get(list, row, "account_id");
		const json_t *bodies = json_object_get(given, user);

		if (db_bool(list, row, "gone"))
			json_array_append_new(results, result_json(user, "gone", NULL));
		else if (!bodies)
			json_array_append_new(results, result_json(user, "not_given", NULL));
		else if ((err = send_one(r, in, user, bodies, results)))
			return err;
	}
	sent = sent_among(results);
	return resp_json(r, 201,
	    json_pack("{s:s, s:i, s:i, s:o}", "broadcast_id", in->id, "sent", sent, "failed",
		(int)json_array_size(results) - sent, "results", results));
}
