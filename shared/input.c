/* input: see input.h. */
#include "input.h"

#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "form.h"
#include "json.h"
#include "query.h"
#include "req.h"
#include "schema.h"
#include "surface.h"

static bool
is_json_type(const char *type)
{
	size_t n = type ? strcspn(type, "; ") : 0;

	return n == 16 && strncasecmp(type, "application/json", 16) == 0;
}

/* ---- values ------------------------------------------------------------------------------ */

/* Does the operation document this status? */
static bool
documents(const struct op *op, int status)
{
	for (int i = 0; i < op->n_statuses; i++) {
		if (op->statuses[i].code == status)
			return true;
	}
	return false;
}

static int
invalid(struct req *r, const char *field, const struct schema_fault *fault, int status)
{
	const char *name = *fault->path ? fault->path : field;
	int surface = surface_named(r->family->surface)->validation_status;

	if (field && *fault->path && strcmp(fault->path, field) != 0)
		name =
		    *fault->path == '[' ? req_printf(r, "%s%s", field, fault->path) : fault->path;
	if (fault->invalid)
		status = fault->invalid;
	if (!status)
		status = surface == 422 && !documents(r->op, 422) && documents(r->op, 400)
			     ? 400
			     : surface;
	return req_fail(
	    r, status == 400 ? ERR_VALIDATION : err_from_status(status), name, "%s", fault->why);
}

static void
store(void *in, const struct input *input, json_t *value)
{
	char *at = (char *)in + input->offset;

	if (!value || json_is_null(value))
		return;
	switch (input->kind) {
	case KIND_TEXT:
		*(const char **)at = json_string_value(value);
		return;
	case KIND_INTEGER:
		*(int64_t *)at = json_integer_value(value);
		break;
	case KIND_NUMBER:
		*(double *)at = json_number_value(value);
		break;
	case KIND_BOOLEAN:
		*(bool *)at = json_is_true(value);
		break;
	case KIND_JSON:
		*(json_t **)at = value;
		return;
	}
	*((bool *)in + input->has_offset) = true;
}

static int
decode_text(struct req *r, void *in, const struct input *input, const char *text)
{
	struct schema_fault fault = {.path = "", .why = "is required"};
	json_t *value;

	if (!text)
		text = input->dflt;
	if (!text)
		return input->required ? invalid(r, input->name, &fault, input->invalid) : 0;
	if (!schema_check_text(r->arena, input->schema, text, &value, &fault)) {
		/* An id that cannot be one names nothing; where 400 is documented, it says so. */
		int status = input->invalid;

		if (!status && input->where == IN_PATH)
			status = documents(r->op, 400) ? 400 : 404;
		return invalid(r, input->name, &fault, status);
	}
	store(in, input, value);
	return 0;
}

/* x-self: the id in the path must be the caller's own; "me" stands for it. */
static int
decode_self(struct req *r, void *in, const struct input *input, const char *text)
{
	const char *own;
	int err;

	if (text && strcmp(text, "me") == 0)
		text = r->me;
	if ((err = decode_text(r, in, input, text)))
		return err;
	own = *(const char **)((char *)in + input->offset);
	if (!own || strcmp(own, r->me) == 0) /* one that may be left out is not there */
		return 0;
	return documents(r->op, 403)
		   ? req_fail(r, ERR_FORBIDDEN, input->name, "is not your own account")
		   : ERR_NOT_FOUND;
}

