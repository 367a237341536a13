/* fcgi_wire: see fcgi_wire.h. */
#include "fcgi_wire.h"

#include <fastcgi.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "map.h"

enum { REQUEST_ID = 1, RECORD_MAX = 65528 /* of content: a multiple of eight */ };

/* ---- the request ---------------------------------------------------------------------------- */

static uint8_t *
room(struct fcgi_out *out, size_t n)
{
	if (out->n + n > out->cap) {
		out->cap = 2 * (out->n + n);
		out->p = must_realloc(out->p, out->cap);
	}
	out->n += n;
	return out->p + out->n - n;
}

static void
put_head(uint8_t *at, uint8_t type, size_t content)
{
	const uint8_t head[FCGI_HEADER_LEN] = {
	    FCGI_VERSION_1, type, 0, REQUEST_ID, (uint8_t)(content >> 8), (uint8_t)content, 0, 0};

	memcpy(at, head, sizeof(head));
}

static void
put_record(struct fcgi_out *out, uint8_t type, const void *p, size_t n)
{
	uint8_t *at = room(out, FCGI_HEADER_LEN + n);

	put_head(at, type, n);
	if (n)
		memcpy(at + FCGI_HEADER_LEN, p, n);
}

static void
begin(struct fcgi_out *out)
{
	static const uint8_t body[8] = {0, FCGI_RESPONDER};

	put_record(out, FCGI_BEGIN_REQUEST, body, sizeof(body));
	out->params = out->n;
	room(out, FCGI_HEADER_LEN);
}

static size_t
put_length(uint8_t *at, size_t n)
{
	if (n < 128) {
		at[0] = (uint8_t)n;
		return 1;
	}
	at[0] = (uint8_t)(0x80 | (n >> 24));
	at[1] = (uint8_t)(n >> 16);
	at[2] = (uint8_t)(n >> 8);
	at[3] = (uint8_t)n;
	return 4;
}

bool
fcgi_out_param(struct fcgi_out *out, const char *name, const void *value, size_t n)
{
	size_t name_n = strlen(name), head_n;
	uint8_t head[8];

	if (!out->n)
		begin(out);
	if (n > FCGI_MAX_LENGTH)
		return false;
	head_n = put_length(head, name_n);
	head_n += put_length(head + head_n, n);
	if (out->n - out->params - FCGI_HEADER_LEN + head_n + name_n + n > FCGI_MAX_LENGTH)
		return false;
	memcpy(room(out, head_n), head, head_n);
	memcpy(room(out, name_n), name, name_n);
	if (n)
		memcpy(room(out, n), value, n);
	return true;
}

void
fcgi_out_finish(struct fcgi_out *out, const void *body, size_t n)
{
	const uint8_t *p = body;

	if (!out->n)
		begin(out);
	put_head(out->p + out->params, FCGI_PARAMS, out->n - out->params - FCGI_HEADER_LEN);
	put_record(out, FCGI_PARAMS, NULL, 0);
	while (n) {
		size_t some = n < RECORD_MAX ? n : RECORD_MAX;

		put_record(out, FCGI_STDIN, p, some);
		p += some;
		n -= some;
	}
	put_record(out, FCGI_STDIN, NULL, 0);
}

void
fcgi_out_free(struct fcgi_out *out)
{
	free(out->p);
	*out = (struct fcgi_out){0};
}

/* ---- the answer ----------------------------------------------------------------------------- */

static bool
keep(struct fcgi_in *in, const uint8_t *p, size_t n)
{
	if (in->n + n > in->limit)
		return false;
	if (in->n + n + 1 > in->cap) {
		in->cap = 2 * (in->n + n + 1);
		in->text = must_realloc(in->text, in->cap);
	}
	memcpy(in->text + in->n, p, n);
	in->n += n;
	in->text[in->n] = '\0';
	return true;
}

