/* replay_give: see replay_give.h. */
#include "replay_give.h"

#include <stdlib.h>
#include "account.h"
#include "deliver.h"
#include "map.h"
#include "members.h"
#include "stream.h"

struct giving {
	const struct rt_event *ev;
	const struct cursor *now;
	uint64_t serial;
	size_t most, made;
	struct frame *shared[DIALECTS];
};

void
replay_drop(struct conn *c)
{
	for (uint32_t i = 0; i < c->out->replay_n; i++)
		frame_put(c->out->replay[i]);
	c->out->replay_n = 0;
	c->out->replay_bytes = 0;
	free(c->out->reached);
	c->out->reached = NULL;
}

static struct frame *
make(struct giving *g, const struct conn *c, const struct cursor_set *had)
{
	struct cursor_set sum = {0};
	const struct cursor *rest;
	char text[CURSOR_TEXT];
	struct frame *f;
	size_t n;

	if (had)
		sum = *had;
	rest = cursor_set_add(&sum, g->now) ? NULL : g->now;
	n = cursor_format(&sum, rest, stream_epoch(), text);
	f = dialect_event(c, g->ev, text, n);

	g->made += frame_size(f);
	return f;
}

/* A frame whose cursor says: what the client had, and what the pass has given it. */
static struct frame *
frame_for(struct giving *g, const struct conn *c)
{
	const struct cursor_set *had = c->out->received;

	for (int i = 0; i < had->parts; i++)
		if (!cursor_contains(g->now, &had->part[i]))
			return make(g, c, had);
	if (g->ev->bodies)
		return make(g, c, NULL);
	if (!g->shared[c->dialect])
		g->shared[c->dialect] = make(g, c, NULL);
	return frame_ref(g->shared[c->dialect]);
}

static void
give_one(struct giving *g, struct conn *c)
{
	struct conn_out *out = c->out;
	struct frame *f = frame_for(g, c);

	if (out->replay_n == out->replay_cap) {
		out->replay_cap = out->replay_cap ? 2 * out->replay_cap : 16;
		out->replay = must_realloc(out->replay, out->replay_cap * sizeof(struct frame *));
	}
	out->replay[out->replay_n++] = f;
	out->replay_bytes += frame_size(f);
	if (out->replay_bytes < g->most)
		return;
	out->reached = must_alloc(sizeof(*g->now));
	*out->reached = *g->now;
}

static void
give(struct giving *g, struct account *a)
{
	for (struct conn *c = a ? a->conns : NULL; c; c = c->next_of_account) {
		if (c->state != CONN_REPLAY || !c->in_pass || c->out->reached ||
		    c->next == g->serial)
			continue;
		c->next = g->serial; /* an account may be named twice */
		if (c->wants_queue && g->ev->seq)
			continue; /* what it has not acknowledged comes from the queue */
		if (deliver_due(c, g->ev))
			give_one(g, c);
	}
}

size_t
replay_give(const struct rt_event *ev, const struct cursor *now, uint64_t serial, size_t most)
{
	struct giving g = {.ev = ev, .now = now, .serial = serial, .most = most};

	if (ev->ephemeral)
		return 0; /* long over */
	for (uint32_t i = 0; ev->members && i < ev->members->n; i++)
		give(&g, ev->members->account[i]);
	for (uint32_t i = 0; i < ev->n_to; i++)
		give(&g, account_find(ev->to[i]));
	for (int i = 0; i < DIALECTS; i++)
		frame_put(g.shared[i]);
	return g.made;
}
