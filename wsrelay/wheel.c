/* wheel: see wheel.h. */
#include "wheel.h"

#include <string.h>
#include <time.h>
#include "conf.h"
#include "conn.h"
#include "metrics.h"

enum {
	WHEEL = 512,   /* slots of a second */
	TICK_MS = 200, /* the end of a second is noticed that late at most */
	CLOSING_SECONDS = 5,
	REPLAY_SECONDS = 60, /* for a verdict on a cursor */
};

static struct {
	struct conn *slot[WHEEL];
	uint32_t turned; /* second up to which the wheel has turned */
	struct timer tick, drain;
	int64_t drain_step;
	void (*drained)(void);
} wheel;

static uint64_t
wheel_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

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
	if (c->state == CONN_REPLAY && !c->ready)
		return c->since + REPLAY_SECONDS;
	at = least(c->pinged + (uint32_t)conf_int("relay.ping"),
	    c->heard + (uint32_t)conf_int("relay.idle"));
	return c->ends ? least(at, c->ends) : at;
}

void
wheel_leave(struct conn *c)
{
	*(c->wheel_prev ? &c->wheel_prev->wheel_next : &wheel.slot[c->slot]) = c->wheel_next;
	if (c->wheel_next)
		c->wheel_next->wheel_prev = c->wheel_prev;
}

/* At the second when it is due, or as far ahead as the wheel reaches. */
void
wheel_enter(struct conn *c)
{
	uint32_t at = due_at(c);

	if (at <= wheel.turned)
		at = wheel.turned + 1;
	if (at > wheel.turned + WHEEL - 1)
		at = wheel.turned + WHEEL - 1;
	c->slot = (uint16_t)(at % WHEEL);
	c->wheel_prev = NULL;
	c->wheel_next = wheel.slot[c->slot];
	if (c->wheel_next)
		c->wheel_next->wheel_prev = c;
	wheel.slot[c->slot] = c;
}

void
wheel_again(struct conn *c)
{
	wheel_leave(c);
	wheel_enter(c);
}

/* The ping carries the time, which the pong brings back. */
static void
ping(struct conn *c)
{
	uint8_t frame[WS_HEAD_MAX + sizeof(uint64_t)];
	uint64_t now = wheel_us();
	size_t n = ws_head(frame, WS_PING, sizeof(now));

	memcpy(frame + n, &now, sizeof(now));
	c->pinged = conn_clock();
	conn_write(c, frame, n + sizeof(now));
}

void
wheel_pong(const uint8_t *payload, size_t n)
{
	uint64_t sent, now = wheel_us();

	if (n != sizeof(sent))
		return; /* not an answer */
	memcpy(&sent, payload, sizeof(sent));
	if (sent <= now && now - sent < 3600u * 1000000)
		metrics_time(&metrics->ping, (double)(now - sent) / 1e6);
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
		wheel_again(c);
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
	if (c->state == CONN_REPLAY && !c->ready)
		conn_end(c, CLOSE_GOING_AWAY, "cannot resume at the moment");
	else if (c->ends && c->ends <= now)
		conn_end(c, CLOSE_TOKEN, "token expired");
	else if (c->heard + (uint32_t)conf_int("relay.idle") <= now)
		conn_end(c, CLOSE_IDLE, "no sign of life");
	else
		ping(c);
	wheel_again(c);
}

static void
on_tick(struct timer *t)
{
	uint32_t now = conn_clock();
	struct conn *c, *next;

	loop_timer(t, TICK_MS);
	if (now - wheel.turned >= WHEEL)
		wheel.turned = now - WHEEL + 1; /* we slept: look at every slot once */
	while (wheel.turned < now) {
		wheel.turned++;
		for (c = wheel.slot[wheel.turned % WHEEL]; c; c = next) {
			next = c->wheel_next;
			look_at(c);
		}
	}
}

/* ---- all of them ---------------------------------------------------------------------------- */

void
conn_each(void (*fn)(struct conn *c, void *ctx), void *ctx)
{
	struct conn *c, *next;

	for (int i = 0; i < WHEEL; i++) {
		for (c = wheel.slot[i]; c; c = next) {
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
		for (struct conn *c = wheel.slot[i]; c; c = c->wheel_next)
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

	for (c = wheel.slot[slot]; c && told < most; c = next) {
		next = c->wheel_next;
		if (c->state == CONN_CLOSING || c->leaving)
			continue; /* on its way to another process, which may never take it */
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

	for (int slot = 0; slot < WHEEL && told < wheel.drain_step; slot++)
		told += end_some(slot, wheel.drain_step - told);
	if (!told && patience < 0)
		patience = loop_now() + 2000;
	if (!conn_count() || (patience >= 0 && loop_now() >= patience))
		wheel.drained();
	else
		loop_timer(t, 10);
}

void
conn_drain(int64_t ms, void (*done)(void))
{
	wheel.drained = done;
	wheel.drain_step = (int64_t)conn_count() / (ms / 10 + 1) + 1;
	wheel.drain.fire = on_drain;
	loop_timer(&wheel.drain, 0);
}

void
wheel_start(void)
{
	wheel.turned = conn_clock();
	wheel.tick.fire = on_tick;
	loop_timer(&wheel.tick, TICK_MS);
}
