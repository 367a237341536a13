/* call: see call.h. */
#include "call.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "account.h"
#include "arena.h"
#include "call_route.h"
#include "conf.h"
#include "conn.h"
#include "fcgi_call.h"
#include "map.h"
#include "metrics.h"
#include "req.h"
#include "surface.h"
#include "utf8.h"

struct call {
	struct call *next; /* in the order they came */
	struct calls *of;
	struct fcgi_call *wire; /* NULL while it waits */
	const struct command *command;
	const char *app, *method;
	char *id, *uri, *body;
	char *header[FCGI_CALL_HEADERS]; /* values, by their place in the list of those allowed */
	bool in_order;
	int64_t begun;
};

struct calls { /* of a connection, while there are any */
	struct conn *conn;
	struct call *first, **tail;
	int n, running, in_order;
	bool starved; /* in the list of those whose calls wait for others to end */
	struct calls *next_starved;
};

static struct {
	int running;
	struct calls *starved, **starved_tail;
} all = {.starved_tail = &all.starved};

/* Headers that a client may send along, and those it is told. */
static const struct {
	const char *name, *param;
} allowed[] = {{"Idempotency-Key", "HTTP_IDEMPOTENCY_KEY"}, {"If-Match", "HTTP_IF_MATCH"},
    {"If-None-Match", "HTTP_IF_NONE_MATCH"}, {"Accept-Language", "HTTP_ACCEPT_LANGUAGE"},
    {"X-Request-ID", "HTTP_X_REQUEST_ID"}};
static const char *const told[] = {"Location", "Retry-After", "ETag", "RateLimit-Limit",
    "RateLimit-Remaining", "RateLimit-Reset", "X-Request-ID", "Allow"};

enum { ALLOWED = sizeof(allowed) / sizeof(*allowed), TOLD = sizeof(told) / sizeof(*told) };

static const char *
surface_of(const struct conn *c)
{
	return dialect_at(c->dialect)->surface;
}

static char *
copy(const char *text)
{
	return text ? strcpy(must_alloc(strlen(text) + 1), text) : NULL;
}

static void
free_call(struct call *call)
{
	for (int i = 0; i < ALLOWED; i++)
		free(call->header[i]);
	free(call->id);
	free(call->uri);
	free(call->body);
	free(call);
}

/* ---- answers -------------------------------------------------------------------------------- */

static void
tell(struct conn *c, const struct answer *a)
{
	metrics->answers[a->status / 100 % 6]++;
	if (a->id || a->status >= 400) /* who gave no id wants to hear of refusals only */
		dialect_at(c->dialect)->answer(c, a);
}

static void
tell_error(struct conn *c, const char *id, const struct command *command, enum err err,
    const char *field, const char *detail)
{
	struct req r = {.arena = arena_new()};
	json_t *body;
	char *text;

	r.request_id = req_newid(&r);
	body = surface_named(surface_of(c))
		   ->error(&r, err, err_status(err), detail ? detail : err_text(err), field);
	text = json_dumps(body, JSON_COMPACT);
	tell(c, &(struct answer){.id = id,
		    .command = command,
		    .status = err_status(err),
		    .body = text,
		    .body_n = strlen(text)});
	free(text);
	json_decref(body);
	arena_free(r.arena);
}

static json_t *
headers_of(const struct fcgi_reply *r)
{
	json_t *o = json_object();
	const char *value;
	size_t n;

	for (int i = 0; i < TOLD; i++)
		if ((value = fcgi_reply_header(r, told[i], &n)))
			json_object_set_new(o, told[i], json_stringn(value, n));
	return o;
}

static bool
is_json(const struct fcgi_reply *r)
{
	size_t n;
	const char *type = fcgi_reply_header(r, "Content-Type", &n);

	return type && ((n >= 16 && !strncasecmp(type, "application/json", 16)) ||
			   (n >= 24 && !strncasecmp(type, "application/problem+json", 24)));
}

