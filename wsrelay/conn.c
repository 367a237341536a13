/* conn: see conn.h. */
#include "conn.h"
#include "conn_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "account.h"
#include "call.h"
#include "conf.h"
#include "deliver.h"
#include "limits.h"
#include "map.h"
#include "metrics.h"
#include "queue.h"
#include "replay.h"
#include "share.h"
#include "sign_in.h"
#include "tally.h"

enum {
	WHEEL = 512, /* slots of a second */
	CLOSING_SECONDS = 5,
};

static struct {
	struct conn *wheel[WHEEL];
	uint32_t turned; /* second up to which the wheel has turned */
	struct timer tick, drain;
	size_t count, live;
	int64_t drain_step;
	void (*drained)(void);
} conns;

uint32_t
conn_clock(void)
{
	return (uint32_t)(loop_now() / 1000);
}

size_t
conn_count(void)
{
	return conns.count;
}

size_t
conn_count_live(void)
{
	return conns.live;
}

/* ---- time ----------------------------------------------------------------------------------- */

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The second at which something must be looked at, unless the client has shown life until then. */
static uint32_t
due_at(const struct conn *c)
{
	uint32_t at;

	if (c->state == CONN_CLOSING)
		return c->since + CLOSING_SECONDS;
	if (c->state < CONN_REPLAY)
		return c->since + (uint32_t)conf_int("relay.auth_timeout");
	at = least(c->pinged + (uint32_t)conf_int("relay.ping"),
	    c->heard + (uint32_t)conf_int("relay.idle"));
	return c->ends ? least(at, c->ends) : at;
}

static void
wheel_leave(struct conn *c)
{
	*(c->wheel_prev ? &c->wheel_prev->wheel_next : &conns.wheel[c->slot]) = c->wheel_next;
	if (c->wheel_next)
		c->wheel_next->wheel_prev = c->wheel_prev;
}

/* At second at, or as far ahead as the wheel reaches. */
static void
wheel_enter(struct conn *c, uint32_t at)
{
	if (at <= conns.turned)
		at = conns.turned + 1;
	if (at > conns.turned + WHEEL - 1)
		at = conns.turned + WHEEL - 1;
	c->slot = (uint16_t)(at % WHEEL);
	c->wheel_prev = NULL;
	c->wheel_next = conns.wheel[c->slot];
	if (c->wheel_next)
		c->wheel_next->wheel_prev = c;
	conns.wheel[c->slot] = c;
}

static void
reschedule(struct conn *c)
{
	wheel_leave(c);
	wheel_enter(c, due_at(c));
}

static void
ping(struct conn *c)
{
	uint8_t frame[WS_HEAD_MAX];

	c->pinged = conn_clock();
	conn_write(c, frame, ws_head(frame, WS_PING, 0));
}

static void
auth_time_is_over(struct conn *c)
{
	if (c->state == CONN_HTTP) {
		conn_free(c);
	} else if (c->state == CONN_SIGNING) {
		/* Credentials came in time; it is us who cannot judge them. */
		conn_end(c, CLOSE_GOING_AWAY, "cannot sign in at the moment");
	} else {
		conn_end(c, CLOSE_TOKEN, "no token in time");
	}
}

static void
look_at(struct conn *c)
{
	uint32_t now = conn_clock();

	if (due_at(c) > now || c->leaving) {
		reschedule(c);
		return;
	}
	if (c->state == CONN_CLOSING) {
		conn_free(c);
		return;
	}
	if (c->state < CONN_REPLAY) {
		auth_time_is_over(c);
		return;
	}
	if (c->ends && c->ends <= now)
		conn_end(c, CLOSE_TOKEN, "token expired");
	else if (c->heard + (uint32_t)conf_int("relay.idle") <= now)
		conn_end(c, CLOSE_IDLE, "no sign of life");
	else
		ping(c);
	reschedule(c);
}

static void
on_tick(struct timer *t)
{
	uint32_t now = conn_clock();
	struct conn *c, *next;

	loop_timer(t, 1000);
	if (now - conns.turned >= WHEEL)
		conns.turned = now - WHEEL + 1; /* we slept: look at every slot once */
	while (conns.turned < now) {
		conns.turned++;
		for (c = conns.wheel[conns.turned % WHEEL]; c; c = next) {
			next = c->wheel_next;
			look_at(c);
		}
	}
}

/* ---- coming and going ----------------------------------------------------------------------- */

