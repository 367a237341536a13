/* fcgi_call: see fcgi_call.h. */
#include "fcgi_call.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "conf.h"
#include "log.h"
#include "loop.h"
#include "map.h"
#include "metrics.h"

enum {
	READ_SIZE = 65536,
	AGAIN_MS = 50, /* doubled each time: an app that died is back within a second or so */
	TRIES = 6,
	READ_AT_ONCE = 8192, /* what libfcgi reads of a new connection in one go */
};

struct fcgi_call {
	struct source source;
	struct fcgi_call *newer,
	    *older; /* among those under way, which are in the order of their start */
	int fd;     /* -1: not connected */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct fcgi_out out;
	size_t sent;
	struct fcgi_in in;
	int64_t due;
	struct timer again;
	int tries;
	bool gone;
	fcgi_done *done;
	void *ctx;
};

static struct {
	struct fcgi_call *newest, *oldest;
	size_t n;
	struct timer limit;
} calls;

size_t
fcgi_calls_running(void)
{
	return calls.n;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void
hang_up(struct fcgi_call *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
set_limit(void)
{
	if (calls.oldest)
		loop_timer(&calls.limit, calls.oldest->due - loop_now());
	else
		loop_timer_stop(&calls.limit);
}

static void
leave(struct fcgi_call *c)
{
	*(c->newer ? &c->newer->older : &calls.newest) = c->older;
	*(c->older ? &c->older->newer : &calls.oldest) = c->newer;
	calls.n--;
	set_limit();
	hang_up(c);
	loop_timer_stop(&c->again);
	fcgi_out_free(&c->out);
	fcgi_in_free(&c->in);
	c->gone = true;
	loop_free_later(c);
}

static void
finish(struct fcgi_call *c, enum fcgi_fault fault)
{
	struct fcgi_reply reply = {0};

	if (fault == FCGI_FINE && !fcgi_in_reply(&c->in, &reply))
		fault = FCGI_LOST;
	if (fault != FCGI_FINE)
		log_warn("call failed", "socket", c->path, "why",
		    (const char *[]){"", "down", "interrupted", "late", "answer too large"}[fault]);
	metrics->calls_failed += fault != FCGI_FINE;
	metrics->calls_late += fault == FCGI_LATE;
	c->done(c->ctx, fault, fault == FCGI_FINE ? &reply : NULL);
	leave(c);
}

void
fcgi_call_abandon(struct fcgi_call *c)
{
	metrics->calls_abandoned++;
	leave(c);
}

static void
on_limit(struct timer *t)
{
	(void)t;
	while (calls.oldest && calls.oldest->due <= loop_now())
		finish(calls.oldest, FCGI_LATE);
	set_limit();
}

/* ---- the socket ----------------------------------------------------------------------------- */

static void
try_again(struct fcgi_call *c, int64_t ms)
{
	hang_up(c);
	fcgi_in_free(&c->in);
	c->in = (struct fcgi_in){.limit = c->in.limit};
	c->sent = 0;
	loop_timer(&c->again, ms);
}

/* It is certain that the app has not begun. */
static void
not_begun(struct fcgi_call *c)
{
	if (++c->tries == TRIES) {
		finish(c, FCGI_DOWN);
		return;
	}
	metrics->calls_retried++;
	try_again(c, AGAIN_MS << (c->tries - 1));
}

/* The connection was reset: its peer closed with something unread, or never accepted it.  An app
 * takes in the whole of a short request at once before it looks at it, so then it knows nothing of
 * the request. */
static void
was_reset(struct fcgi_call *c)
{
	if (c->out.n <= READ_AT_ONCE && !c->in.n)
		not_begun(c);
	else
		finish(c, FCGI_LOST);
}

static void
send_some(struct fcgi_call *c)
{
	ssize_t n =
	    send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		was_reset(c);
		return;
	}
	c->sent += (size_t)n;
	if (c->sent == c->out.n)
		loop_change(c->fd, EPOLLIN, &c->source);
}

static void
read_some(struct fcgi_call *c)
{
	static uint8_t bytes[READ_SIZE];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	enum fcgi_in_got got;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		was_reset(c);
		return;
	}
	if (n == 0) {
		finish(c, FCGI_LOST);
		return;
	}
	got = fcgi_in_feed(&c->in, bytes, (size_t)n);
	if (got == FCGI_IN_DONE)
		finish(c, FCGI_FINE);
	else if (got != FCGI_IN_MORE)
		finish(c, got == FCGI_IN_TOO_LARGE ? FCGI_LARGE : FCGI_LOST);
}

