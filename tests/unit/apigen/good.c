/* Handlers of the test family; it is compiled against the emitted header only. */
#include "good.gen.h"

int
thing_create(struct req *r, const struct thing_create_in *in)
{
	struct db_res *row;
	int err;

	if (in->form == 1 && in->has_when && in->when > 0 && json_is_array(in->kind))
		return sql_thing_touch(r, in->qr);
	if ((err = sql_account_find(r, &row, r->me)))
		return err;
	if ((err = sql_thing_insert(r, &row, in->code)))
		return err;
	return resp_row(r, 201, row);
}

void
thing_delete_batch(struct req **r, const struct thing_delete_in *const *in, int n)
{
	struct db_res *res;

	for (int i = 0; i < n; i++)
		r[i]->err = sql_thing_after(r[i], &res, in[i]->thingId, INT64_C(5));
}

int
thing_replace(struct req *r, const struct thing_replace_in *in)
{
	return resp_json(r, 202, in->body);
}

int
thing_upload(struct req *r, const struct thing_upload_in *in)
{
	(void)in;
	return resp_json(r, 204, NULL);
}

int
thing_form(struct req *r, const struct thing_form_in *in)
{
	return resp_json(r, in->caption && in->file ? 204 : 200, NULL);
}
