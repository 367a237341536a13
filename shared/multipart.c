/*
 * multipart/form-data in pieces: see multipart.h.
 *
 * A delimiter is CRLF "--" boundary.  CR occurs in it only at its start, so a failed match gives
 * back what it held without looking again: the bytes held are the delimiter's own first ones.
 */
#include "multipart.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "buf.h"
#include "err.h"

enum { BOUNDARY_MAX = 70 };

enum state {
	PREAMBLE, /* before the first boundary; matching as if a CRLF had gone before */
	CONTENT,
	DELIMITED,  /* right behind a boundary */
	CLOSING,    /* "-" seen there */
	PADDING,    /* blanks after a boundary */
	PADDING_LF, /* CR seen after a boundary */
	HEAD,       /* header lines of a part */
	EPILOGUE,   /* after the closing boundary; ignored */
};

struct multipart {
	struct arena *arena;
	struct multipart_limits limits;
	struct multipart_handler handler;
	enum state state;
	int err;
	char delimiter[4 + BOUNDARY_MAX + 1];
	size_t delimiter_len;
	size_t matched;  /* bytes of the delimiter that the fed ones end in */
	struct buf head; /* header lines of the part that begins */
	int64_t total, content, content_limit;
	size_t preamble;
	int parts;
};

/* ---- header values ----------------------------------------------------------------------- */

