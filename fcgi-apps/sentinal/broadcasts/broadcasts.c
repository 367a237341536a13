/* broadcasts: what needs a setting of the farm; the rest is broadcasts.yaml and broadcasts.sql. */
#include "broadcasts.gen.h"

#include "conf.h"
#include "db.h"
#include "json.h"
#include "req.h"

static const char *
most_recipients(struct req *r)
{
	return db_int_text(r, conf_int("broadcast.max"));
}

int
recipient_add(struct req *r, const struct recipient_add_in *in)
{
	struct db_res *row;
	int err = sql_recipient_add(r, &row, in->id, in->user_id, most_recipients(r));

	return err ? err : resp_row(r, 201, row);
}

int
recipients_add(struct req *r, const struct recipients_add_in *in)
{
	struct db_res *row;
	int err = sql_recipients_add(
	    r, &row, in->id, json_text(r->arena, in->user_ids, NULL), most_recipients(r));

	return err ? err : resp_row(r, 200, row);
}
