/* calls: the operations that depend on a setting, or need a look before they answer. */
#include "calls.gen.h"

#include <string.h>

#include "conf.h"
#include "db.h"
#include "req.h"

static const char *
most(struct req *r)
{
	return db_int_text(r, conf_int("call.participants"));
}

int
calls_create(struct req *r, const struct calls_create_in *in)
{
	const char *others = in->participants ? db_array_json(r, in->participants) : NULL;
	struct db_res *row;
	int err = sql_calls_begin(
	    r, &row, in->initiator_id, in->conversation_id, in->type, others, most(r));

	return err ? err : resp_row(r, 201, row);
}

int
calls_connected(struct req *r, const struct calls_connected_in *in)
{
	struct db_res *row;
	int err = sql_calls_connected(r, &row, in->id, most(r));

	return err ? err : resp_row(r, 200, row);
}

int
calls_participants(struct req *r, const struct calls_participants_in *in)
{
	struct db_res *rows;
	int err = sql_calls_seen_by(r, &rows, in->id);

	if (err)
		return err;
	if (db_rows(rows) == 0)
		return ERR_NOT_FOUND;
	if ((err = sql_calls_participants(r, &rows, in->id)))
		return err;
	return resp_json(r, 200, json_pack("{s:o}", "participants", db_rows_json(r, rows)));
}

int
calls_participant_add(struct req *r, const struct calls_participant_add_in *in)
{
	struct db_res *row;
	int err = sql_calls_participant_add(r, &row, in->id, in->user_id, most(r));

	return err ? err : resp_row(r, 201, row);
}

int
calls_participant_status(struct req *r, const struct calls_participant_status_in *in)
{
	struct db_res *row;
	int err = sql_calls_participant_status(r, &row, in->id, in->user_id, in->status, most(r));

	return err ? err : resp_row(r, 200, row);
}

int
calls_signal(struct req *r, const struct calls_signal_in *in)
{
	struct db_res *row;
	int err;

	if (in->from_id && strcmp(in->from_id, r->me) != 0)
		return req_fail(r, ERR_FORBIDDEN, "from_id", "is not your own id");
	err = sql_calls_signal(
	    r, &row, in->id, in->to_id, in->to_device, in->signal_type, in->data, most(r));
	return err ? err : resp_row(r, 201, row);
}
