/* plain: see plain.h. */
#include "plain.h"

#include <string.h>

#include "db.h"
#include "json.h"
#include "page.h"
#include "req.h"

/* The text of one input as a query parameter; NULL when it was not given. */
static const char *
input_text(struct req *r, const void *in, const struct input *input)
{
	const char *at = (const char *)in + input->offset;

	if (input->kind == KIND_TEXT)
		return *(const char *const *)at;
	if (input->kind == KIND_JSON) {
		json_t *value = *(json_t *const *)at;

		return value ? json_text(r->arena, value, NULL) : NULL;
	}
	if (!*((const bool *)in + input->has_offset))
		return NULL;
	if (input->kind == KIND_INTEGER)
		return db_int_text(r, *(const int64_t *)at);
	if (input->kind == KIND_BOOLEAN)
		return *(const bool *)at ? "true" : "false";
	return req_printf(r, "%.17g", *(const double *)at);
}

static const char *
builtin_text(struct req *r, const char *name, const struct page *page)
{
	if (strcmp(name, "me") == 0)
		return r->me;
	if (strcmp(name, "device") == 0)
		return r->device;
	if (strcmp(name, "session") == 0)
		return r->session;
	if (strcmp(name, "surface") == 0)
		return r->family->surface;
	if (strcmp(name, "newid") == 0)
		return req_newid(r);
	if (strcmp(name, "limit") == 0)
		return db_int_text(r, page->limit);
	return strcmp(name, "offset") == 0 ? db_int_text(r, page->offset) : NULL;
}

static const char *
param_text(struct req *r, const void *in, const char *name, const struct page *page)
{
	for (int i = 0; i < r->op->n_inputs; i++) {
		if (strcmp(r->op->inputs[i].bind, name) == 0)
			return input_text(r, in, &r->op->inputs[i]);
	}
	return builtin_text(r, name, page);
}

int
plain_run(struct req *r, const void *in)
{
	const struct query *q = r->op->query;
	const char **params = arena_alloc(r->arena, ((size_t)q->n_params + 1) * sizeof *params);
	struct page page = page_of(r, in);
	struct db_res *res;
	int err;

	for (int i = 0; i < q->n_params; i++)
		params[i] = param_text(r, in, q->params[i], &page);
	if ((err = db_query(r, q, params, &res)))
		return err;
	switch (q->kind) {
	case QUERY_LIST:
		return page_reply(r, &page, res, q, params);
	case QUERY_MANY:
		return resp_json(r, r->op->success,
		    r->op->list_field ? json_pack("{s:o}", r->op->list_field, db_rows_json(r, res))
				      : db_rows_json(r, res));
	case QUERY_ONE:
		return resp_row(r, r->op->success, res);
	default:
		return resp_json(r, r->op->success, NULL);
	}
}
