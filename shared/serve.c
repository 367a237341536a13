/* serve: see serve.h. */
#include "serve.h"

#include <ctype.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth.h"
#include "body.h"
#include "db.h"
#include "event.h"
#include "fcgi.h"
#include "idem.h"
#include "input.h"
#include "json.h"
#include "log.h"
#include "plain.h"
#include "reply_check.h"
#include "req.h"
#include "route.h"
#include "stats.h"
#include "surface.h"

struct slot {
	struct req req;
	const struct route *route;
	const char *captures[ROUTE_CAPTURES];
	void *in;
	bool done;
};

static struct arena *arena; /* of the batch being served */

static int64_t
monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- beginning --------------------------------------------------------------------------- */

/* A client's X-Request-ID is taken over when it is short and harmless. */
static const char *
request_id(struct req *r, const char *given)
{
	size_t n = given ? strlen(given) : 0;

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)given[i]) && !strchr("-_.:", given[i]))
			n = 0;
	}
	return n > 0 && n <= 64 ? given : req_newid(r);
}

static void
begin(struct slot *s, const struct family *f, struct fcgi_conn *c)
{
	const char *uri = fcgi_param(c, "REQUEST_URI"), *length = fcgi_param(c, "CONTENT_LENGTH");
	struct req *r = &s->req;
	size_t path;

	*s = (struct slot){
	    .req = {.arena = arena, .family = f, .wire = c, .body_fd = -1, .send_fd = -1}};
	r->started_us = monotonic_us();
	/* Copied, for they are still read when the wire's own memory is gone. */
	r->method = arena_strdup(arena, fcgi_param(c, "REQUEST_METHOD"));
	r->content_type = arena_strdup(arena, fcgi_param(c, "CONTENT_TYPE"));
	r->remote = arena_strdup(arena, fcgi_param(c, "REMOTE_ADDR"));
	r->content_length = length ? strtoll(length, NULL, 10) : 0;
	if (!uri)
		uri = "/";
	if (!r->method)
		r->method = "GET";
	if (!r->remote)
		r->remote = "";
	path = strcspn(uri, "?#");
	r->path = arena_memdup(arena, uri, path);
	r->query_string = uri[path] == '?' ? arena_strdup(arena, uri + path + 1) : "";
	r->request_id = request_id(r, arena_strdup(arena, fcgi_param(c, "HTTP_X_REQUEST_ID")));
	r->err = route_find(r, &s->route, s->captures);
}

/* ---- running ----------------------------------------------------------------------------- */

static void
run_one(struct slot *s)
{
	struct req *r = &s->req;

	if (idem_begin(r))
		return;
	r->err = r->op->query ? plain_run(r, s->in) : r->op->handle(r, s->in);
	db_end();
	if (!r->err && !r->replied) {
		log_error(
		    "handler answered nothing", "operation", r->op->id, "request", r->request_id);
		r->err = ERR_INTERNAL;
	}
	idem_end(r);
}

/* Run one batch operation for all of its requests. */
static int
run_batch(struct slot *slots, int n, const struct op *op, struct req **reqs)
{
	const void *ins[SERVE_MAX];
	int count = 0;

	for (int i = 0; i < n; i++) {
		struct req *r = &slots[i].req;

		if (r->op != op || r->err || slots[i].done)
			continue;
		slots[i].done = true;
		reqs[count] = r;
		ins[count++] = slots[i].in;
	}
	op->handle_batch(reqs, ins, count);
	db_end();
	for (int i = 0; i < count; i++) {
		if (!reqs[i]->err && !reqs[i]->replied)
			reqs[i]->err = ERR_INTERNAL;
	}
	return count;
}

/* ---- ending ------------------------------------------------------------------------------ */

static const char *
documented_text(const struct op *op, int status)
{
	for (int i = 0; op && i < op->n_statuses; i++) {
		if (op->statuses[i].code == status)
			return op->statuses[i].about;
	}
	return NULL;
}

/* Is a core's name of an input ("replyTo", "replyTo[1]") this surface's ("reply_to_id")? */
static bool
same_name(const char *core, const char *input)
{
	while (*core && !strchr("[.", *core)) {
		if (*core == '_')
			core++;
		else if (*input == '_')
			input++;
		else if (tolower((unsigned char)*core++) != tolower((unsigned char)*input++))
			return false;
	}
	return !*input || !strcmp(input, "_id");
}

/* The input that err_field names: the core's functions name inputs as the first surface does.  NULL
 * when it is none. */
static const char *
input_named(const struct req *r)
{
	for (int i = 0; r->op && r->err_field && i < r->op->n_inputs; i++) {
		if (same_name(r->err_field, r->op->inputs[i].name))
			return strpbrk(r->err_field, "[.") ? r->err_field : r->op->inputs[i].name;
	}
	return NULL;
}

/* The core says 400 of bad input, whoever asks; some surfaces have another status for it. */
static int
shown_status(struct req *r, const struct surface *surface)
{
	int status = err_status((enum err)r->err), own = surface->validation_status;

	if (status != 400 || documented_text(r->op, 400) || !documented_text(r->op, own))
		return status;
	r->err = err_from_status(own);
	return own;
}

