/* page: see page.h. */
#include "page.h"

#include <string.h>

#include "db.h"
#include "req.h"

static int64_t
integer_input(struct req *r, const void *in, const char *name, int64_t otherwise)
{
	for (int i = 0; i < r->op->n_inputs; i++) {
		const struct input *input = &r->op->inputs[i];

		if (input->kind == KIND_INTEGER && strcmp(input->name, name) == 0 &&
		    *((const bool *)in + input->has_offset))
			return *(const int64_t *)((const char *)in + input->offset);
	}
	return otherwise;
}

struct page
page_of(struct req *r, const void *in)
{
	struct page p = {.page = integer_input(r, in, "page", 1)};
	int64_t skip = integer_input(r, in, "offset", integer_input(r, in, "skip", 0));

	p.size = integer_input(r, in, "pageSize", integer_input(r, in, "limit", PAGE_DEFAULT));
	if (p.page < 1)
		p.page = 1;
	if (p.size < 1)
		p.size = 1;
	if (p.size > PAGE_MAX)
		p.size = PAGE_MAX;
	if (p.page > INT64_MAX / PAGE_MAX)
		p.page = INT64_MAX / PAGE_MAX;
	p.limit = p.size;
	p.offset = skip > 0 ? skip : (p.page - 1) * p.size;
	return p;
}

static bool
has_input(struct req *r, const char *name)
{
	for (int i = 0; i < r->op->n_inputs; i++) {
		if (strcmp(r->op->inputs[i].name, name) == 0)
			return true;
	}
	return false;
}

int
page_reply_rows(struct req *r, const struct page *p, json_t *rows, int64_t total)
{
	json_t *o = json_object();

	json_object_set_new(o, r->op->list_field ? r->op->list_field : "items", rows);
	if (has_input(r, "page"))
		json_object_set_new(o, "page", json_integer(p->page));
	if (has_input(r, "pageSize"))
		json_object_set_new(o, "pageSize", json_integer(p->size));
	if (has_input(r, "limit"))
		json_object_set_new(o, "limit", json_integer(p->size));
	if (has_input(r, "offset"))
		json_object_set_new(o, "offset", json_integer(p->offset));
	if (r->op->total_field)
		json_object_set_new(o, r->op->total_field, json_integer(total));
	return resp_json(r, r->op->success, o);
}

int64_t
page_total(const struct db_res *res)
{
	return db_rows(res) ? db_int(res, 0, "_total") : -1;
}

int
page_reply(struct req *r, const struct page *p, struct db_res *res, const struct query *q,
    const char **params)
{
	int64_t total = page_total(res);
	struct db_res *first;
	int err;

	if (total < 0 && p->offset > 0 && r->op->total_field) {
		for (int i = 0; i < q->n_params; i++) {
			if (strcmp(q->params[i], "limit") == 0)
				params[i] = "1";
			if (strcmp(q->params[i], "offset") == 0)
				params[i] = "0";
		}
		if ((err = db_query(r, q, params, &first)))
			return err;
		total = page_total(first);
	}
	return page_reply_rows(r, p, db_rows_json(r, res), total < 0 ? 0 : total);
}
