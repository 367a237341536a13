/* order: see order.h. */
#include "order.h"

#include <stdlib.h>
#include "map.h"
#include "order_lane.h"
#include "recent.h"

enum {
	RECENT = 1 << 18, /* event ids remembered */
	STEP_MS =
	    100, /* a longer pause between two looks at the clock was not waiting but sleeping */
	ASK_MS = 100, /* a missing message is late by now; what workers publish at the same moment
			 is not */
	COLD_MS = 10, /* wait before the first message of a conversation while the past is read */
};

struct order {
	const struct order_ops *ops;
	void *ctx;
	int64_t gap_ms;
	uint64_t warm_until, edge;
	bool past;                              /* what is read has been there for a while */
	struct rt_event *wait_head, *wait_tail; /* fed, not yet admitted */
	size_t backlog;
	struct rt_pos at;      /* last admitted */
	int64_t clock, passed; /* time in which everything was read; how much of it counts yet */
	int64_t asked_ms;      /* when that was last looked at */
	struct recent seen;
	struct lanes lanes;
	struct lane *held[CURSOR_HOLDS];
	int n_held;
	struct rt_event *loose[CURSOR_HOLDS]; /* late messages whose members are not known */
	int n_loose;
	struct order_counts counts;
};

struct order *
order_new(const struct order_ops *ops, void *ctx, int64_t gap_ms)
{
	struct order *o = must_zalloc(sizeof(*o));

	o->ops = ops;
	o->ctx = ctx;
	o->gap_ms = gap_ms;
	o->seen.limit = RECENT;
	return o;
}

void
order_free(struct order *o)
{
	if (!o)
		return;
	lanes_free(&o->lanes);
	while (o->wait_head) {
		struct rt_event *ev = o->wait_head;

		o->wait_head = ev->next;
		rt_event_free(ev);
	}
	for (int i = 0; i < o->n_loose; i++)
		rt_event_free(o->loose[i]);
	recent_free(&o->seen);
	free(o);
}

void
order_set_gap(struct order *o, int64_t gap_ms)
{
	o->gap_ms = gap_ms;
}

void
order_warm_until(struct order *o, uint64_t ms)
{
	o->warm_until = ms;
}

void
order_past(struct order *o, bool past)
{
	o->past = past;
}

void
order_edge(struct order *o, uint64_t ms)
{
	o->edge = ms;
}

void
order_inherit(struct order *o, struct order *from)
{
	struct recent seen = o->seen;
	struct lanes lanes = o->lanes;

	o->seen = from->seen;
	from->seen = seen;
	o->lanes = from->lanes;
	from->lanes = lanes;
	from->n_held = 0;
	lanes_empty(&o->lanes);
}

void
order_start_at(struct order *o, struct rt_pos pos)
{
	if (pos_compare(pos, o->at) > 0)
		o->at = pos;
}

size_t
order_backlog(const struct order *o)
{
	return o->backlog;
}

const struct order_counts *
order_counts(const struct order *o)
{
	return &o->counts;
}

/* ---- holding ------------------------------------------------------------------------------- */

static bool
room_to_hold(const struct order *o)
{
	return o->n_held + o->n_loose < CURSOR_HOLDS;
}

static void
release(struct order *o, struct lane *lane)
{
	o->n_held--;
	o->held[lane->held] = o->held[o->n_held];
	o->held[lane->held]->held = lane->held;
	lane->held = -1;
}

static void
enqueue(struct order *o, struct lane *lane, struct rt_event *ev)
{
	ev->held_ms = o->clock;
	if (lane->held < 0) {
		lane->held = o->n_held;
		o->held[o->n_held++] = lane;
	}
	lane_put(lane, ev);
}

/* ---- leaving -------------------------------------------------------------------------------- */

static void
emit(struct order *o, struct rt_event *ev)
{
	o->backlog--;
	o->ops->emit(o->ctx, ev);
}

static enum predecessor_answer
predecessor_of(const struct order *o, struct rt_event *ev)
{
	return o->ops->predecessor(o->ctx, ev, o->edge);
}

/* How long may the message be held for a predecessor?  0: it has none that could be missing.  Of a
 * conversation that is not remembered the predecessor went out long ago, unless it was written
 * just before. */
static int64_t
patience(const struct order *o, const struct lane *lane, struct rt_event *ev)
{
	if (lane->last >= 0)
		return ev->seq > lane->last + 1 ? o->gap_ms : 0;
	if (ev->seq <= 1)
		return 0;
	if (ev->pos.ms < o->warm_until)
		return o->gap_ms < COLD_MS ? o->gap_ms : COLD_MS;
	return predecessor_of(o, ev) == PREDECESSOR_OLD ? 0 : o->gap_ms;
}