bool
conn_set_address(struct conn *c, uint64_t address)
{
	if (!limits_address_free(address))
		return false;
	c->address = address;
	if (address)
		tally_add(TALLY_ADDRESS, address, true);
	return true;
}

static void
count(int by)
{
	conns.count += (size_t)by;
	share_mine->sockets = conns.count;
}

void
conn_new(int fd, int dialect, uint64_t address)
{
	struct conn *c = must_zalloc(sizeof(*c));

	c->fd = fd;
	c->any_dialect = dialect < 0;
	c->dialect = (uint8_t)(dialect < 0 ? 0 : dialect);
	c->source.ready = conn_ready;
	c->state = CONN_HTTP;
	c->since = c->heard = c->pinged = conn_clock();
	metrics->accepted++;
	if (!conn_set_address(c, address) || loop_add(fd, EPOLLIN, &c->source) < 0) {
		if (c->address)
			tally_drop(TALLY_ADDRESS, c->address);
		close(fd);
		free(c);
		return;
	}
	wheel_enter(c, due_at(c));
	count(1);
}

bool
conn_adopt(struct conn *c)
{
	c->source.ready = conn_ready;
	if (loop_add(c->fd, EPOLLIN, &c->source) < 0)
		return false;
	if (c->address)
		tally_add(TALLY_ADDRESS, c->address, false);
	wheel_enter(c, due_at(c));
	count(1);
	return true;
}

static void
free_out(struct conn *c)
{
	struct conn_out *out = c->out;

	if (!out)
		return;
	for (uint32_t i = out->replay_at; i < out->replay_n; i++)
		frame_put(out->replay[i]);
	frame_put(out->rest);
	free(out->received);
	free(out->reached);
	free(out->replay);
	free(out->bytes);
	free(out);
	c->out = NULL;
}

void
conn_free_in(struct conn *c)
{
	if (!c->in)
		return;
	ws_free(&c->in->ws);
	free(c->in->head);
	free(c->in);
	c->in = NULL;
}

static void
leave_account(struct conn *c)
{
	struct account *a = c->account;

	if (!a)
		return;
	*(c->prev_of_account ? &c->prev_of_account->next_of_account : &a->conns) =
	    c->next_of_account;
	if (c->next_of_account)
		c->next_of_account->prev_of_account = c->prev_of_account;
	a->n_conns--;
	tally_drop(TALLY_ACCOUNT, limits_account(c->dialect, a->id));
	c->account = NULL;
	account_put(a);
	conns.live--;
}

static void
free_parts(struct conn *c)
{
	free_out(c);
	conn_free_in(c);
	close(c->fd); /* which takes it out of the loop */
	c->fd = -1;
	loop_free_later(c);
}

void
conn_discard(struct conn *c)
{
	free_parts(c);
}

/* Nothing points at it any more. */
static void
detach(struct conn *c)
{
	if (c->state == CONN_REPLAY)
		replay_leave(c);
	c->state = CONN_CLOSING;
	sign_in_forget(c);
	call_forget(c);
	queue_forget(c);
	deliver_forget(c);
	leave_account(c);
	if (c->address)
		tally_drop(TALLY_ADDRESS, c->address);
	wheel_leave(c);
	count(-1);
}

static void
watch_again(struct conn *c)
{
	loop_change(c->fd, (c->deaf ? 0 : EPOLLIN) | (c->want_out ? EPOLLOUT : 0), &c->source);
}

void
conn_deafen(struct conn *c, bool deaf)
{
	if (c->deaf == deaf)
		return;
	c->deaf = deaf;
	watch_again(c);
}

void
conn_leaving(struct conn *c, bool leaving)
{
	c->leaving = leaving;
	if (leaving) {
		loop_change(c->fd, 0, &c->source);
		return;
	}
	watch_again(c);
	deliver_mark(c);
}

void
conn_let_go(struct conn *c)
{
	loop_remove(c->fd); /* the socket lives on elsewhere, and would stay in our epoll */
	detach(c);
	free_parts(c);
}

void
conn_free(struct conn *c)
{
	if (c->fd < 0)
		return;
	if (c->state != CONN_HTTP)
		metrics_closed(c->code ? c->code : 1006);
	detach(c);
	free_parts(c);
}

