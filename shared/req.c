/* req: see req.h.  Requests and replies; the wire is fcgi's, the decisions are app's. */
#include "req.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db.h"
#include "fcgi.h"
#include "id.h"
#include "json.h"

const char *
req_header(struct req *r, const char *name)
{
	char cgi[128] = "HTTP_";
	size_t n = 5;

	if (strcasecmp(name, "Content-Type") == 0)
		return r->content_type;
	for (; *name && n + 1 < sizeof cgi; name++)
		cgi[n++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
	cgi[n] = '\0';
	return fcgi_param(r->wire, cgi);
}

const struct req_file *
req_file(struct req *r, const char *field)
{
	const struct req_file *f = r->files;

	while (f && strcmp(f->field, field) != 0)
		f = f->next;
	return f;
}

int
req_fail(struct req *r, enum err err, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	r->err_detail = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	r->err_field = field;
	return (int)err;
}

void
req_fail_extra(struct req *r, const char *name, json_t *value)
{
	if (!r->err_extra)
		r->err_extra = json_object();
	json_object_set_new(r->err_extra, name, value);
}

const char *
req_newid(struct req *r)
{
	char *id = arena_alloc(r->arena, ID_SIZE);

	id_new(id);
	return id;
}

const char *
req_printf(struct req *r, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	return s;
}

/* ---- replies ---------------------------------------------------------------------------- */

void
resp_header(struct req *r, const char *name, const char *fmt, ...)
{
	struct buf *b = &r->headers;
	va_list ap;
	size_t from;

	if (!b->arena)
		*b = buf_new(r->arena);
	buf_puts(b, name);
	buf_puts(b, ": ");
	from = b->n;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
	for (char *p = b->p + from; *p; p++) { /* a header value never ends its line by itself */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	}
	buf_puts(b, "\r\n");
}

int
resp_bytes(struct req *r, int status, const char *type, const void *p, size_t n)
{
	r->status = status;
	r->body = p;
	r->body_len = n;
	r->send_fd = -1;
	r->replied = true;
	if (type)
		resp_header(r, "Content-Type", "%s", type);
	return 0;
}

int
resp_json(struct req *r, int status, json_t *body)
{
	size_t n = 0;
	const char *text;

	if (r->op->envelope)
		body = json_pack("{sbso}", "success", 1, "data", body ? body : json_null());
	text = body ? json_text(r->arena, body, &n) : NULL;
	return resp_bytes(r, status, text ? "application/json" : NULL, text, n);
}

int
resp_row(struct req *r, int status, struct db_res *res)
{
	if (db_rows(res) == 0)
		return ERR_NOT_FOUND;
	return resp_json(r, status, db_row_json(r, res, 0));
}

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

int
resp_file(struct req *r, int status, const char *type, int fd, int64_t from, int64_t len)
{
	resp_bytes(r, status, type, NULL, 0);
	arena_defer(r->arena, close_fd, (void *)(intptr_t)fd);
	r->send_fd = fd;
	r->send_from = from;
	r->send_len = len;
	return 0;
}
