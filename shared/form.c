/* form: see form.h. */
#include "form.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "body.h"
#include "fcgi.h"
#include "multipart.h"
#include "req.h"

enum { PARTS_MAX = 64, HEAD_MAX = 8192, FIELD_MAX = 65536, DIGEST = 32 };

struct form {
	struct req *r;
	json_t *fields;
	const struct input *input; /* that the part is for, NULL when the contract has none */
	struct req_file *file;     /* being received, NULL for a plain field */
	struct req_file **tail;
	const char *field;
	struct buf text;
	/* Of names and contents, for Idempotency-Key: a form sent again may have another boundary.
	 */
	crypto_generichash_state digest;
	bool digesting;
};

static void
digest(struct form *f, const void *p, size_t n)
{
	if (f->digesting)
		crypto_generichash_update(&f->digest, p, n);
}

static const struct input *
input_named(const struct op *op, const char *name)
{
	for (int i = 0; i < op->n_inputs; i++) {
		if (op->inputs[i].where == IN_BODY && strcmp(op->inputs[i].name, name) == 0)
			return &op->inputs[i];
	}
	return NULL;
}

/* What a part is says the contract: files may come without a name, browsers give one to each blob.
 */
static int
begin_part(void *context, const struct multipart_part *part)
{
	struct form *f = context;

	f->field = part->name;
	f->file = NULL;
	f->input = input_named(f->r->op, part->name);
	if (!f->input)
		return 0;
	if (json_object_get(f->fields, part->name))
		return req_fail(f->r, ERR_BAD_REQUEST, part->name, "is there twice");
	digest(f, part->name, strlen(part->name) + 1);
	if (f->input->schema->format != FMT_BINARY) {
		f->text = buf_new(f->r->arena);
		return 0;
	}
	f->file = arena_zalloc(f->r->arena, sizeof *f->file);
	f->file->field = part->name;
	f->file->name = part->filename ? part->filename : "";
	f->file->type = part->content_type;
	*f->tail = f->file;
	f->tail = &f->file->next;
	return body_file(f->r, &f->file->fd);
}

static int
take_data(void *context, const void *p, size_t n)
{
	struct form *f = context;

	if (!f->input)
		return 0;
	digest(f, p, n);
	if (!f->file && f->text.n + n > FIELD_MAX)
		return req_fail(
		    f->r, ERR_TOO_LARGE, f->field, "may have at most %d bytes", FIELD_MAX);
	if (!f->file) {
		buf_put(&f->text, p, n);
		return 0;
	}
	f->file->size += (int64_t)n;
	return body_append(f->file->fd, p, n);
}

static int
end_part(void *context)
{
	struct form *f = context;
	int64_t size;
	json_t *value;

	if (!f->input)
		return 0;
	size = f->file ? f->file->size : (int64_t)f->text.n;
	digest(f, &size, sizeof size);
	value = f->file ? json_string(f->file->name) : json_stringn(f->text.p, f->text.n);
	if (!value || strlen(json_string_value(value)) != json_string_length(value))
		return req_fail(f->r, ERR_BAD_REQUEST, f->field, "must be UTF-8 text without NUL");
	json_object_set_new(f->fields, f->field, value);
	if (f->file && lseek(f->file->fd, 0, SEEK_SET) < 0)
		return ERR_UNAVAILABLE;
	return 0;
}

static int
feed(struct req *r, struct multipart *m)
{
	char piece[65536];
	size_t n;
	int err = 0;

	while (!err && (n = fcgi_read(r->wire, piece, sizeof piece)) > 0)
		err = multipart_feed(m, piece, n);
	return err ? err : multipart_finish(m);
}

int
form_read(struct req *r, json_t **fields)
{
	struct form form = {.r = r, .fields = json_object(), .tail = &r->files};
	struct multipart_limits limits = {.parts = PARTS_MAX,
	    .head = HEAD_MAX,
	    .field = body_limit(r),
	    .file = body_limit(r),
	    .total = body_limit(r)};
	struct multipart_handler handler = {
	    .part = begin_part, .data = take_data, .end = end_part, .context = &form};
	unsigned char sum[DIGEST];
	struct multipart *m;
	int err;

	*fields = form.fields;
	if (r->content_length > body_limit(r))
		return body_too_large(r);
	m = multipart_new(r->arena, r->content_type ? r->content_type : "", &limits, &handler);
	if (!m)
		return req_fail(r, ERR_BAD_REQUEST, "Content-Type",
		    "must be multipart/form-data with a boundary");
	form.digesting = req_header(r, "Idempotency-Key") != NULL;
	if (form.digesting)
		crypto_generichash_init(&form.digest, NULL, 0, DIGEST);
	err = feed(r, m);
	if (form.digesting) {
		crypto_generichash_final(&form.digest, sum, DIGEST);
		r->input = arena_memdup(r->arena, sum, DIGEST);
		r->input_len = DIGEST;
	}
	if (err == ERR_TOO_LARGE && !r->err_detail)
		return body_too_large(r);
	if (err == ERR_BAD_REQUEST && !r->err_detail)
		return req_fail(r, err, NULL, "the multipart body is malformed");
	return err;
}
