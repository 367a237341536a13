/* read: histories and synchronisation.  One statement answers a batch, and each of its rows is a
 * whole reply. */
#include "messages.gen.h"

#include <string.h>

#include "core/message.h"
#include "page.h"

/* Asks for the requests of a batch in one statement, whose rows are (n, reply): the place from 1,
 * and JSON. */
typedef int (*ask_fn)(struct req **r, const void *const *in, int n, struct db_res **res);

static void
answer(struct req **r, int n, ask_fn ask, const void *const *in)
{
	struct db_res *res;
	int err = ask(r, in, n, &res);

	for (int i = 0; err && i < n; i++)
		r[i]->err = err;
	for (int row = 0; !err && row < db_rows(res); row++) {
		struct req *one = r[db_int(res, row, "n") - 1];
		const char *reply = db_get(res, row, "reply");

		resp_bytes(one, 200, "application/json", reply, strlen(reply));
	}
}

/* A statement fails as a whole when one of its requests is refused: then each is asked for alone.
 */
static void
answer_batch(struct req **r, const void *const *in, int n, ask_fn ask)
{
	answer(r, n, ask, in);
	if (n == 1 || !r[0]->err || r[0]->err == ERR_UNAVAILABLE)
		return;
	r[0]->err_detail = NULL;
	r[0]->err_field = NULL;
	for (int i = 0; i < n; i++) {
		r[i]->err = 0;
		answer(&r[i], 1, ask, &in[i]);
	}
}

/* ---- /conversations/{conversationId}/messages ------------------------------------------- */

static int
ask_histories(struct req **r, const void *const *inputs, int n, struct db_res **res)
{
	const struct conversation_messages_list_in *const *in = (const void *)inputs;
	const char *accounts[MESSAGE_BATCH], *conversations[MESSAGE_BATCH], *dates[MESSAGE_BATCH],
	    *directions[MESSAGE_BATCH], *numbers[MESSAGE_BATCH], *sizes[MESSAGE_BATCH],
	    *devices[MESSAGE_BATCH];

	for (int i = 0; i < n; i++) {
		accounts[i] = r[i]->me;
		conversations[i] = in[i]->conversationId;
		dates[i] = in[i]->date;
		directions[i] = in[i]->direction;
		numbers[i] = db_int_text(r[i], in[i]->page);
		sizes[i] = db_int_text(r[i], in[i]->pageSize);
		devices[i] = r[i]->device;
	}
	return sql_histories(r[0], res, db_array(r[0], accounts, n),
	    db_array(r[0], conversations, n), db_array(r[0], dates, n),
	    db_array(r[0], directions, n), db_array(r[0], numbers, n), db_array(r[0], sizes, n),
	    db_array(r[0], devices, n));
}

void
conversation_messages_list_batch(
    struct req **r, const struct conversation_messages_list_in *const *in, int n)
{
	struct req *good[MESSAGE_BATCH];
	const void *inputs[MESSAGE_BATCH];
	int count = 0;

	for (int i = 0; i < n; i++) {
		if (in[i]->direction && !in[i]->date) {
			r[i]->err =
			    req_fail(r[i], ERR_VALIDATION, "date", "is required with a direction");
			continue;
		}
		good[count] = r[i];
		inputs[count++] = in[i];
	}
	if (count)
		answer_batch(good, inputs, count, ask_histories);
}

/* ---- /messages/sync ---------------------------------------------------------------------- */

static int
ask_changes(struct req **r, const void *const *inputs, int n, struct db_res **res)
{
	const struct messages_sync_in *const *in = (const void *)inputs;
	const char *accounts[MESSAGE_BATCH], *cursors[MESSAGE_BATCH], *since[MESSAGE_BATCH],
	    *numbers[MESSAGE_BATCH], *sizes[MESSAGE_BATCH], *devices[MESSAGE_BATCH];

	for (int i = 0; i < n; i++) {
		accounts[i] = r[i]->me;
		cursors[i] = in[i]->cursor;
		since[i] = in[i]->since;
		numbers[i] = db_int_text(r[i], in[i]->page);
		sizes[i] = db_int_text(r[i], in[i]->pageSize);
		devices[i] = r[i]->device;
	}
	return sql_changes(r[0], res, db_array(r[0], accounts, n), db_array(r[0], cursors, n),
	    db_array(r[0], since, n), db_array(r[0], numbers, n), db_array(r[0], sizes, n),
	    db_array(r[0], devices, n));
}

void
messages_sync_batch(struct req **r, const struct messages_sync_in *const *in, int n)
{
	answer_batch(r, (const void *const *)in, n, ask_changes);
}
