/* form: see form.h. */
#include "form.h"

#include <string.h>
#include <unistd.h>

#include "body.h"
#include "fcgi.h"
#include "multipart.h"
#include "req.h"

enum { PARTS_MAX = 64, HEAD_MAX = 8192, FIELD_MAX = 65536 };

struct form {
	struct req *r;
	json_t *fields;
	struct req_file *file; /* being received, NULL for a plain field */
	struct req_file **tail;
	const char *field;
	struct buf text;
};

static int
begin_part(void *context, const struct multipart_part *part)
{
	struct form *f = context;

	f->field = part->name;
	f->file = NULL;
	if (json_object_get(f->fields, part->name))
		return req_fail(f->r, ERR_BAD_REQUEST, part->name, "is there twice");
	if (!part->filename) {
		f->text = buf_new(f->r->arena);
		return 0;
	}
	f->file = arena_zalloc(f->r->arena, sizeof *f->file);
	f->file->field = part->name;
	f->file->name = part->filename;
	f->file->type = part->content_type;
	*f->tail = f->file;
	f->tail = &f->file->next;
	return body_file(f->r, &f->file->fd);
}

static int
take_data(void *context, const void *p, size_t n)
{
	struct form *f = context;

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
	json_t *value = f->file ? json_string(f->file->name) : json_stringn(f->text.p, f->text.n);

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
	    .field = FIELD_MAX,
	    .file = body_limit(r),
	    .total = body_limit(r)};
	struct multipart_handler handler = {
	    .part = begin_part, .data = take_data, .end = end_part, .context = &form};
	struct multipart *m;
	int err;

	*fields = form.fields;
	if (r->content_length > body_limit(r))
		return body_too_large(r);
	m = multipart_new(r->arena, r->content_type ? r->content_type : "", &limits, &handler);
	if (!m)
		return req_fail(r, ERR_BAD_REQUEST, "Content-Type",
		    "must be multipart/form-data with a boundary");
	err = feed(r, m);
	if (err == ERR_TOO_LARGE && !r->err_detail)
		return body_too_large(r);
	if (err == ERR_BAD_REQUEST && !r->err_detail)
		return req_fail(r, err, NULL, "the multipart body is malformed");
	return err;
}