static void
on_ready(struct source *s, uint32_t events)
{
	struct fcgi_call *c = (struct fcgi_call *)s;

	if (c->gone || c->fd < 0)
		return;
	if (events & EPOLLOUT && c->sent < c->out.n)
		send_some(c);
	if (!c->gone && c->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_some(c);
}

static void
connect_now(struct fcgi_call *c)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, c->path, sizeof(c->path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || loop_add(c->fd, EPOLLIN | EPOLLOUT, &c->source) < 0) {
		log_error("cannot call", "why", strerror(errno));
		finish(c, FCGI_DOWN);
	} else if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		send_some(c);
	} else if (errno == EAGAIN) {
		try_again(c, AGAIN_MS); /* its backlog is full: until the time limit */
	} else {
		not_begun(c);
	}
}

static void
on_again(struct timer *t)
{
	connect_now((struct fcgi_call *)((char *)t - offsetof(struct fcgi_call, again)));
}

/* ---- the beginning -------------------------------------------------------------------------- */

static void
add_text(struct fcgi_out *out, const char *name, const char *value)
{
	fcgi_out_param(out, name, value, strlen(value));
}

static void
add_uid(struct fcgi_out *out, const char *name, struct uid id)
{
	char text[UID_TEXT + 1];

	uid_text(id, text);
	add_text(out, name, text);
}

/* Path and headers are bounded (call.h), so all of it fits. */
static void
encode(struct fcgi_out *out, const struct fcgi_request *r)
{
	char length[24];

	snprintf(length, sizeof(length), "%zu", r->body_n);
	add_uid(out, "ROOKERY_ACCOUNT", r->account);
	add_uid(out, "ROOKERY_SESSION", r->session);
	add_uid(out, "ROOKERY_DEVICE", r->device);
	add_text(out, "GATEWAY_INTERFACE", "CGI/1.1");
	add_text(out, "SERVER_PROTOCOL", "HTTP/1.1");
	add_text(out, "REQUEST_METHOD", r->method);
	add_text(out, "REQUEST_URI", r->uri);
	add_text(out, "QUERY_STRING", r->query);
	add_text(out, "CONTENT_LENGTH", length);
	if (r->body)
		add_text(out, "CONTENT_TYPE", "application/json");
	for (int i = 0; i < r->headers; i++)
		add_text(out, r->header[i].param, r->header[i].value);
	fcgi_out_finish(out, r->body, r->body_n);
}

struct fcgi_call *
fcgi_call_start(const struct fcgi_request *r, fcgi_done *done, void *ctx)
{
	struct fcgi_call *c = must_zalloc(sizeof(*c));
	char name[128];

	*c = (struct fcgi_call){.fd = -1, .done = done, .ctx = ctx, .older = calls.newest};
	*(calls.newest ? &calls.newest->newer : &calls.oldest) = c;
	calls.newest = c;
	calls.n++;
	metrics->calls++;
	c->source.ready = on_ready;
	c->again.fire = on_again;
	c->in.limit = (size_t)conf_int("relay.call_reply");
	c->due = loop_now() + conf_int("relay.call_timeout") * 1000;
	calls.limit.fire = on_limit;
	if (!calls.limit.due)
		set_limit();
	encode(&c->out, r);
	snprintf(name, sizeof(name), "fcgi/%s.sock", r->app);
	conf_run_path(c->path, sizeof(c->path), name);
	loop_timer(
	    &c->again, 0); /* never from within: who starts calls need not expect an answer yet */
	return c;
}