static bool
is_token_char(char c)
{
	return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static const char *
skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Decode %xx in place: all of them, or only those that browsers write in names (WHATWG, "escape a
 * multipart name"): quote, CR and LF. */
static void
unescape(char *s, bool all)
{
	char *out = s;

	for (; *s; s++) {
		int high = *s == '%' ? hex_digit(s[1]) : -1, low = high >= 0 ? hex_digit(s[2]) : -1;
		int c = low >= 0 ? high * 16 + low : -1;

		if (c > 0 && (all || c == '"' || c == '\r' || c == '\n')) {
			*out++ = (char)c;
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	*out = 0;
}

/* RFC 3629: shortest forms, no surrogates, up to U+10FFFF. */
static bool
is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		int more = *s < 0x80   ? 0
			   : *s < 0xc2 ? -1
			   : *s < 0xe0 ? 1
			   : *s < 0xf0 ? 2
			   : *s < 0xf5 ? 3
				       : -1;

		if (more < 0 || (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
		    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
			return false;
		for (s++; more > 0; more--, s++)
			if ((*s & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* A quoted string or a token at *s into a fresh copy; *s moves behind it.  NULL when malformed. */
static char *
read_value(struct arena *a, const char **s)
{
	char *out = arena_alloc(a, strlen(*s) + 1), *p = out;

	if (**s != '"') {
		/* Lenient about what some clients leave unquoted: all but blanks and semicolons. */
		while (**s && !strchr(" \t;\"", **s))
			*p++ = *(*s)++;
		*p = 0;
		return p > out ? out : NULL;
	}
	for ((*s)++; **s && **s != '"'; (*s)++) {
		/* Only these are escapes: C:\dir\file.txt is an old browser's name for a file. */
		if (**s == '\\' && ((*s)[1] == '"' || (*s)[1] == '\\'))
			(*s)++;
		*p++ = **s;
	}
	*p = 0;
	if (**s != '"')
		return NULL;
	(*s)++;
	return out;
}

/* The next ;name=value of *s.  1 and both, 0 at the end, -1 when malformed. */
static int
next_parameter(struct arena *a, const char **s, char name[32], char **value)
{
	size_t n = 0;

	*s = skip_blanks(*s);
	if (!**s)
		return 0;
	if (*(*s)++ != ';')
		return -1;
	*s = skip_blanks(*s);
	if (!**s)
		return 0; /* a last semicolon */
	for (; is_token_char(**s) && n < 31; (*s)++)
		name[n++] = **s;
	name[n] = 0;
	*s = skip_blanks(*s);
	if (n == 0 || *(*s)++ != '=')
		return -1;
	*s = skip_blanks(*s);
	return (*value = read_value(a, s)) ? 1 : -1;
}

/* filename*=UTF-8''%e2%82%ac.txt (RFC 5987): RFC 7578 forbids it, clients send it. */
static char *
extended_value(char *value)
{
	char *quote;

	if (strncasecmp(value, "UTF-8'", 6) || !(quote = strchr(value + 6, '\'')))
		return NULL;
	unescape(quote + 1, true);
	return quote + 1;
}

static int
read_disposition(struct multipart *m, const char *s, struct multipart_part *part)
{
	char name[32], *value, *extended = NULL;
	int more;

	if (strncasecmp(s, "form-data", 9) || is_token_char(s[9]))
		return ERR_BAD_REQUEST;
	s += 9;
	while ((more = next_parameter(m->arena, &s, name, &value)) > 0) {
		if (!strcasecmp(name, "name")) {
			if (part->name)
				return ERR_BAD_REQUEST;
			unescape(value, false);
			part->name = value;
		} else if (!strcasecmp(name, "filename")) {
			if (part->filename)
				return ERR_BAD_REQUEST;
			unescape(value, false);
			part->filename = value;
		} else if (!strcasecmp(name, "filename*")) {
			if (extended || !(extended = extended_value(value)))
				return ERR_BAD_REQUEST;
		}
	}
	if (extended)
		part->filename = extended;
	return more < 0 || !part->name || !is_utf8(part->name) ||
		       (part->filename && !is_utf8(part->filename))
		   ? ERR_BAD_REQUEST
		   : 0;
}

/* ---- a part's head ----------------------------------------------------------------------- */

static bool
is_identity(const char *encoding)
{
	return !strcasecmp(encoding, "7bit") || !strcasecmp(encoding, "8bit") ||
	       !strcasecmp(encoding, "binary");
}

/* One unfolded line "Name: value". */
static int
read_header(struct multipart *m, char *line, struct multipart_part *part)
{
	char *colon = strchr(line, ':'), *value, *end;

	if (!colon || colon == line)
		return ERR_BAD_REQUEST;
	for (char *p = line; p < colon; p++)
		if (!is_token_char(*p))
			return ERR_BAD_REQUEST;
	*colon = 0;
	value = (char *)skip_blanks(colon + 1);
	for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t');)
		*--end = 0;
	for (char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' && *p != '\t')
			return ERR_BAD_REQUEST;
	if (!strcasecmp(line, "Content-Disposition"))
		return part->name ? ERR_BAD_REQUEST : read_disposition(m, value, part);
	if (!strcasecmp(line, "Content-Type")) {
		if (part->content_type || !is_utf8(value))
			return ERR_BAD_REQUEST;
		part->content_type = value;
	} else if (!strcasecmp(line, "Content-Transfer-Encoding") && !is_identity(value)) {
		return ERR_BAD_REQUEST;
	}
	return 0;
}

/* The head is complete: CRLF after each line, the empty one included. */
static int
begin_part(struct multipart *m)
{
	struct multipart_part part = {0};
	char *line = m->head.p, *end;
	int err;

	if (strlen(m->head.p) != m->head.n)
		return ERR_BAD_REQUEST; /* a NUL */
	for (; strncmp(line, "\r\n", 2); line = end + 2) {
		end = strstr(line, "\r\n");
		while (end[2] == ' ' || end[2] == '\t') { /* folded: one line to RFC 822 */
			end[0] = end[1] = ' ';
			end = strstr(end, "\r\n");
		}
		*end = 0;
		if ((err = read_header(m, line, &part)))
			return err;
	}
	if (!part.name)
		return ERR_BAD_REQUEST;
	if (++m->parts > m->limits.parts)
		return ERR_TOO_LARGE;
	m->content = 0;
	m->content_limit = part.filename ? m->limits.file : m->limits.field;
	return m->handler.part(m->handler.context, &part);
}

/* Up to the empty line that ends the head.  Sets *used. */
static int
feed_head(struct multipart *m, const char *p, size_t n, size_t *used)
{
	size_t k = 0;

	while (k < n) {
		const char *lf = memchr(p + k, '\n', n - k);
		size_t take = lf ? (size_t)(lf - p) + 1 - k : n - k;

		if (take > m->limits.head - m->head.n)
			return ERR_TOO_LARGE;
		buf_put(&m->head, p + k, take);
		k += take;
		if (!lf)
			break;
		if (m->head.n < 2 || m->head.p[m->head.n - 2] != '\r')
			return ERR_BAD_REQUEST;
		if (m->head.n == 2 || (m->head.n > 3 && m->head.p[m->head.n - 3] == '\n')) {
			*used = k;
			m->state = CONTENT;
			m->matched = 0;
			return begin_part(m);
		}
	}
	*used = k;
	return 0;
}

/* ---- content ----------------------------------------------------------------------------- */

static int
give(struct multipart *m, const char *p, size_t n)
{
	if (n == 0)
		return 0;
	if (m->state == PREAMBLE) {
		m->preamble += n;
		return m->preamble > m->limits.head ? ERR_TOO_LARGE : 0;
	}
	m->content += (int64_t)n;
	if (m->content > m->content_limit)
		return ERR_TOO_LARGE;
	return m->handler.data(m->handler.context, p, n);
}

/* How many bytes of p go on with the delimiter after those matched already. */
static size_t
match(const struct multipart *m, const char *p, size_t n)
{
	size_t k = 0;

	while (k < n && m->matched + k < m->delimiter_len && p[k] == m->delimiter[m->matched + k])
		k++;
	return k;
}

/* Find the delimiter, or its beginning at the end of the piece.  Sets *content to what lies before,
 * m->matched, and *used to the bytes done with. */
static void
find_delimiter(struct multipart *m, const char *p, size_t n, size_t *content, size_t *used)
{
	const char *cr;
	size_t i = 0, k;

	for (; i < n && (cr = memchr(p + i, '\r', n - i)); i += k) {
		i = (size_t)(cr - p);
		k = match(m, cr, n - i);
		if (k == m->delimiter_len || i + k == n) {
			m->matched = k;
			*content = i;
			*used = i + k;
			return;
		}
	}
	*content = *used = n;
}

/* Hand content on until the delimiter is complete or the piece ends.  Sets *used. */
static int
feed_content(struct multipart *m, const char *p, size_t n, size_t *used)
{
	size_t content = 0;
	int err = 0;

	if (m->matched > 0) { /* in the piece before */
		*used = match(m, p, n);
		m->matched += *used;
		if (m->matched < m->delimiter_len && *used < n) {
			err = give(m, m->delimiter, m->matched);
			m->matched = 0;
		}
	} else {
		find_delimiter(m, p, n, &content, used);
		err = give(m, p, content);
	}
	if (err || m->matched < m->delimiter_len)
		return err;
	err = m->state == CONTENT ? m->handler.end(m->handler.context) : 0;
	m->state = DELIMITED;
	return err;
}

/* ---- what follows a boundary ------------------------------------------------------------- */

static int
feed_delimited(struct multipart *m, char c)
{
	switch (m->state) {
	case DELIMITED:
		if (c == '-') {
			m->state = CLOSING;
			return 0;
		}
		m->state = PADDING;
		/* fall through */
	case PADDING:
		if (c == ' ' || c == '\t')
			return 0;
		m->state = PADDING_LF;
		return c == '\r' ? 0 : ERR_BAD_REQUEST;
	case PADDING_LF:
		m->state = HEAD;
		m->head = buf_new(m->arena);
		return c == '\n' ? 0 : ERR_BAD_REQUEST;
	default: /* CLOSING */
		m->state = EPILOGUE;
		return c == '-' ? 0 : ERR_BAD_REQUEST;
	}
}

static int
feed(struct multipart *m, const char *p, size_t n)
{
	int err = 0;

	while (n > 0 && m->state != EPILOGUE) {
		size_t used = 1;

		if (m->state == PREAMBLE || m->state == CONTENT)
			err = feed_content(m, p, n, &used);
		else if (m->state == HEAD)
			err = feed_head(m, p, n, &used);
		else
			err = feed_delimited(m, *p);
		if (err)
			break;
		p += used;
		n -= used;
	}
	return err;
}

int
multipart_feed(struct multipart *m, const void *p, size_t n)
{
	if (m->err)
		return m->err;
	m->total += (int64_t)n;
	m->err = m->total > m->limits.total ? ERR_TOO_LARGE : feed(m, p, n);
	return m->err;
}

int
multipart_finish(struct multipart *m)
{
	if (!m->err && m->state != EPILOGUE)
		m->err = ERR_BAD_REQUEST;
	return m->err;
}

/* The boundary parameter of a multipart/form-data type, NULL when it is something else. */
static const char *
read_boundary(struct arena *a, const char *type)
{
	static const char allowed[] =
	    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ";
	char name[32], *value, *boundary = NULL;
	size_t n;
	int more;

	if (!type || strncasecmp(type, "multipart/form-data", 19) || is_token_char(type[19]))
		return NULL;
	type += 19;
	while ((more = next_parameter(a, &type, name, &value)) > 0) {
		if (strcasecmp(name, "boundary"))
			continue;
		if (boundary)
			return NULL;
		boundary = value;
	}
	n = boundary ? strlen(boundary) : 0;
	if (more < 0 || n == 0 || n > BOUNDARY_MAX || strspn(boundary, allowed) != n ||
	    boundary[n - 1] == ' ')
		return NULL;
	return boundary;
}

struct multipart *
multipart_new(struct arena *a, const char *content_type, const struct multipart_limits *limits,
    const struct multipart_handler *handler)
{
	const char *boundary = read_boundary(a, content_type);
	struct multipart *m;

	if (!boundary)
		return NULL;
	m = arena_zalloc(a, sizeof(*m));
	m->arena = a;
	m->limits = *limits;
	m->handler = *handler;
	m->delimiter_len =
	    (size_t)snprintf(m->delimiter, sizeof(m->delimiter), "\r\n--%s", boundary);
	m->matched = 2; /* the body may begin with the boundary, as if after a line */
	return m;
}
