/*
 * order_lane: a conversation as order.c sees it, and the conversations that it remembers.
 *
 * Messages in a lane's queue are sorted by sequence, all above .last; everything else stands where
 * it arrived.  Entries that were put before earlier ones are marked, so the first unmarked one has
 * the lowest position: what was put in always stands before something that came earlier.
 *
 * Ownership: lanes own what is queued in them; the one that was not used for longest goes when
 * there are too many, unless something is queued in it.
 *
 *	lane = lanes_get(&o->lanes, ev->conversation, true);
 *	lane_put(lane, ev);
 */
#ifndef WSRELAY_ORDER_LANE_H
#define WSRELAY_ORDER_LANE_H

#include <stdbool.h>
#include "map.h"
#include "rt_event.h"

struct item {
	struct item *next;
	struct rt_event *ev;
	bool put_in, counted, asked;
};

struct lane {
	struct uid id;
	int64_t last; /* sequence that left; -1 while unknown */
	int64_t top;  /* greatest sequence ever put into the queue */
	struct item *head, *tail;
	struct lane *newer, *older; /* by use */
	int held;                   /* place among those held, or -1 */
};

struct lanes {
	struct map map;
	struct lane *newest, *oldest;
};

/* NULL when it is not remembered and not to be made. */
struct lane *lanes_get(struct lanes *l, struct uid conversation, bool make);
void lanes_free(struct lanes *l);
/* Nothing is queued any more; how far they have come stays. */
void lanes_empty(struct lanes *l);
/* Messages go before the first one with a greater sequence, everything else to the end. */
void lane_put(struct lane *lane, struct rt_event *ev);
/* The first event, which is the caller's now. */
struct rt_event *lane_take(struct lane *lane);
struct rt_pos lane_lowest(const struct lane *lane); /* of what is queued; there must be something */

#endif