static void
tell_reply(struct conn *c, const struct call *call, const struct fcgi_reply *r)
{
	struct answer a = {.id = call->id, .command = call->command, .status = r->status};
	json_t *headers = headers_of(r);
	char *text = NULL;

	a.headers = json_object_size(headers) ? headers : NULL;
	if (r->body_n && is_json(r) && utf8_valid(r->body, r->body_n)) {
		a.body = r->body;
		a.body_n = r->body_n;
	} else if (r->body_n) {
		size_t size = sodium_base64_encoded_len(r->body_n, sodium_base64_VARIANT_ORIGINAL);

		text = must_alloc(size);
		sodium_bin2base64(text, size, (const unsigned char *)r->body, r->body_n,
		    sodium_base64_VARIANT_ORIGINAL);
		a.base64 = true;
		a.body = text;
		a.body_n = size - 1;
	}
	tell(c, &a);
	free(text);
	json_decref(headers);
}

static void
tell_fault(struct conn *c, const struct call *call, enum fcgi_fault fault)
{
	switch (fault) {
	case FCGI_DOWN:
		tell_error(c, call->id, call->command, ERR_UNAVAILABLE, NULL,
		    "The operation cannot be reached now; it has not begun");
		break;
	case FCGI_LATE:
		tell_error(c, call->id, call->command, ERR_TIMEOUT, NULL,
		    "The operation did not answer in time; it may have been carried out");
		break;
	case FCGI_LARGE:
		tell_error(c, call->id, call->command, ERR_BAD_GATEWAY, NULL,
		    "The answer is too large for a socket; ask over REST");
		break;
	default:
		tell_error(c, call->id, call->command, ERR_BAD_GATEWAY, NULL,
		    "The operation was interrupted; it may have been carried out");
	}
}

/* ---- running -------------------------------------------------------------------------------- */

static void pump(struct calls *calls);

static void
starve(struct calls *calls)
{
	if (calls->starved)
		return;
	calls->starved = true;
	calls->next_starved = NULL;
	*all.starved_tail = calls;
	all.starved_tail = &calls->next_starved;
}

static void
unstarve(struct calls *calls)
{
	struct calls **at = &all.starved;

	if (!calls->starved)
		return;
	while (*at != calls)
		at = &(*at)->next_starved;
	if (!(*at = calls->next_starved))
		all.starved_tail = at;
	calls->starved = false;
}

/* Somebody's call has ended: whoever has waited longest goes on. */
static void
feed_starved(void)
{
	struct calls *calls;

	while (all.running < conf_int("relay.calls") && (calls = all.starved)) {
		unstarve(calls);
		pump(calls);
	}
}

static void
remove_call(struct call *call)
{
	struct calls *calls = call->of;
	struct call **at = &calls->first;

	while (*at != call)
		at = &(*at)->next;
	if (!(*at = call->next))
		calls->tail = at;
	calls->n--;
	if (call->begun) {
		calls->running--;
		calls->in_order -= call->in_order;
		all.running--;
	}
}

static void
on_done(void *ctx, enum fcgi_fault fault, const struct fcgi_reply *reply)
{
	struct call *call = ctx;
	struct calls *calls = call->of;
	struct conn *c = calls->conn;

	metrics_time(&metrics->calling, (double)(loop_now() - call->begun) / 1000);
	remove_call(call);
	if (fault == FCGI_FINE)
		tell_reply(c, call, reply);
	else
		tell_fault(c, call, fault);
	free_call(call);
	if (calls->n) {
		pump(calls);
	} else {
		unstarve(calls);
		free(calls);
		c->calls = NULL;
	}
	feed_starved();
}

static void
begin(struct call *call)
{
	struct conn *c = call->of->conn;
	const char *query = strchr(call->uri, '?');
	struct fcgi_request r = {.app = call->app,
	    .method = call->method,
	    .uri = call->uri,
	    .query = query ? query + 1 : "",
	    .account = c->account->id,
	    .session = c->session,
	    .device = c->device,
	    .body = call->body,
	    .body_n = call->body ? strlen(call->body) : 0};

	for (int i = 0; i < ALLOWED; i++) {
		if (!call->header[i])
			continue;
		r.header[r.headers].param = allowed[i].param;
		r.header[r.headers++].value = call->header[i];
	}
	call->begun = loop_now();
	call->of->running++;
	call->of->in_order += call->in_order;
	all.running++;
	call->wire = fcgi_call_start(&r, on_done, call);
}

