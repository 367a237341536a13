/* rds: see rds.h. */
#include "rds.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include "conf.h"
#include "log.h"
#include "map.h"

enum { BACKOFF_FIRST = 50, BACKOFF_MOST = 2000 };

struct call {
	struct rds *rds;
	void (*done)(void *ctx, const redisReply *reply);
	void *ctx;
};

static struct rds *all; /* that were started */

/* ---- hiredis and the loop ------------------------------------------------------------------- */

static void
set_events(struct rds *r, uint32_t events)
{
	if (r->events == events)
		return;
	r->events = events;
	loop_change(r->fd, events, &r->source);
}

static void
add_read(void *p)
{
	struct rds *r = p;

	set_events(r, r->events | EPOLLIN);
}

static void
del_read(void *p)
{
	struct rds *r = p;

	set_events(r, r->events & ~(uint32_t)EPOLLIN);
}

static void
add_write(void *p)
{
	struct rds *r = p;

	if (r->up && !r->flushing)
		r->write_soon = true;
	else
		set_events(r, r->events | EPOLLOUT); /* connecting, or the socket is full */
}

static void
del_write(void *p)
{
	struct rds *r = p;

	set_events(r, r->events & ~(uint32_t)EPOLLOUT);
}

static void
cleanup(void *p)
{
	struct rds *r = p;

	loop_remove(r->fd);
}

static void
on_ready(struct source *s, uint32_t events)
{
	struct rds *r = (struct rds *)((char *)s - offsetof(struct rds, source));
	redisAsyncContext *ac = r->ac;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && r->events & EPOLLIN)
		redisAsyncHandleRead(ac);
	if (r->ac == ac && events & (EPOLLOUT | EPOLLHUP | EPOLLERR) && r->events & EPOLLOUT)
		redisAsyncHandleWrite(ac);
}

static void
flush(struct rds *r)
{
	r->write_soon = false;
	if (!r->up)
		return;
	r->flushing = true;
	redisAsyncHandleWrite(r->ac);
	r->flushing = false;
}

void
rds_flush(void)
{
	for (struct rds *r = all; r; r = r->next)
		if (r->write_soon)
			flush(r);
}

/* ---- up and down ---------------------------------------------------------------------------- */

static void
went_down(struct rds *r, const char *why)
{
	bool was_up = r->up;

	snprintf(r->why, sizeof(r->why), "%s", why && *why ? why : "connection closed");
	r->ac = NULL;
	r->up = false;
	r->waiting = 0;
	loop_timer_stop(&r->limit);
	loop_timer(&r->retry, r->backoff);
	r->backoff = r->backoff * 2 > BACKOFF_MOST ? BACKOFF_MOST : r->backoff * 2;
	if (!was_up && r->told)
		return;
	log_warn("redis lost", "connection", r->name, "why", r->why);
	r->told = true;
	r->changed(r);
}

static void
on_connect(const redisAsyncContext *ac, int status)
{
	struct rds *r = ac->data;

	if (status != REDIS_OK) {
		went_down(r, ac->errstr); /* hiredis frees the context */
		return;
	}
	r->up = true;
	r->told = false;
	r->backoff = BACKOFF_FIRST;
	r->why[0] = '\0';
	loop_timer_stop(&r->limit);
	log_info("redis connected", "connection", r->name);
	r->changed(r);
}

static void
on_disconnect(const redisAsyncContext *ac, int status)
{
	struct rds *r = ac->data;

	(void)status;
	if (r->ac == ac)
		went_down(r, ac->errstr);
}

static void
connect_now(struct timer *t)
{
	struct rds *r = (struct rds *)((char *)t - offsetof(struct rds, retry));
	redisAsyncContext *ac = redisAsyncConnectUnix(conf_str("redis.socket"));

	if (!ac || ac->err || loop_add(ac->c.fd, 0, &r->source) < 0) {
		went_down(r, ac ? ac->errstr : "out of memory");
		if (ac)
			redisAsyncFree(ac);
		return;
	}
	r->ac = ac;
	r->fd = ac->c.fd;
	r->events = 0;
	ac->data = r;
	rds_reply_use(&r->replies, ac->c.reader);
	ac->ev.data = r;
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->ev.cleanup = cleanup;
	redisAsyncSetDisconnectCallback(ac, on_disconnect);
	redisAsyncSetConnectCallback(ac, on_connect);
	loop_timer(&r->limit, conf_int("redis.timeout") * 1000);
}

void
rds_reset(struct rds *r, const char *why)
{
	redisAsyncContext *ac = r->ac;

	if (!ac)
		return;
	redisAsyncFree(
	    ac); /* calls back with NULL whoever waits, then on_disconnect if it was up */
	if (r->ac == ac)
		went_down(r, why);
	else
		snprintf(r->why, sizeof(r->why), "%s", why);
}

static void
took_too_long(struct timer *t)
{
	rds_reset((struct rds *)((char *)t - offsetof(struct rds, limit)), "no answer in time");
}

/* ---- commands ------------------------------------------------------------------------------- */

static void
set_limit(struct rds *r)
{
	if (r->waiting)
		loop_timer(&r->limit, conf_int("redis.timeout") * 1000 + r->patience_ms);
	else
		loop_timer_stop(&r->limit);
}

static void
on_reply(redisAsyncContext *ac, void *reply, void *privdata)
{
	struct call call = *(struct call *)privdata;

	(void)ac;
	free(privdata);
	if (call.rds->waiting)
		call.rds->waiting--;
	if (reply)
		set_limit(call.rds);
	call.done(call.ctx, reply);
}

static struct call *
new_call(struct rds *r, void (*done)(void *ctx, const redisReply *reply), void *ctx)
{
	struct call *call = must_alloc(sizeof(*call));

	*call = (struct call){r, done, ctx};
	return call;
}

static bool
was_sent(struct rds *r, struct call *call, int err)
{
	if (err != REDIS_OK) {
		free(call);
		return false;
	}
	r->waiting++;
	if (!r->limit.due)
		set_limit(r);
	return true;
}

bool
rds_command(struct rds *r, void (*done)(void *ctx, const redisReply *reply), void *ctx,
    const char *fmt, ...)
{
	struct call *call;
	va_list ap;
	int err;

	if (!r->up)
		return false;
	call = new_call(r, done, ctx);
	va_start(ap, fmt);
	err = redisvAsyncCommand(r->ac, on_reply, call, fmt, ap);
	va_end(ap);
	return was_sent(r, call, err);
}

bool
rds_argv(struct rds *r, void (*done)(void *ctx, const redisReply *reply), void *ctx, int argc,
    const char **argv, const size_t *lengths)
{
	struct call *call;

	if (!r->up)
		return false;
	call = new_call(r, done, ctx);
	return was_sent(r, call, redisAsyncCommandArgv(r->ac, on_reply, call, argc, argv, lengths));
}

void
rds_start(struct rds *r)
{
	r->next = all;
	all = r;
	r->source.ready = on_ready;
	r->retry.fire = connect_now;
	r->limit.fire = took_too_long;
	r->backoff = BACKOFF_FIRST;
	snprintf(r->why, sizeof(r->why), "not yet connected");
	connect_now(&r->retry);
}

void
rds_stop(struct rds *r)
{
	redisAsyncContext *ac = r->ac;

	r->up = false;
	r->ac = NULL;
	loop_timer_stop(&r->limit);
	if (ac)
		redisAsyncFree(ac);
	loop_timer_stop(&r->retry);
	loop_timer_stop(&r->limit);
}