/* A whole head of a record: what follows it? */
static enum fcgi_in_got
on_head(struct fcgi_in *in)
{
	const uint8_t *h = in->head;

	if (h[0] != FCGI_VERSION_1 || (h[2] << 8 | h[3]) != REQUEST_ID)
		return FCGI_IN_BROKEN;
	in->left = (uint32_t)(h[4] << 8 | h[5]);
	in->padding = h[6];
	if (h[1] == FCGI_END_REQUEST)
		return FCGI_IN_DONE; /* its content says nothing that the answer does not */
	return h[1] == FCGI_STDOUT || h[1] == FCGI_STDERR ? FCGI_IN_MORE : FCGI_IN_BROKEN;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

enum fcgi_in_got
fcgi_in_feed(struct fcgi_in *in, const uint8_t *p, size_t n)
{
	enum fcgi_in_got got;
	size_t some;

	while (n) {
		if (in->head_n < FCGI_HEADER_LEN) {
			in->head[in->head_n++] = *p++;
			n--;
			if (in->head_n == FCGI_HEADER_LEN && (got = on_head(in)) != FCGI_IN_MORE)
				return got;
		} else if (in->left) {
			some = least(n, in->left);
			if (in->head[1] == FCGI_STDOUT && !keep(in, p, some))
				return FCGI_IN_TOO_LARGE;
			in->left -= (uint32_t)some;
			p += some;
			n -= some;
		} else {
			some = least(n, in->padding);
			in->padding -= (uint32_t)some;
			p += some;
			n -= some;
		}
		if (in->head_n == FCGI_HEADER_LEN && !in->left && !in->padding)
			in->head_n = 0;
	}
	return FCGI_IN_MORE;
}

const char *
fcgi_reply_header(const struct fcgi_reply *r, const char *name, size_t *n)
{
	size_t name_n = strlen(name);
	const char *line = r->head, *end = r->head + r->head_n, *stop;

	for (; line < end; line = stop + 1) {
		if (!(stop = memchr(line, '\n', (size_t)(end - line))))
			stop = end;
		if ((size_t)(stop - line) <= name_n || line[name_n] != ':' ||
		    strncasecmp(line, name, name_n) != 0)
			continue;
		line += name_n + 1;
		while (line < stop && (*line == ' ' || *line == '\t'))
			line++;
		while (stop > line && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		*n = (size_t)(stop - line);
		return line;
	}
	return NULL;
}

static const char *
empty_line(const char *text, size_t *skip)
{
	const char *crlf = strstr(text, "\r\n\r\n"), *lf = strstr(text, "\n\n");

	*skip = crlf && (!lf || crlf < lf) ? 4 : 2;
	return *skip == 4 ? crlf : lf;
}

static bool
read_number(const char *p, size_t n, size_t *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9' || *out > SIZE_MAX / 100)
			return i > 0 && p[i] == ' '; /* "404 Not Found" */
		*out = *out * 10 + (size_t)(p[i] - '0');
	}
	return n > 0;
}

bool
fcgi_in_reply(const struct fcgi_in *in, struct fcgi_reply *out)
{
	const char *text = (const char *)in->text, *end, *value;
	size_t skip, n, number;

	if (!in->n || !(end = empty_line(text, &skip)))
		return false;
	*out = (struct fcgi_reply){.status = 200, .head = text, .head_n = (size_t)(end - text)};
	out->body = end + skip;
	out->body_n = in->n - out->head_n - skip;
	if ((value = fcgi_reply_header(out, "Status", &n))) {
		if (!read_number(value, n, &number) || number < 100 || number > 599)
			return false;
		out->status = (int)number;
	}
	if ((value = fcgi_reply_header(out, "Content-Length", &n)))
		return read_number(value, n, &number) && number == out->body_n;
	return true;
}

void
fcgi_in_free(struct fcgi_in *in)
{
	free(in->text);
	in->text = NULL;
	in->n = in->cap = 0;
}