/* Has it been held for that long, in real time or in that of the stream? */
static bool
waited(const struct order *o, const struct rt_event *ev, int64_t ms)
{
	return o->passed - ev->held_ms >= ms ||
	       (o->at.ms > ev->pos.ms && o->at.ms - ev->pos.ms > (uint64_t)ms);
}

/* Is it being looked up whether something is missing? */
static bool
asked(const struct order *o, const struct lane *lane)
{
	struct rt_event *ev = lane->head->ev;

	return lane->last < 0 && ev->seq > 1 && ev->pos.ms >= o->warm_until &&
	       predecessor_of(o, ev) == PREDECESSOR_ASKED;
}

/* It was held for a while: let it be found out whether what it waits for is there at all.  Not
 * while it is unknown whether it waits for anything: what went out long ago would be published
 * again. */
static void
ask_for_missing(struct order *o, struct lane *lane)
{
	struct item *item = lane->head;
	int64_t from = lane->last >= 0 ? lane->last + 1 : item->ev->seq - 1;

	if (!o->ops->missing || item->asked || o->passed - item->ev->held_ms < ASK_MS ||
	    asked(o, lane))
		return;
	item->asked = true;
	o->ops->missing(o->ctx, lane->id, from, item->ev->seq - 1);
}

static bool
head_may_leave(struct order *o, struct lane *lane)
{
	struct item *item = lane->head;
	int64_t ms;

	if (!o->ops->known(o->ctx, item->ev))
		return false;
	ms = patience(o, lane, item->ev);
	if (!ms)
		return true;
	if (ms > COLD_MS && !item->counted) {
		item->counted = true;
		o->counts.gaps_waited++;
	}
	if (!waited(o, item->ev, ms)) {
		ask_for_missing(o, lane);
		return false;
	}
	o->counts.gaps_given_up += ms > COLD_MS;
	return true;
}

static void
drain(struct order *o, struct lane *lane)
{
	while (lane->head && head_may_leave(o, lane)) {
		struct rt_event *ev = lane_take(lane);

		if (!lane->head)
			release(o, lane);
		if (ev->seq && ev->seq > lane->last)
			lane->last = ev->seq;
		emit(o, ev);
	}
}

void
order_gone(struct order *o, struct uid conversation, int64_t seq)
{
	struct lane *lane = map_get(&o->lanes.map, conversation);

	if (lane && lane->head && lane->last < seq && seq < lane->head->ev->seq)
		lane->last = seq;
}

/* Is all known of those that are held? */
static bool
looked_up(const struct order *o)
{
	for (int i = 0; i < o->n_held; i++)
		if (!o->ops->known(o->ctx, o->held[i]->head->ev) || asked(o, o->held[i]))
			return false;
	return true;
}

/* Nothing more can be held, and what the held wait for can only stand behind the event that has no
 * room: time would pass for nothing.  Who has waited longest goes.  Not while look-ups are under
 * way, which may let others go. */
static bool
make_room(struct order *o)
{
	struct lane *oldest = NULL;

	if (!o->past || !o->wait_head || o->n_loose || !looked_up(o))
		return false;
	for (int i = 0; i < o->n_held; i++) {
		struct lane *lane = o->held[i];

		if (!oldest || pos_compare(lane->head->ev->pos, oldest->head->ev->pos) < 0)
			oldest = lane;
	}
	if (!oldest)
		return false;
	o->counts.gaps_given_up += oldest->head->counted;
	oldest->last = oldest->head->ev->seq - 1;
	return true;
}

static void
drain_loose(struct order *o)
{
	for (int i = 0; i < o->n_loose;) {
		struct rt_event *ev = o->loose[i];

		if (!o->ops->known(o->ctx, ev)) {
			i++;
			continue;
		}
		o->loose[i] = o->loose[--o->n_loose];
		emit(o, ev);
	}
}

/* ---- coming in ------------------------------------------------------------------------------ */

/* A message at or below what has left already: nothing waits for it. */
static bool
admit_late(struct order *o, struct rt_event *ev)
{
	bool known = o->ops->known(o->ctx, ev);

	if (!known && !room_to_hold(o))
		return false;
	o->at = ev->pos;
	o->counts.late++;
	if (known)
		emit(o, ev);
	else
		o->loose[o->n_loose++] = ev;
	return true;
}

static bool
admit_to_lane(struct order *o, struct lane *lane, struct rt_event *ev)
{
	if (!lane->head && !room_to_hold(o) &&
	    (patience(o, lane, ev) || !o->ops->known(o->ctx, ev)))
		return false;
	o->at = ev->pos;
	if (!lane->head && !patience(o, lane, ev) && o->ops->known(o->ctx, ev)) {
		if (ev->seq)
			lane->last = ev->seq;
		emit(o, ev);
		return true;
	}
	enqueue(o, lane, ev);
	drain(o, lane);
	return true;
}

