/*
 * order: brings stream entries into the order in which they are delivered.  Pure: events in, events
 * out.
 *
 * - An event whose id was here before is dropped (the sweeper adds again what it thinks is
 * missing).
 * - Messages of a conversation leave in the order of their sequence.  One that comes too early is
 * held until its predecessors have come, or until the gap has been waited for long enough, in
 * stream time or in real time.
 * - An event whose members are still being looked up is held.
 * - Whatever follows a held event in its conversation waits behind it; other conversations go past.
 *
 * At most CURSOR_HOLDS conversations are held at a time, so that a cursor can name them all; then
 * the rest of the stream waits too.  order_cursor() tells at any moment exactly what has left.
 *
 * Ownership: order_feed() takes the event, ops->emit() gives it away.  emit() must not call back
 * into the same order.
 *
 *	o = order_new(&ops, ctx, gap_ms);
 *	order_feed(o, ev);                        // as read from the stream
 *	order_pump(o, now_ms, true);              // emits what can leave
 *	wake_in(order_wait(o));                   // pump again then, or when members came
 */
#ifndef WSRELAY_ORDER_H
#define WSRELAY_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cursor.h"
#include "predecessor.h"
#include "rt_event.h"

struct order;

struct order_ops {
	/* Are the recipients known?  Asks for them when not. */
	bool (*known)(void *ctx, struct rt_event *ev);
	void (*emit)(void *ctx, struct rt_event *ev);
	/* May the message before this one still be missing?  Asked of conversations that are not
	 * remembered.  edge_ms: see order_edge(). */
	enum predecessor_answer (*predecessor)(void *ctx, struct rt_event *ev, uint64_t edge_ms);
	/* Messages that are waited for have not come for a while; order_gone() when they never
	 * will. May be NULL. */
	void (*missing)(void *ctx, struct uid conversation, int64_t from, int64_t to);
};

struct order_counts {
	uint64_t duplicates;  /* dropped */
	uint64_t gaps_waited; /* messages held for a predecessor */
	uint64_t gaps_given_up;
	uint64_t late; /* messages that came after their gap was given up */
};

struct order *order_new(const struct order_ops *ops, void *ctx, int64_t gap_ms);
void order_free(struct order *o);
/* Entries before that time (of the stream, ms) only serve to make conversations known: what is
 * missing among them is not waited for. */
void order_warm_until(struct order *o, uint64_t ms);
/* The past is read: when no more can be held, whoever was held longest goes at once, for what it
 * waits for could only stand behind what has no room. */
void order_past(struct order *o, bool past);
/* Entries before that time (of the stream, ms) have been cut off, or were not loaded: a message
 * written before it is not missing but was among them. */
void order_edge(struct order *o, uint64_t ms);
void order_set_gap(struct order *o, int64_t gap_ms);
void order_feed(struct order *o, struct rt_event *ev);
/* Let go what can go.  now_ms is of any clock that does not step back.  A gap is waited for only
 * while all_read says that nothing published so far is still unread: after a pause the missing
 * message may be in what comes next. */
void order_pump(struct order *o, int64_t now_ms, bool all_read);
/* Up to that sequence nothing of the conversation will come any more; pump then. */
void order_gone(struct order *o, struct uid conversation, int64_t seq);
/* In how many milliseconds to pump again because a gap is waited for; -1 when there is none. */
int64_t order_wait(struct order *o);
/* Nothing waits but for missing messages. */
bool order_settled(struct order *o);
/* What has left, as a cursor. */
void order_cursor(const struct order *o, struct cursor *out);
/* Remember, instead of from, which ids have been here and how far each conversation has come.  What
 * from holds goes with it.  For one into which nothing has been fed. */
void order_inherit(struct order *o, struct order *from);
/* Pass over everything up to pos: it has left long ago. */
void order_start_at(struct order *o, struct rt_pos pos);
/* Events that were fed and have not left, the waiting and the held. */
size_t order_backlog(const struct order *o);
const struct order_counts *order_counts(const struct order *o);

#endif
