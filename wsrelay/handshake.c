/* handshake: see handshake.h. */
#include "handshake.h"

#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "buf.h"
#include "conf.h"
#include "conn.h"
#include "deflate.h"
#include "deliver.h"
#include "health.h"
#include "limits.h"
#include "map.h"
#include "metrics.h"
#include "ws_http.h"

static const char *
status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {{200, "OK"}, {400, "Bad Request"}, {403, "Forbidden"}, {404, "Not Found"},
	    {405, "Method Not Allowed"}, {429, "Too Many Requests"}, {426, "Upgrade Required"},
	    {431, "Request Header Fields Too Large"}, {503, "Service Unavailable"},
	    {505, "HTTP Version Not Supported"}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}

/* Answer and close. */
static void
answer(struct conn *c, int status, const char *type, const char *body, size_t n)
{
	struct arena *a = arena_new();
	struct buf b = buf_new(a);

	buf_printf(&b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", status,
	    status_text(status), type, n);
	buf_puts(&b, "Cache-Control: no-store\r\nConnection: close\r\n");
	if (status == 426)
		buf_puts(&b, "Sec-WebSocket-Version: 13\r\n");
	if (status == 405)
		buf_puts(&b, "Allow: GET\r\n");
	buf_puts(&b, "\r\n");
	buf_put(&b, body, n);
	conn_write(c, b.p, b.n);
	c->after_write = true;
	arena_free(a);
}

static void
refuse(struct conn *c, int status)
{
	const char *text = status_text(status);

	metrics->refused++;
	answer(c, status, "text/plain", text, strlen(text));
}

/* ---- plain requests ------------------------------------------------------------------------- */

static void
answer_metrics(struct conn *c)
{
	struct arena *a = arena_new();
	struct buf b = buf_new(a);

	metrics_text(&b);
	answer(c, 200, "text/plain; version=0.0.4", b.p, b.n);
	arena_free(a);
}

static void
answer_ready(struct conn *c)
{
	char reason[2048];
	bool ready = health_ready(reason, sizeof(reason));

	answer(c, ready ? 200 : 503, "text/plain", reason, strlen(reason));
}

static void
plain(struct conn *c, const struct http_request *r)
{
	char text[1024];

	if (!slice_is(r->method, "GET"))
		refuse(c, 405);
	else if (slice_is(r->path, "/healthz"))
		answer(c, 200, "text/plain", "ok\n", 3);
	else if (!c->near)
		refuse(c, 404); /* what the relay is doing is nobody's business from afar */
	else if (slice_is(r->path, "/metrics"))
		answer_metrics(c);
	else if (slice_is(r->path, "/readyz"))
		answer_ready(c);
	else if (slice_is(r->path, "/status"))
		answer(c, 200, "text/plain", text, health_status(text, sizeof(text)));
	else
		refuse(c, 404);
}

/* ---- the upgrade ---------------------------------------------------------------------------- */

static bool
path_known(const struct dialect *d, struct slice path)
{
	for (const char *const *p = d->paths; *p; p++)
		if (slice_is(path, *p))
			return true;
	return false;
}

static bool
choose_dialect(struct conn *c, struct slice path)
{
	for (int i = 0; c->any_dialect && i < dialect_count(); i++) {
		if (path_known(dialect_at(i), path)) {
			c->dialect = (uint8_t)i;
			return true;
		}
	}
	return path_known(dialect_at(c->dialect), path);
}

static bool
offers(const struct http_request *r, const char *protocol)
{
	struct slice rest, item;

	for (int i = 0; i < r->protocols; i++)
		for (rest = r->protocol[i]; http_list_next(&rest, &item);)
			if (slice_is(item, protocol))
				return true;
	return false;
}

static void
upgrade(struct conn *c, const struct http_request *r)
{
	const struct dialect *d = dialect_at(c->dialect);
	bool named = offers(r, d->protocol);
	char accept[HTTP_ACCEPT_SIZE], extension[DEFLATE_ANSWER] = "", head[768];
	int n;

	ws_http_accept(r->key, accept);
	if (conf_bool("relay.deflate"))
		c->deflate = (uint8_t)deflate_offer(r, extension);
	n = snprintf(head, sizeof(head),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n%s%s%s%s%s%s\r\n",
	    accept, named ? "Sec-WebSocket-Protocol: " : "", named ? d->protocol : "",
	    named ? "\r\n" : "", c->deflate ? "Sec-WebSocket-Extensions: " : "", extension,
	    c->deflate ? "\r\n" : "");
	conn_write(c, head, (size_t)n);
	metrics->handshakes++;
	conn_upgraded(c);
	d->opened(c, r);
}

static void
handle(struct conn *c, const struct http_request *r)
{
	int status = ws_http_upgrade(r);

	if (status == 0)
		plain(c, r);
	else if (status != 101)
		refuse(c, status);
	else if (!choose_dialect(c, r->path))
		refuse(c, 404);
	else if (!http_origin_allowed(r->origin, r->host, conf_str("relay.origins")))
		refuse(c, 403);
	else if (!c->any_dialect && !conn_set_address(c, limits_address_text(r->forwarded)))
		refuse(c, 429);
	else
		upgrade(c, r);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void
keep(struct conn *c, const char *p, size_t n)
{
	struct conn_in *in;

	if (!c->in)
		c->in = must_zalloc(sizeof(*c->in));
	in = c->in;
	if (in->head_n + n > in->head_cap) {
		in->head_cap = in->head_n + n + 512;
		in->head = must_realloc(in->head, in->head_cap);
	}
	memcpy(in->head + in->head_n, p, n);
	in->head_n += n;
}

size_t
handshake_feed(struct conn *c, const char *p, size_t n)
{
	struct http_request r;
	size_t before = c->in ? c->in->head_n : 0;
	ssize_t head;

	if (c->after_write)
		return n; /* it has had its answer */
	if (before) {
		/* No more is kept than a head may have. */
		keep(c, p, n > HTTP_HEAD_MAX ? HTTP_HEAD_MAX : n);
		head = ws_http_parse(c->in->head, c->in->head_n, &r);
	} else {
		head = ws_http_parse(p, n, &r);
	}
	if (head == 0 && !before)
		keep(c, p, n);
	if (head < 0)
		refuse(c, (int)-head);
	else if (head > 0)
		handle(c, &r);
	return head > 0 ? (size_t)head - before : n;
}