static void
render_error(struct req *r)
{
	const struct surface *surface = surface_named(r->family->surface);
	const char *detail = r->err_detail, *input = input_named(r), *name, *text;
	int status = shown_status(r, surface);
	json_t *body, *value;
	size_t n;

	if (!detail)
		detail = documented_text(r->op, status);
	if (!detail)
		detail = err_text((enum err)r->err);
	body = surface->error(r, (enum err)r->err, status, detail, input ? input : r->err_field);
	json_object_foreach (r->err_extra, name, value)
		json_object_set(body, name, value);
	if (r->err == ERR_UNAVAILABLE && !r->retry_after)
		r->retry_after = 1;
	if (r->retry_after > 0)
		resp_header(r, "Retry-After", "%lld", (long long)r->retry_after);
	text = json_text(r->arena, body, &n);
	resp_bytes(r, status, surface->error_type, text, n);
}

static void
send_file(struct req *r)
{
	char piece[65536];

	while (r->send_len > 0) {
		size_t want =
		    r->send_len < (int64_t)sizeof piece ? (size_t)r->send_len : sizeof piece;
		ssize_t n = pread(r->send_fd, piece, want, r->send_from);

		if (n <= 0 || fcgi_write(r->wire, piece, (size_t)n) < 0 || fcgi_flush(r->wire) < 0)
			return;
		r->send_from += n;
		r->send_len -= n;
	}
}

static void
send_reply(struct req *r)
{
	struct buf head = buf_new(r->arena);

	buf_printf(&head, "Status: %d\r\n", r->status);
	if (r->headers.n)
		buf_put(&head, r->headers.p, r->headers.n);
	if (!r->headers.n || !strstr(r->headers.p, "Cache-Control: "))
		buf_puts(&head, "Cache-Control: no-store\r\n");
	buf_printf(&head,
	    "X-Request-ID: %s\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %lld\r\n\r\n",
	    r->request_id, (long long)(r->send_fd >= 0 ? r->send_len : (int64_t)r->body_len));
	fcgi_write(r->wire, head.p, head.n);
	if (strcmp(r->method, "HEAD") == 0)
		return;
	if (r->send_fd >= 0)
		send_file(r);
	else
		fcgi_write(r->wire, r->body, r->body_len);
}

static void
log_reply(struct req *r, int64_t took_us)
{
	enum log_level level = r->status >= 500   ? LOG_ERROR_
			       : r->status >= 400 ? LOG_INFO_
						  : LOG_DEBUG_;

	if (!log_wants(level))
		return;
	log_line(level, "request", "request", r->request_id, "operation",
	    r->op ? r->op->id : "none", "method", r->method, "status",
	    req_printf(r, "%d", r->status), "us", req_printf(r, "%lld", (long long)took_us),
	    "account", r->me, "error", r->err ? err_code((enum err)r->err) : NULL, "field",
	    r->err ? r->err_field : NULL, (char *)0);
}

static void
finish(struct slot *s, struct stats *stats)
{
	struct req *r = &s->req;
	int64_t took;

	if (!r->err)
		reply_check(r);
	if (r->err)
		render_error(r);
	body_drain(r);
	send_reply(r);
	fcgi_finish(r->wire);
	took = monotonic_us() - r->started_us;
	stats_count(stats, r->op ? (int)(r->op - r->family->ops) : -1, r->status, took);
	log_reply(r, took);
}

/* ---- the batch --------------------------------------------------------------------------- */

static void
prepare(struct slot *slots, int n)
{
	struct req *reqs[SERVE_MAX];

	for (int i = 0; i < n; i++)
		reqs[i] = &slots[i].req;
	auth_check(reqs, n);
	for (int i = 0; i < n; i++) {
		struct slot *s = &slots[i];

		if (!s->req.err)
			s->req.err = input_decode(&s->req, s->route, s->captures, &s->in);
	}
}

void
serve_batch(const struct family *f, struct stats *stats, struct fcgi_conn **conns, int n)
{
	static struct slot slots[SERVE_MAX];
	struct req *reqs[SERVE_MAX];
	int count;

	if (!arena)
		arena = arena_new();
	json_use(arena);
	for (int i = 0; i < n; i++)
		begin(&slots[i], f, conns[i]);
	prepare(slots, n);
	for (int i = 0; i < n; i++) {
		struct req *r = &slots[i].req;

		if (slots[i].done)
			continue;
		if (r->err) {
			finish(&slots[i], stats);
		} else if (r->op->batch) {
			count = run_batch(slots, n, r->op, reqs);
			event_publish(reqs, count);
			for (int j = 0; j < count; j++)
				finish((struct slot *)reqs[j],
				    stats); /* req is the slot's first member */
		} else {
			run_one(&slots[i]);
			if (r->events && !r->err)
				event_publish(&r, 1);
			finish(&slots[i], stats);
		}
		slots[i].done = true;
	}
	atomic_fetch_add_explicit(&stats->batches, 1, memory_order_relaxed);
	arena_reset(arena);
}

void
serve_trim(void)
{
	json_use(NULL);
	arena_free(arena);
	arena = NULL;
	fcgi_trim();
	malloc_trim(0);
}