/* Begin what may begin.  Of a connection that is closing nothing does. */
static void
pump(struct calls *calls)
{
	struct call *call;

	if (calls->conn->state == CONN_CLOSING)
		return;
	for (call = calls->first; call; call = call->next) {
		if (calls->running >= conf_int("relay.calls_per_connection"))
			return;
		if (call->begun || (call->in_order && calls->in_order))
			continue;
		if (all.running >= conf_int("relay.calls")) {
			starve(calls);
			return;
		}
		begin(call);
	}
}

void
call_forget(struct conn *c)
{
	struct calls *calls = c->calls;
	struct call *call;

	if (!calls)
		return;
	unstarve(calls);
	while ((call = calls->first)) {
		if (call->wire)
			fcgi_call_abandon(call->wire);
		remove_call(call);
		free_call(call);
	}
	free(calls);
	c->calls = NULL;
	feed_starved();
}

/* ---- taking --------------------------------------------------------------------------------- */

void
call_refuse(struct conn *c, const struct call_spec *spec, enum err err, const char *field,
    const char *detail)
{
	tell_error(c, spec->id, spec->command, err, field, detail);
	free(spec->body);
}

static const char *
known_method(const char *method)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (!strcmp(method, methods[i]))
			return methods[i];
	return NULL;
}

/* As a request line may have it: nothing that would need quoting there. */
static bool
path_sound(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < n; i++)
		if (path[i] <= ' ' || path[i] > '~' || path[i] == '#')
			return false;
	return path[0] == '/' && n <= CALL_PATH_MAX;
}

static const char *
find_app(const struct conn *c, const char *path)
{
	size_t n = strcspn(path, "?");
	char *bare = memcpy(must_zalloc(n + 1), path, n);
	const char *app = call_route_find(surface_of(c), bare);

	free(bare);
	return app;
}

static bool
header_sound(const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || json_string_length(value) > CALL_HEADER_MAX)
		return false;
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

/* NULL, or the name of a header that is not allowed or no text. */
static const char *
take_headers(struct call *call, const json_t *headers)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)headers, name, value) {
		int i = 0;

		while (i < ALLOWED && strcasecmp(name, allowed[i].name) != 0)
			i++;
		if (i == ALLOWED || call->header[i] || !header_sound(value))
			return "headers";
		call->header[i] = copy(json_string_value(value));
	}
	return NULL;
}

static void
enqueue(struct conn *c, struct call *call)
{
	struct calls *calls = c->calls;

	if (!calls) {
		calls = c->calls = must_zalloc(sizeof(*calls));
		calls->conn = c;
		calls->tail = &calls->first;
	}
	call->of = calls;
	*calls->tail = call;
	calls->tail = &call->next;
	calls->n++;
	pump(calls);
}

void
call_submit(struct conn *c, const struct call_spec *spec)
{
	const char *method = known_method(spec->method), *app;
	struct call *call;

	if (!method) {
		call_refuse(c, spec, ERR_METHOD, "method", NULL);
	} else if (!path_sound(spec->path)) {
		call_refuse(c, spec, ERR_VALIDATION, "path", "is not the path of a request");
	} else if (!(app = find_app(c, spec->path))) {
		call_refuse(c, spec, ERR_NOT_FOUND, "path", NULL);
	} else if (c->calls && c->calls->n - c->calls->running >= CALL_WAITING) {
		call_refuse(c, spec, ERR_RATE_LIMITED, NULL, "Too many requests wait already");
	} else {
		call = must_zalloc(sizeof(*call));
		call->command = spec->command;
		call->app = app;
		call->method = method;
		call->in_order = spec->in_order;
		if (take_headers(call, spec->headers)) {
			call_refuse(c, spec, ERR_VALIDATION, "headers",
			    "has one that is not allowed here, or that is no plain text");
			free_call(call);
			return;
		}
		call->id = copy(spec->id);
		call->uri = copy(spec->path);
		call->body = spec->body;
		enqueue(c, call);
	}
}