/* It has left before, perhaps so long ago that the conversation was forgotten: what waits for it
 * need not.  While it is held itself, its lane holds nothing lower, and nothing changes. */
static void
note_duplicate(struct order *o, const struct rt_event *ev)
{
	struct lane *lane = map_get(&o->lanes.map, ev->conversation);

	if (!ev->seq || !lane || ev->seq <= lane->last)
		return;
	if (lane->head ? ev->seq < lane->head->ev->seq : ev->seq == lane->last + 1)
		lane->last = ev->seq;
}

/* false when it would have to be held and nothing more can be. */
static bool
admit(struct order *o, struct rt_event *ev)
{
	struct lane *lane;

	if (recent_has(&o->seen, ev->id)) {
		o->at = ev->pos;
		o->backlog--;
		o->counts.duplicates++;
		note_duplicate(o, ev);
		rt_event_free(ev);
		return true;
	}
	lane = ev->has_conversation
		   ? lanes_get(&o->lanes, ev->conversation, ev->seq || !o->ops->known(o->ctx, ev))
		   : NULL;
	if (!lane) {
		o->at = ev->pos;
		emit(o, ev);
		return true;
	}
	if (ev->seq && ev->seq <= lane->last ? !admit_late(o, ev) : !admit_to_lane(o, lane, ev))
		return false;
	return true;
}

void
order_feed(struct order *o, struct rt_event *ev)
{
	ev->next = NULL;
	*(o->wait_tail ? &o->wait_tail->next : &o->wait_head) = ev;
	o->wait_tail = ev;
	o->backlog++;
	o->ops->known(o->ctx, ev); /* look-ups of a batch go out together */
	if (!ev->seq || map_get(&o->lanes.map, ev->conversation))
		return;
	if (ev->seq > 1 && ev->pos.ms >= o->warm_until)
		predecessor_of(o, ev);
	lanes_get(&o->lanes, ev->conversation, true); /* those that follow need not be asked of */
}

static void
drain_all(struct order *o)
{
	for (int i = o->n_held - 1; i >= 0; i--)
		drain(o, o->held[i]);
	drain_loose(o);
}

static bool
admit_next(struct order *o)
{
	struct rt_event *ev = o->wait_head, *next;
	struct uid id;

	if (!ev)
		return false;
	id = ev->id;
	next = ev->next;
	if (!admit(o, ev))
		return false;
	recent_add(&o->seen, id);
	o->wait_head = next;
	if (!next)
		o->wait_tail = NULL;
	return true;
}

/* What comes in lets stream time pass, and that lets held events go, which makes room for more to
 * come in. */
static void
move(struct order *o)
{
	bool progress;

	do {
		drain_all(o);
		progress = false;
		while (admit_next(o))
			progress = true;
	} while (progress || make_room(o));
}

void
order_pump(struct order *o, int64_t now_ms, bool all_read)
{
	int64_t step = now_ms - o->asked_ms;

	if (all_read && o->asked_ms)
		o->clock += step < STEP_MS ? step : STEP_MS;
	o->asked_ms = now_ms;
	move(o); /* before anybody's time is over: what was waited for may just have come */
	o->passed = o->clock;
	move(o);
}

int64_t
order_wait(struct order *o)
{
	int64_t least = -1;

	for (int i = 0; i < o->n_held; i++) {
		struct rt_event *ev = o->held[i]->head->ev;
		int64_t ms = patience(o, o->held[i], ev);
		int64_t left = ev->held_ms + ms - o->clock;

		if (ms && o->ops->known(o->ctx, ev) && (least < 0 || left < least))
			least = left > 0 ? left : 0;
	}
	return least < STEP_MS / 2 ? least : STEP_MS / 2;
}

bool
order_settled(struct order *o)
{
	return !o->wait_head && !o->n_loose && looked_up(o);
}

/* ---- the cursor ----------------------------------------------------------------------------- */

void
order_cursor(const struct order *o, struct cursor *out)
{
	out->at = o->at;
	out->holds = 0;
	for (int i = 0; i < o->n_held; i++)
		out->hold[out->holds++] = (struct cursor_hold){o->held[i]->id.lo,
		    lane_lowest(o->held[i]), o->held[i]->last > 0 ? o->held[i]->last : 0};
	for (int i = 0; i < o->n_loose; i++)
		out->hold[out->holds++] = (struct cursor_hold){0, o->loose[i]->pos, 0};
}
