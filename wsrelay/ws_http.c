/* ws_http: see ws_http.h. */
#include "ws_http.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

enum { KEY_BYTES = 16, KEY_TEXT = 24 };

bool
slice_is(struct slice s, const char *text)
{
	return s.p && s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

bool
slice_is_word(struct slice s, const char *lower_case)
{
	return s.p && s.n == strlen(lower_case) && !strncasecmp(s.p, lower_case, s.n);
}

static struct slice
trim(struct slice s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t'))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* ---- request line and headers ------------------------------------------------------------- */

/* RFC 9110, section 5.6.2. */
static bool
is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool
is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

static bool
is_visible(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

/* Cut off what precedes c; false when there is no c. */
static bool
cut(struct slice *rest, char c, struct slice *out)
{
	const char *at = memchr(rest->p, c, rest->n);

	if (!at)
		return false;
	*out = (struct slice){rest->p, (size_t)(at - rest->p)};
	rest->n -= out->n + 1;
	rest->p = at + 1;
	return true;
}

static int
read_request_line(struct slice line, struct http_request *out)
{
	struct slice target;

	if (!cut(&line, ' ', &out->method) || !cut(&line, ' ', &target) || !is_token(out->method) ||
	    !is_visible(target) || target.p[0] != '/')
		return -400;
	if (line.n != 8 || memcmp(line.p, "HTTP/1.", 7) || line.p[7] < '0' || line.p[7] > '1')
		return -505;
	out->http11 = line.p[7] == '1';
	out->path = target;
	if (cut(&target, '?', &out->path))
		out->query = target;
	return 0;
}

/* Headers that may come once only; a second one is an attempt to confuse. */
static int
keep_once(struct slice *place, struct slice value)
{
	if (place->p)
		return -400;
	*place = value;
	return 0;
}

static int
keep_header(struct http_request *r, struct slice name, struct slice value)
{
	const struct {
		const char *name;
		struct slice *place;
	} known[] = {{"host", &r->host}, {"origin", &r->origin},
	    {"authorization", &r->authorization}, {"sec-websocket-key", &r->key},
	    {"sec-websocket-version", &r->version}, {"upgrade", &r->upgrade},
	    {"connection", &r->connection}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (slice_is_word(name, known[i].name))
			return keep_once(known[i].place, value);
	if (slice_is_word(name, "x-forwarded-for")) {
		r->forwarded = value; /* the last one is of the proxy next to us */
	} else if (slice_is_word(name, "sec-websocket-protocol")) {
		if (r->protocols == HTTP_PROTOCOL_LINES)
			return -400;
		r->protocol[r->protocols++] = value;
	} else if (slice_is_word(name, "sec-websocket-extensions")) {
		if (r->extensions == HTTP_EXTENSION_LINES)
			return -400;
		r->extension[r->extensions++] = value;
	} else if (slice_is_word(name, "transfer-encoding") ||
		   (slice_is_word(name, "content-length") && !slice_is(value, "0"))) {
		r->has_body = true;
	}
	return 0;
}

static bool
has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	return false;
}

static int
read_header(struct slice line, struct http_request *out)
{
	struct slice name;

	/* No folding, and no blank before the colon: RFC 9112, sections 5.1 and 5.2. */
	if (!cut(&line, ':', &name) || !is_token(name))
		return -400;
	line = trim(line);
	if (has_control(line))
		return -400;
	return keep_header(out, name, line);
}

ssize_t
ws_http_parse(const char *buf, size_t n, struct http_request *out)
{
	const char *end = memmem(buf, n, "\r\n\r\n", 4);
	struct slice rest, line;
	int err;

	if (!end)
		return n >= HTTP_HEAD_MAX ? -431 : 0;
	memset(out, 0, sizeof(*out));
	rest = (struct slice){buf, (size_t)(end - buf) + 2};
	if (rest.n + 2 > HTTP_HEAD_MAX)
		return -431;
	for (bool first = true; rest.n; first = false) {
		if (!cut(&rest, '\n', &line) || !line.n || line.p[line.n - 1] != '\r')
			return -400;
		line.n--;
		err = first ? read_request_line(line, out) : read_header(line, out);
		if (err)
			return err;
	}
	return end + 4 - buf;
}

/* ---- the handshake ------------------------------------------------------------------------ */

bool
http_list_next(struct slice *rest, struct slice *item)
{
	while (rest->n) {
		if (!cut(rest, ',', item)) {
			*item = *rest;
			rest->n = 0;
		}
		*item = trim(*item);
		if (item->n)
			return true;
	}
	return false;
}

static bool
list_has(struct slice list, const char *word)
{
	struct slice item;

	while (list.p && http_list_next(&list, &item))
		if (slice_is_word(item, word))
			return true;
	return false;
}

/* Base64 of exactly 16 bytes. */
static bool
key_valid(struct slice key)
{
	unsigned char bytes[KEY_BYTES];
	size_t n;

	return key.p && key.n == KEY_TEXT &&
	       !sodium_base642bin(bytes, sizeof(bytes), key.p, key.n, NULL, &n, NULL,
		   sodium_base64_VARIANT_ORIGINAL) &&
	       n == KEY_BYTES;
}

int
ws_http_upgrade(const struct http_request *r)
{
	if (!list_has(r->upgrade, "websocket"))
		return 0;
	if (!slice_is(r->method, "GET"))
		return 405;
	if (!r->http11 || r->has_body || !r->host.p || !list_has(r->connection, "upgrade") ||
	    !key_valid(r->key))
		return 400;
	if (!slice_is(r->version, "13"))
		return 426;
	return 101;
}

void
ws_http_accept(struct slice key, char out[HTTP_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* section 1.3 */
	char text[KEY_TEXT + sizeof(guid)];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	memcpy(text, key.p, KEY_TEXT);
	memcpy(text + KEY_TEXT, guid, sizeof(guid) - 1);
	EVP_Digest(text, KEY_TEXT + sizeof(guid) - 1, digest, &n, EVP_sha1(), NULL);
	sodium_bin2base64(out, HTTP_ACCEPT_SIZE, digest, 20, sodium_base64_VARIANT_ORIGINAL);
}

/* ---- query, Authorization, Origin --------------------------------------------------------- */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static ssize_t
percent_decode(struct slice s, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == '%') {
			if (i + 2 >= s.n || hex_value(s.p[i + 1]) < 0 || hex_value(s.p[i + 2]) < 0)
				return -1;
			c = hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]);
			i += 2;
		}
		if (!c || n + 1 >= size)
			return -1;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return (ssize_t)n;
}

ssize_t
http_query_get(struct slice query, const char *name, char *out, size_t size)
{
	struct slice pair, key;

	while (query.n) {
		if (!cut(&query, '&', &pair)) {
			pair = query;
			query.n = 0;
		}
		if (cut(&pair, '=', &key) && slice_is(key, name))
			return percent_decode(pair, out, size);
	}
	return -1;
}

struct slice
http_bearer(struct slice authorization)
{
	struct slice scheme, rest = authorization;

	if (!rest.p || !cut(&rest, ' ', &scheme) || !slice_is_word(scheme, "bearer"))
		return (struct slice){NULL, 0};
	return trim(rest);
}

/* "https://chat.example:8443" -> "chat.example:8443"; empty when it is not of that form. */
static struct slice
origin_host(struct slice origin)
{
	const char *at = memmem(origin.p, origin.n, "://", 3);

	if (!at)
		return (struct slice){NULL, 0};
	at += 3;
	return (struct slice){at, origin.n - (size_t)(at - origin.p)};
}

bool
http_origin_allowed(struct slice origin, struct slice host, const char *allowed)
{
	struct slice named;
	size_t n;

	if (!origin.p)
		return true;
	named = origin_host(origin);
	if (named.n && host.p && named.n == host.n && !strncasecmp(named.p, host.p, host.n))
		return true;
	for (; *allowed; allowed += n) {
		allowed += strspn(allowed, " \t,");
		n = strcspn(allowed, " \t,");
		if ((n == 1 && *allowed == '*') ||
		    (n && n == origin.n && !strncasecmp(allowed, origin.p, n)))
			return true;
	}
	return false;
}
