/* read: histories and synchronisation.  One statement answers a batch; its rows, binary, become the
 * text of the replies. */
#include "messages.gen.h"

#include "core/message.h"
#include "core/message_page.h"
#include "db.h"
#include "page.h"

/* Asks for the requests of a batch in one statement.  Its rows are those of message_page.h behind
 * n, the place of the request from 1; those of one request come together, in their order. */
typedef int (*ask_fn)(struct req **r, const void *const *in, int n, struct db_res **res);

/* Writes the reply to one request from its rows, of which there is at least one. */
typedef void (*write_fn)(struct req *r, const void *in, const struct message_rows *rows, int row);

struct reading {
	ask_fn ask;
	write_fn write;
};

static void
answer(struct req **r, const void *const *in, int n, const struct reading *reading)
{
	struct message_rows rows;
	struct db_res *res;
	int err = reading->ask(r, in, n, &res);
	int64_t before = 0, place;

	for (int i = 0; err && i < n; i++)
		r[i]->err = err;
	if (err)
		return;
	rows = message_rows(res);
	for (int row = 0; row < db_rows(res); row++) {
		place = db_field_int(db_field(res, row, 0));
		if (place != before)
			reading->write(r[place - 1], in[place - 1], &rows, row);
		before = place;
	}
}

/* A statement fails as a whole when one of its requests is refused: then each is asked for alone.
 */
static void
answer_batch(struct req **r, const void *const *in, int n, const struct reading *reading)
{
	answer(r, in, n, reading);
	if (n == 1 || !r[0]->err || r[0]->err == ERR_UNAVAILABLE)
		return;
	r[0]->err_detail = NULL;
	r[0]->err_field = NULL;
	for (int i = 0; i < n; i++) {
		r[i]->err = 0;
		answer(&r[i], &in[i], 1, reading);
	}
}

/* The messages from a row on that belong to the same request, at most so many, as a JSON array.
 * Answers the row behind them. */
static int
put_messages(struct buf *b, const struct message_rows *rows, int row, int64_t most)
{
	int64_t place = db_field_int(db_field(rows->res, row, 0));
	int first = row;

	buf_putc(b, '[');
	for (; row - first < most && message_is(rows, row) &&
	       db_field_int(db_field(rows->res, row, 0)) == place;
	     row++) {
		if (row > first)
			buf_putc(b, ',');
		message_put(b, rows, row);
	}
	buf_putc(b, ']');
	return row;
}

static struct buf
reply_begin(struct req *r, int64_t messages)
{
	struct buf b = buf_new(r->arena);

	buf_reserve(&b, (size_t)messages * 512 + 512);
	return b;
}

static void
reply_end(struct req *r, const struct buf *b)
{
	resp_bytes(r, 200, "application/json", b->p, b->n);
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

static void
write_history(struct req *r, const void *input, const struct message_rows *rows, int row)
{
	const struct conversation_messages_list_in *in = input;
	long long total = db_field_int(message_field(rows, row, MESSAGE_TOTAL));
	struct buf b = reply_begin(r, in->pageSize);

	if (in->date) {
		buf_printf(&b,
		    "{\"conversationId\":\"%s\",\"anchorDate\":\"%s\",\"direction\":\"%s\","
		    "\"messages\":",
		    in->conversationId, in->date, in->direction ? in->direction : "forward");
	} else {
		buf_puts(&b, "{\"items\":");
	}
	put_messages(&b, rows, row, in->pageSize);
	buf_printf(&b, ",\"page\":%lld,\"pageSize\":%lld,\"%s\":%lld}", (long long)in->page,
	    (long long)in->pageSize, in->date ? "totalCount" : "total", total);
	reply_end(r, &b);
}

void
conversation_messages_list_batch(
    struct req **r, const struct conversation_messages_list_in *const *in, int n)
{
	static const struct reading reading = {ask_histories, write_history};
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
		answer_batch(good, inputs, count, &reading);
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

/* When there are more, a message too many is there; the row behind all has the cursor of the end.
 */
static void
write_changes(struct req *r, const void *input, const struct message_rows *rows, int row)
{
	const struct messages_sync_in *in = input;
	struct buf b = reply_begin(r, in->pageSize);
	struct db_field cursor;
	bool more;

	buf_puts(&b, "{\"messages\":");
	row = put_messages(&b, rows, row, in->pageSize);
	more = message_is(rows, row);
	cursor = message_field(rows, more ? row - 1 : row, MESSAGE_CURSOR);
	buf_printf(&b, ",\"nextCursor\":\"%.*s\",\"hasMore\":%s}", cursor.n, cursor.p,
	    more ? "true" : "false");
	reply_end(r, &b);
}

void
messages_sync_batch(struct req **r, const struct messages_sync_in *const *in, int n)
{
	static const struct reading reading = {ask_changes, write_changes};

	answer_batch(r, (const void *const *)in, n, &reading);
}