void
conn_join(struct conn *c, struct account *a, bool fresh)
{
	tally_add(TALLY_ACCOUNT, limits_account(c->dialect, a->id), fresh);
	a->refs++;
	a->n_conns++;
	c->account = a;
	c->prev_of_account = NULL;
	c->next_of_account = a->conns;
	if (a->conns)
		a->conns->prev_of_account = c;
	a->conns = c;
	conns.live++;
	c->heard = c->pinged = conn_clock();
}

/* ---- what we say ---------------------------------------------------------------------------- */

struct conn_out *
conn_out(struct conn *c)
{
	if (!c->out)
		c->out = must_zalloc(sizeof(*c->out));
	return c->out;
}

void
conn_write(struct conn *c, const void *p, size_t n)
{
	struct conn_out *out;

	if (c->fd < 0)
		return;
	out = conn_out(c);
	if (out->n + n > out->cap) {
		out->cap = (uint32_t)(out->n + n < 128 ? 128 : 2 * (out->n + n));
		out->bytes = must_realloc(out->bytes, out->cap);
	}
	memcpy(out->bytes + out->n, p, n);
	out->n += (uint32_t)n;
	deliver_mark(c);
}

void
conn_say(struct conn *c, const char *text, size_t n)
{
	uint8_t head[WS_HEAD_MAX];

	if (c->state == CONN_CLOSING || c->state == CONN_HTTP)
		return;
	if (c->out && c->out->n - c->out->at > CONN_OWN_MAX) {
		conn_end(c, CLOSE_TOO_MANY, "answers are not read");
		return;
	}
	conn_write(c, head, ws_head(head, WS_TEXT, n));
	conn_write(c, text, n);
}

void
conn_end(struct conn *c, unsigned code, const char *reason)
{
	uint8_t frame[2 + WS_CONTROL_MAX];

	if (c->fd < 0 || c->state == CONN_CLOSING || c->leaving)
		return;
	if (c->state == CONN_HTTP) {
		conn_free(c);
		return;
	}
	if (c->state == CONN_REPLAY)
		replay_leave(c);
	sign_in_forget(c);
	c->state = CONN_CLOSING;
	c->code = (uint16_t)code;
	c->since = conn_clock();
	conn_write(c, frame, ws_close(frame, c->code, reason));
	reschedule(c);
}

/* ---- all of them ---------------------------------------------------------------------------- */

void
conn_each(void (*fn)(struct conn *c, void *ctx), void *ctx)
{
	struct conn *c, *next;

	for (int i = 0; i < WHEEL; i++) {
		for (c = conns.wheel[i]; c; c = next) {
			next = c->wheel_next;
			if (c->state != CONN_HTTP && c->state != CONN_CLOSING)
				fn(c, ctx);
		}
	}
}

struct conn *
conn_find(bool (*fn)(struct conn *c, void *ctx), void *ctx)
{
	for (int i = 0; i < WHEEL; i++)
		for (struct conn *c = conns.wheel[i]; c; c = c->wheel_next)
			if (fn(c, ctx))
				return c;
	return NULL;
}

static void
end_one(struct conn *c)
{
	if (c->state == CONN_HTTP)
		conn_free(c);
	else
		conn_end(c, CLOSE_GOING_AWAY, "the relay is stopping");
}

/* End up to most of those in a slot (which moves them to another); answers how many. */
static int64_t
end_some(int slot, int64_t most)
{
	struct conn *c, *next;
	int64_t told = 0;

	for (c = conns.wheel[slot]; c && told < most; c = next) {
		next = c->wheel_next;
		if (c->state == CONN_CLOSING)
			continue;
		end_one(c);
		told++;
	}
	return told;
}

/* A slice of the connections every 10 ms; when all are gone, or 2 s after the last was told, it is
 * over. */
static void
on_drain(struct timer *t)
{
	static int64_t patience = -1;
	int64_t told = 0;

	for (int slot = 0; slot < WHEEL && told < conns.drain_step; slot++)
		told += end_some(slot, conns.drain_step - told);
	if (!told && patience < 0)
		patience = loop_now() + 2000;
	if (!conns.count || (patience >= 0 && loop_now() >= patience))
		conns.drained();
	else
		loop_timer(t, 10);
}

void
conn_drain(int64_t ms, void (*done)(void))
{
	conns.drained = done;
	conns.drain_step = (int64_t)conns.count / (ms / 10 + 1) + 1;
	conns.drain.fire = on_drain;
	loop_timer(&conns.drain, 0);
}

void
conn_start(void)
{
	conns.turned = conn_clock();
	conns.tick.fire = on_tick;
	loop_timer(&conns.tick, 1000);
}
