/*
 * queue_carry: a client's queue in another process (handover.h).
 *
 * What is in flight and what was sent lately go along; then the queue is looked at again.  What
 * waits and was not sent comes from there, whichever of the two it would have come from here.
 */
#include "conn.h"
#include "handover.h"
#include "loop.h"
#include "queue_state.h"

enum { TAG = 1, LIMIT = 1024 };

static bool
busy(const struct conn *c)
{
	return c->queue && (c->queue->asking || c->queue->call || c->queue->n_acks);
}

static void
save(const struct conn *c, struct pack *p)
{
	const struct queue *q = c->queue;
	uint64_t kept;

	if (!c->wants_queue && !q)
		return;
	pack_u8(p, c->wants_queue);
	pack_u8(p, q && q->on);
	if (!q || !q->on)
		return;
	pack_u8(p, !q->draining);
	pack_u64(p, (uint64_t)q->drained_ms);
	pack_u32(p, q->flying);
	for (uint32_t i = 0; i < q->flying; i++)
		pack_uid(p, q->flight[i]);
	kept = q->seen.count < q->seen.size ? q->seen.count : q->seen.size;
	pack_u32(p, (uint32_t)kept);
	for (uint64_t i = q->seen.count - kept; i < q->seen.count; i++)
		pack_uid(p, q->seen.ring[i & (q->seen.size - 1)]);
}

static void
load(struct conn *c, struct unpack *u)
{
	struct queue *q;
	uint32_t n;

	c->wants_queue = unpack_u8(u);
	if (!unpack_u8(u))
		return;
	q = queue_of(c);
	q->on = q->draining = true;
	q->told = unpack_u8(u);
	q->drained_ms = (int64_t)unpack_u64(u);
	for (n = unpack_u32(u); n && !u->bad; n--)
		queue_flies(q, unpack_uid(u));
	q->seen.limit = LIMIT;
	for (n = unpack_u32(u); n && !u->bad; n--)
		recent_add(&q->seen, unpack_uid(u));
}

static const struct handover_part queue_part = {TAG, busy, save, load};

static __attribute__((constructor)) void
announce(void)
{
	handover_register(&queue_part);
}
