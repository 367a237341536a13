/* evlog: see evlog.h. */
#include "evlog.h"

#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "conf.h"
#include "deliver.h"
#include "loop.h"
#include "map.h"
#include "members.h"
#include "stream.h"

enum {
	FIRST_CAP = 1024,
	ENTRY_OVERHEAD = 128,
	MOST_DIRTY = 1 << 20,
	ROOM = 16, /* the part of a full log that is given up at once */
};

static struct {
	struct entry *ring;
	uint32_t cap; /* power of two */
	uint64_t first, end;
	size_t bytes, unsent; /* unsent: appended since connections were last served */
	struct rt_pos floor;
	struct cursor dropped; /* the cursor of the newest entry that is not here any more */
} evlog;

size_t
evlog_entries(void)
{
	return (size_t)(evlog.end - evlog.first);
}

size_t
evlog_bytes(void)
{
	return evlog.bytes + evlog.cap * sizeof(*evlog.ring);
}

struct rt_pos
evlog_floor(void)
{
	return evlog.floor;
}

void
evlog_raise_floor(struct rt_pos floor)
{
	if (pos_compare(floor, evlog.floor) > 0)
		evlog.floor = floor;
}

struct entry *
evlog_at(uint32_t n)
{
	return &evlog.ring[n & (evlog.cap - 1)];
}

void
evlog_cursor(const struct entry *e, struct cursor *out)
{
	if (e->holding) {
		memcpy(out, e->holding, cursor_size(e->holding));
		return;
	}
	out->at = e->at;
	out->holds = 0;
}

void
evlog_cursor_before(uint32_t n, struct cursor *out)
{
	if (n == (uint32_t)evlog.first)
		memcpy(out, &evlog.dropped, cursor_size(&evlog.dropped));
	else
		evlog_cursor(evlog_at(n - 1), out);
}

void
evlog_grew(struct entry *e, size_t n)
{
	e->cost += n;
	evlog.bytes += n;
}

struct frame *
evlog_frame(struct entry *e, int dialect)
{
	char text[CURSOR_TEXT];
	struct cursor c;
	struct frame *f = e->frame[dialect];
	size_t n;

	if (f)
		return f;
	evlog_cursor(e, &c);
	n = cursor_format(NULL, &c, stream_epoch(), text);
	f = e->frame[dialect] = dialect_at(dialect)->event(e->ev, NULL, 0, text, n);
	evlog_grew(e, frame_size(f));
	return f;
}

/* ---- recipients ----------------------------------------------------------------------------- */

static void
index_one(struct account *a, uint32_t n)
{
	if (a->end > a->first && account_entry(a, a->end - 1) == n)
		return; /* named twice */
	evlog.bytes += (size_t)account_push(a, n);
	if (a->conns)
		deliver_wake(a);
}

static void
index_recipients(struct entry *e, uint32_t n)
{
	struct members *m = e->ev->members;

	for (uint32_t i = 0; m && i < m->n; i++)
		index_one(m->account[i], n);
	if (!e->ev->n_to)
		return;
	e->to = must_alloc(e->ev->n_to * sizeof(struct account *));
	for (uint32_t i = 0; i < e->ev->n_to; i++) {
		e->to[i] = account_get(e->ev->to[i]);
		index_one(e->to[i], n);
	}
}

static void
unindex_one(struct account *a, uint32_t n)
{
	if (a->end == a->first || account_entry(a, a->first) != n)
		return;
	if (a->conns)
		deliver_losing(a, a->first);
	evlog.bytes += (size_t)account_pop(a);
}

static void
unindex_recipients(struct entry *e, uint32_t n)
{
	struct members *m = e->ev->members;

	for (uint32_t i = 0; m && i < m->n; i++)
		unindex_one(m->account[i], n);
	for (uint32_t i = 0; e->to && i < e->ev->n_to; i++) {
		unindex_one(e->to[i], n);
		account_put(e->to[i]);
	}
	free(e->to);
}

/* ---- the ring ------------------------------------------------------------------------------- */

static void
drop_oldest(void)
{
	struct entry *e = evlog_at((uint32_t)evlog.first);

	unindex_recipients(e, (uint32_t)evlog.first);
	evlog_raise_floor(e->ev->pos);
	evlog_cursor(e, &evlog.dropped);
	evlog.bytes -= e->cost;
	for (int i = 0; i < DIALECTS; i++)
		frame_put(e->frame[i]);
	rt_event_free(e->ev);
	free(e->holding);
	evlog.first++;
}

static void
grow(void)
{
	struct entry *old = evlog.ring;
	uint32_t old_cap = evlog.cap;

	evlog.cap = old_cap ? 2 * old_cap : FIRST_CAP;
	evlog.ring = must_alloc(evlog.cap * sizeof(*evlog.ring));
	for (uint64_t n = evlog.first; n < evlog.end; n++)
		evlog.ring[n & (evlog.cap - 1)] = old[n & (old_cap - 1)];
	free(old);
}

/* Nobody loses a place before it could be served; but who is served after each event gets each in a
 * write of its own, so room is made for many. */
static void
make_room(void)
{
	size_t limit = (size_t)conf_int("relay.log_bytes");

	if (evlog.bytes <= limit)
		return;
	deliver_flush();
	while (evlog.bytes > limit - limit / ROOM && evlog.first < evlog.end)
		drop_oldest();
}

void
evlog_append(struct rt_event *ev, const struct cursor *c)
{
	struct entry *e;
	uint32_t n = (uint32_t)evlog.end;

	if (evlog.end - evlog.first == evlog.cap)
		grow();
	e = evlog_at(n);
	*e = (struct entry){.ev = ev, .at = c->at, .logged_ms = loop_now()};
	e->cost = ev->size + ENTRY_OVERHEAD + ev->n_to * sizeof(struct account *);
	if (c->holds) {
		e->holding = must_alloc(cursor_size(c));
		memcpy(e->holding, c, cursor_size(c));
		e->cost += cursor_size(c);
	}
	evlog.bytes += e->cost;
	evlog.end++;
	index_recipients(e, n);
	evlog.unsent += e->cost;
	if (evlog.unsent > MOST_DIRTY) {
		evlog.unsent = 0;
		deliver_flush();
	}
	make_room();
}

void
evlog_reset(struct rt_pos floor)
{
	while (evlog.first < evlog.end)
		drop_oldest();
	evlog.floor = floor;
	evlog.dropped = (struct cursor){.at = floor};
}