static int
decode_outer(struct req *r, const struct route *route, const char *const *captures, void *in)
{
	for (int i = 0; i < r->op->n_inputs; i++) {
		const struct input *input = &r->op->inputs[i];
		const char *text = NULL;
		bool bad = false;
		int err;

		if (input->where == IN_BODY)
			continue;
		if (input->where == IN_QUERY)
			text = query_get(r->arena, r->query_string, input->name, &bad);
		else if (input->where == IN_HEADER)
			text = req_header(r, input->name);
		for (int c = 0; input->where == IN_PATH && c < route->n_params; c++) {
			if (strcmp(route->params[c], input->name) == 0) {
				text =
				    query_decode(r->arena, captures[c], strlen(captures[c]), false);
				bad = !text;
			}
		}
		if (bad)
			return req_fail(
			    r, ERR_BAD_REQUEST, input->name, "has a malformed percent escape");
		err =
		    input->self ? decode_self(r, in, input, text) : decode_text(r, in, input, text);
		if (err)
			return err;
	}
	return 0;
}

/* Put the body's members where the handler reads them; those left out get their default. */
static int
store_body(struct req *r, void *in, json_t *body)
{
	bool whole = strcmp(r->op->inputs[r->op->n_inputs - 1].name, "body") == 0 &&
		     !r->op->body->n_fields && !r->op->body->n_one_of;
	int err = 0;

	for (int i = 0; !err && i < r->op->n_inputs; i++) {
		const struct input *input = &r->op->inputs[i];
		json_t *value = whole ? body : json_object_get(body, input->name);

		if (input->where != IN_BODY)
			continue;
		if (value && !json_is_null(value))
			store(in, input, value);
		else if (input->dflt)
			err = decode_text(r, in, input, NULL);
	}
	return err;
}

static int
decode_body(struct req *r, void *in)
{
	struct schema_fault fault;
	const char *why;
	struct buf text;
	json_t *body;
	int err;

	if ((err = body_read(r, &text)))
		return err;
	r->input = text.p;
	r->input_len = text.n;
	if (text.n == 0 && !r->op->body_required)
		return store_body(r, in, json_object());
	if (text.n == 0)
		return req_fail(r, ERR_BAD_REQUEST, NULL, "a JSON body is required");
	if (!is_json_type(r->content_type))
		return req_fail(r, documents(r->op, 400) ? ERR_BAD_REQUEST : ERR_MEDIA_TYPE,
		    "Content-Type", "must be application/json");
	if (!(body = json_read(r->arena, text.p, text.n, &why)))
		return req_fail(r, ERR_BAD_REQUEST, NULL, "%s", why);
	if (!schema_check(r->arena, r->op->body, body, &fault))
		return invalid(r, NULL, &fault, 0);
	if (r->op->body->n_one_of > 0)
		*(int *)in = fault.form;
	return store_body(r, in, body);
}

/* A part that is no simple value is JSON, as OpenAPI has it. */
static int
decode_part(struct req *r, void *in, const struct input *input, const char *text)
{
	struct schema_fault fault;
	const char *why;
	json_t *value;

	if (input->kind != KIND_JSON || !text)
		return decode_text(r, in, input, text);
	if (!(value = json_read(r->arena, text, strlen(text), &why)))
		return req_fail(r, ERR_VALIDATION, input->name, "%s", why);
	if (!schema_check(r->arena, input->schema, value, &fault))
		return invalid(r, input->name, &fault, input->invalid);
	store(in, input, value);
	return 0;
}

/* The parts of a multipart body: files are on disk (req_file()), their inputs hold the file names.
 */
static int
decode_form(struct req *r, void *in)
{
	json_t *fields;
	int err = form_read(r, &fields);

	for (int i = 0; !err && i < r->op->n_inputs; i++) {
		const struct input *input = &r->op->inputs[i];

		if (input->where == IN_BODY)
			err = decode_part(
			    r, in, input, json_string_value(json_object_get(fields, input->name)));
	}
	return err;
}

int
input_decode(struct req *r, const struct route *route, const char *const *captures, void **in)
{
	int err;

	*in = arena_zalloc(r->arena, r->op->in_size + 1);
	if ((err = decode_outer(r, route, captures, *in)))
		return err;
	if (r->op->multipart)
		return decode_form(r, *in);
	if (r->op->raw_body)
		return body_store(r);
	return r->op->body ? decode_body(r, *in) : 0;
}
