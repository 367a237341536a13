/* queues: what has logic beside queues.yaml and queues.sql. */
#include "queues.gen.h"

#include <string.h>

#include "conf.h"
#include "core/message.h"
#include "core/prekey.h"
#include "db.h"
#include "json.h"
#include "page.h"
#include "req.h"

/* ---- what waits for this device ------------------------------------------------------------ */

int
queue_list(struct req *r, const struct queue_list_in *in)
{
	struct page page = page_of(r, in);
	struct db_res *rows, *count;
	json_t *list, *item;
	size_t i;
	int err;

	if ((err = sql_waiting_page(r, &rows, page.limit, page.offset)) ||
	    (err = sql_waiting_count(r, &count)) || (err = messages_json(r, rows, &list)))
		return err;
	json_array_foreach (list, i, item)
		json_object_set(item, "queueId", json_object_get(item, "messageId"));
	return page_reply_rows(r, &page, list, db_int(count, 0, "total"));
}

/* All or nothing: what message_ack did is undone when an id was not waiting. */
int
queue_ack(struct req *r, const struct queue_ack_in *in)
{
	struct db_res *row;
	json_t *missing;
	const char *text, *why;
	int err;

	if ((err = db_begin(r)) || (err = sql_waiting_ack(r, &row, db_array_json(r, in->queueIds))))
		return err;
	text = db_get(row, 0, "missing");
	missing = json_read(r->arena, text, strlen(text), &why);
	if (json_array_size(missing) > 0) {
		req_fail_extra(r, "missing", missing);
		return req_fail(
		    r, ERR_NOT_FOUND, "queueIds", "not all of them wait for this device");
	}
	if ((err = db_commit(r)))
		return err;
	return resp_json(
	    r, 201, json_pack("{s:I}", "acknowledged", (json_int_t)db_int(row, 0, "acknowledged")));
}

/* ---- stores of a device ---------------------------------------------------------------------- */

int
offline_queue_create(struct req *r, const struct offline_queue_create_in *in)
{
	const char *key;
	struct db_res *row;
	int err;

	if ((err = prekey_public(r, "clientPublicKey", in->clientPublicKey, &key)) ||
	    (err = sql_offline_queue_open(r, &row, in->deviceId, key)))
		return err;
	return resp_row(r, 201, row);
}

int
offline_queue_put(struct req *r, const struct offline_queue_put_in *in)
{
	const char *metadata = in->metadata ? json_text(r->arena, in->metadata, NULL) : NULL;
	struct db_res *row;
	int err;

	if ((int64_t)strlen(in->ciphertext) > conf_int("message.max"))
		return req_fail(r, ERR_TOO_LARGE, "ciphertext", "is larger than a message may be");
	err = sql_offline_queue_put(r, &row, in->queueId, in->messageId, in->ciphertext, metadata,
	    db_int_text(r, conf_int("queue.max")));
	return err ? err : resp_row(r, 201, row);
}
