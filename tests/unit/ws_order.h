/*
 * ws_order: a relay's order without the relay, for the tests of wsrelay/order.c.
 *
 * Ownership: whoever opens a relay frees its .order.
 *
 *	struct relay r;
 *
 *	open_relay(&r, 0);
 *	order_feed(r.order, event(1, 10, 1, 1, -1));   // number, ms, conversation, seq, version
 *	order_pump(r.order, 10, true);
 *	EXPECT(&r, 1);                                 // numbers of those that have left
 */
#ifndef TEST_WS_ORDER_H
#define TEST_WS_ORDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "wsrelay/cursor.h"
#include "wsrelay/map.h"
#include "wsrelay/order.h"
#include "wsrelay/rt_event.h"

enum { EVENTS = 400, ENTRIES = 2 * EVENTS, CONVERSATIONS = 6, GAP_MS = 100 };

/* A number below n; the same in every run with the same seed. */
static uint64_t seed;

static uint32_t
chance(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

void
members_put(struct members *m)
{
	(void)m; /* events of these tests have none */
}

void
predecessor_put(struct predecessor *p)
{
	(void)p;
}

/* ---- a relay -------------------------------------------------------------------------------- */

struct relay {
	struct order *order;
	unsigned ignorance; /* of 100 askings so many do not know the members yet */
	enum predecessor_answer predecessor; /* of every message */
	int looked;                          /* up, of how many events */
	uint64_t edge;                       /* that the last look-up knew */
	int asked;                           /* for missing messages */
	int64_t from, to;
	int out[ENTRIES], n; /* numbers of the events that left */
	struct cursor cursor[ENTRIES];
};

static unsigned
number_of(const struct rt_event *ev)
{
	return (unsigned)ev->id.lo;
}

static bool
known(void *ctx, struct rt_event *ev)
{
	struct relay *r = ctx;

	if (ev->version < 0 || ev->revokes)
		return true;
	ev->revokes = chance(100) >= r->ignorance; /* what is known stays known */
	return ev->revokes;
}

static void
emit(void *ctx, struct rt_event *ev)
{
	struct relay *r = ctx;

	order_cursor(r->order, &r->cursor[r->n]);
	r->out[r->n++] = (int)number_of(ev);
	rt_event_free(ev);
}

static enum predecessor_answer
predecessor(void *ctx, struct rt_event *ev, uint64_t edge_ms)
{
	struct relay *r = ctx;

	r->edge = edge_ms;
	r->looked += !ev->predecessor; /* one look-up an event, as stream.c does it */
	ev->predecessor = (struct predecessor *)r;
	return r->predecessor;
}

static void
missing(void *ctx, struct uid conversation, int64_t from, int64_t to)
{
	struct relay *r = ctx;

	(void)conversation;
	r->asked++;
	r->from = from;
	r->to = to;
}

static const struct order_ops ops = {known, emit, predecessor, missing};

static void
open_relay(struct relay *r, unsigned ignorance)
{
	memset(r, 0, sizeof(*r));
	r->ignorance = ignorance;
	r->predecessor = PREDECESSOR_NEAR;
	r->order = order_new(&ops, r, GAP_MS);
}

/* conversation 0: none; seq 0: not a message. */
static struct rt_event *
event(unsigned number, uint64_t ms, unsigned conversation, int64_t seq, int64_t version)
{
	struct rt_event *ev = must_zalloc(sizeof(*ev));

	ev->id = (struct uid){1, number};
	ev->pos = (struct rt_pos){ms, 0};
	ev->conversation = (struct uid){7, conversation};
	ev->has_conversation = conversation;
	ev->seq = seq;
	ev->version = version;
	return ev;
}

static void
expect_out(const struct relay *r, const int *want, int n)
{
	assert_int_equal(r->n, n);
	for (int i = 0; i < n; i++)
		assert_int_equal(r->out[i], want[i]);
}

#define EXPECT(r, ...)                                                                             \
	expect_out(r, (int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

#endif
