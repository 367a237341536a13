/* replay: see replay.h. */
#include "replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "conf.h"
#include "conn.h"
#include "deliver.h"
#include "evlog.h"
#include "health.h"
#include "loop.h"
#include "map.h"
#include "members.h"
#include "metrics.h"
#include "order.h"
#include "stream.h"
#include "stream_reply.h"

/* A pass begins a little before the oldest cursor: events that are in the stream twice are
 * recognised only if the first one was seen (stream_load.c). */
enum { WARM_MS = 10000, AGAIN_MS = 50, BACKLOG_PAUSE = 4 * STREAM_CHUNK };

static struct {
	struct conn **waiting; /* those with .in_pass belong to the pass under way */
	size_t n, cap;
	bool running;
	uintptr_t generation; /* of passes */
	struct order *order;
	struct rt_pos low;          /* of all cursors of the pass */
	struct rt_pos read, before; /* newest entry read, now and before the last chunk */
	struct rt_pos end;          /* what "all" is when the end is reached */
	bool at_end;
	uint64_t emitted;
	struct timer again;
} replay;

/* ---- verdicts ------------------------------------------------------------------------------- */

static void
say_ready(struct conn *c, bool recovered, const char *cursor)
{
	struct ready r = {.recovered = recovered,
	    .cursor = cursor,
	    .account = c->account->id,
	    .session = c->session,
	    .heartbeat_seconds = (long)conf_int("relay.ping"),
	    .expires_in = c->ends ? (long)c->ends - (long)conn_clock() : 0};

	c->state = CONN_LIVE;
	dialect_at(c->dialect)->ready(c, &r);
	health_tell(c);
	deliver_mark(c);
}

static void
begin_now(struct conn *c)
{
	char text[CURSOR_TEXT];
	struct cursor now;

	if (c->out) {
		free(c->out->received);
		c->out->received = NULL;
		for (uint32_t i = 0; i < c->out->replay_n; i++)
			frame_put(c->out->replay[i]);
		c->out->replay_n = 0;
	}
	c->next = c->account->end;
	stream_cursor(&now);
	cursor_format(NULL, &now, stream_epoch(), text);
	say_ready(c, false, text);
}

static void
refuse(struct conn *c)
{
	metrics.resume_failed++;
	begin_now(c);
}

/* Everything after the cursors in c->out->received that the connection has not queued is in the
 * log. */
static void
begin_in_log(struct conn *c, const char *text)
{
	c->next = c->account->first;
	say_ready(c, true, text);
}

/* ---- who waits ------------------------------------------------------------------------------ */

static void
wait_for_pass(struct conn *c)
{
	if (replay.n == replay.cap) {
		replay.cap = replay.cap ? 2 * replay.cap : 16;
		replay.waiting = must_realloc(replay.waiting, replay.cap * sizeof(struct conn *));
	}
	replay.waiting[replay.n++] = c;
	c->state = CONN_REPLAY;
	c->in_pass = false;
	if (!replay.running && !replay.again.due)
		loop_timer(&replay.again, 0); /* those who come in the same turn share the pass */
}

void
replay_leave(struct conn *c)
{
	for (size_t i = 0; i < replay.n; i++) {
		if (replay.waiting[i] == c) {
			replay.waiting[i] = replay.waiting[--replay.n];
			return;
		}
	}
}

/* Take one out who is in the pass (or, with everyone, any); NULL when there is none left. */
static struct conn *
take(bool everyone)
{
	for (size_t i = replay.n; i-- > 0;) {
		struct conn *c = replay.waiting[i];

		if (!everyone && !c->in_pass)
			continue;
		replay.waiting[i] = replay.waiting[--replay.n];
		c->in_pass = false;
		return c;
	}
	return NULL;
}

void
replay_begin(struct conn *c, const char *resume, size_t n)
{
	char text[CURSOR_TEXT];
	struct cursor_set *set;
	struct cursor now;

	if (!resume) {
		begin_now(c);
		return;
	}
	set = must_alloc(sizeof(*set));
	if (cursor_parse(resume, n, stream_epoch(), set)) {
		free(set);
		refuse(c);
		return;
	}
	conn_out(c)->received = set;
	stream_cursor(&now);
	if (pos_compare(cursor_set_low(set), evlog_floor()) >= 0 &&
	    pos_compare(cursor_set_high(set), now.at) <= 0) {
		metrics.resume_live++;
		cursor_format(set, NULL, stream_epoch(), text);
		begin_in_log(c, text);
	} else {
		wait_for_pass(c);
	}
}

/* ---- a pass --------------------------------------------------------------------------------- */

static void
end_pass(void)
{
	replay.running = false;
	replay.generation++;
	order_free(replay.order);
	replay.order = NULL;
	if (replay.n)
		loop_timer(&replay.again, 0);
}

static void
refuse_pass(void)
{
	struct conn *c;

	while ((c = take(false)))
		refuse(c);
	end_pass();
}

static void
drop_collected(struct conn *c)
{
	for (uint32_t i = 0; i < c->out->replay_n; i++)
		frame_put(c->out->replay[i]);
	c->out->replay_n = 0;
	c->out->replay_bytes = 0;
}

/* Redis went away: they wait on, and a later pass begins from their cursors again. */
static void
interrupt(void)
{
	for (size_t i = 0; i < replay.n; i++) {
		if (replay.waiting[i]->in_pass)
			drop_collected(replay.waiting[i]);
		replay.waiting[i]->in_pass = false;
	}
	replay.running = false;
	replay.generation++;
	order_free(replay.order);
	replay.order = NULL;
}

static void
collect(struct conn *c, struct frame *f)
{
	struct conn_out *out = c->out;

	if (out->replay_n == out->replay_cap) {
		out->replay_cap = out->replay_cap ? 2 * out->replay_cap : 16;
		out->replay = must_realloc(out->replay, out->replay_cap * sizeof(struct frame *));
	}
	out->replay[out->replay_n++] = f;
	out->replay_bytes += frame_size(f);
}

/* A frame whose cursor says: what the client had, and what the pass has given it. */
static struct frame *
frame_for(struct conn *c, const struct rt_event *ev, const struct cursor *now,
    struct frame *shared[DIALECTS])
{
	const struct cursor_set *had = c->out->received;
	const struct dialect *d = dialect_at(c->dialect);
	char text[CURSOR_TEXT];
	size_t n;

	for (int i = 0; i < had->parts; i++) {
		if (!cursor_contains(now, &had->part[i])) {
			n = cursor_format(had, now, stream_epoch(), text);
			return d->event(ev, text, n);
		}
	}
	if (!shared[c->dialect]) {
		n = cursor_format(NULL, now, stream_epoch(), text);
		shared[c->dialect] = d->event(ev, text, n);
	}
	return frame_ref(shared[c->dialect]);
}

static void
give(struct account *a, const struct rt_event *ev, const struct cursor *now,
    struct frame *shared[DIALECTS])
{
	for (struct conn *c = a ? a->conns : NULL; c; c = c->next_of_account) {
		if (c->state != CONN_REPLAY || !c->in_pass || c->next == replay.emitted)
			continue;
		c->next = replay.emitted; /* an account may be named twice */
		if (deliver_due(c, ev))
			collect(c, frame_for(c, ev, now, shared));
	}
}

static void
on_emit(void *ctx, struct rt_event *ev)
{
	struct frame *shared[DIALECTS] = {0};
	struct members *m = ev->members;
	struct cursor now;

	(void)ctx;
	order_cursor(replay.order, &now);
	replay.emitted++;
	for (uint32_t i = 0; m && i < m->n && !ev->ephemeral; i++)
		give(m->account[i], ev, &now, shared);
	for (uint32_t i = 0; i < ev->n_to && !ev->ephemeral; i++)
		give(account_find(ev->to[i]), ev, &now, shared);
	for (int i = 0; i < DIALECTS; i++)
		frame_put(shared[i]);
	rt_event_free(ev);
}

static const struct order_ops pass_ops = {stream_known, on_emit};

/* The log can take over: what the pass gave them, they have received. */
static void
hand_over(const struct cursor *now)
{
	char text[CURSOR_TEXT];
	struct conn *c;

	while ((c = take(false))) {
		struct cursor_set *had = c->out->received;

		cursor_format(had, NULL, stream_epoch(), text);
		if (c->out->replay_bytes > (size_t)conf_int("relay.log_bytes") / 8 ||
		    !cursor_set_add(had, now)) {
			refuse(c);
			continue;
		}
		metrics.resume_replayed++;
		begin_in_log(c, text);
	}
	end_pass();
}

static void ask_chunk(void);

static void
pump(void)
{
	order_pump(
	    replay.order, loop_now(), replay.at_end || order_backlog(replay.order) > BACKLOG_PAUSE);
}

static void
go_on(void)
{
	struct cursor now;

	pump();
	if (replay.at_end && !order_backlog(replay.order))
		order_start_at(replay.order, replay.end);
	order_cursor(replay.order, &now);
	if (pos_compare(cursor_low(&now), evlog_floor()) >= 0)
		hand_over(&now);
	else if (replay.at_end || order_backlog(replay.order) > BACKLOG_PAUSE)
		loop_timer(
		    &replay.again, AGAIN_MS); /* for members, for a gap, or for more to come */
	else
		ask_chunk();
}

/* The stream as it was after a chunk had been read.  What lies between the chunk before and this
 * one was there to be read if the stream still begins before it. */
static void
on_info(void *ctx, const redisReply *reply)
{
	struct stream_info info;

	if ((uintptr_t)ctx != replay.generation)
		return;
	if (!stream_read_info(reply, &info)) {
		interrupt();
		return;
	}
	if (info.trimmed && pos_compare(info.first, replay.before) > 0 &&
	    pos_compare(info.first, replay.low) > 0)
		refuse_pass();
	else
		go_on();
}

static void
on_chunk(void *ctx, const redisReply *reply)
{
	if ((uintptr_t)ctx != replay.generation)
		return;
	if (!reply || reply->type != REDIS_REPLY_ARRAY) {
		interrupt();
		return;
	}
	replay.before = replay.read;
	for (size_t i = 0; i < reply->elements; i++) {
		struct rt_event *ev = stream_read_entry(reply->element[i], &replay.read);

		if (ev)
			order_feed(replay.order, ev);
	}
	replay.at_end = reply->elements < STREAM_CHUNK;
	if (pos_compare(replay.read, replay.end) > 0)
		replay.end = replay.read;
}

static void
ask_chunk(void)
{
	void *ctx = (void *)replay.generation;

	if (!rds_command(stream_commands(), on_chunk, ctx,
		"XRANGE rt (%" PRIu64 "-%" PRIu64 " + COUNT %d", replay.read.ms, replay.read.n,
		STREAM_CHUNK) ||
	    !rds_command(stream_commands(), on_info, ctx, "XINFO STREAM rt"))
		interrupt();
}

/* ---- beginning a pass ----------------------------------------------------------------------- */

/* Can the stream still tell all that this client has not received? */
static bool
reachable(const struct conn *c, const struct stream_info *info)
{
	struct rt_pos low = cursor_set_low(c->out->received);

	return (!info->trimmed || pos_compare(low, info->first) >= 0) &&
	       pos_compare(cursor_set_high(c->out->received), info->last) <= 0;
}

static void
choose(const struct stream_info *info)
{
	bool any = false;

	for (size_t i = replay.n; i-- > 0;) {
		struct conn *c = replay.waiting[i];
		struct rt_pos low = cursor_set_low(c->out->received);

		if (!reachable(c, info)) {
			replay_leave(c);
			refuse(c);
			continue;
		}
		if (!any || pos_compare(low, replay.low) < 0)
			replay.low = low;
		any = true;
		c->in_pass = true;
		c->next = 0;
	}
}

static void
on_start(void *ctx, const redisReply *reply)
{
	struct stream_info info;

	if ((uintptr_t)ctx != replay.generation)
		return;
	if (!stream_read_info(reply, &info)) {
		interrupt();
		return;
	}
	choose(&info);
	if (!replay.n) {
		end_pass();
		return;
	}
	replay.emitted = 0;
	replay.at_end = false;
	replay.end = info.last; /* when the end is reached, everything up to here has been read */
	replay.read = replay.before =
	    (struct rt_pos){replay.low.ms > WARM_MS ? replay.low.ms - WARM_MS : 0, 0};
	replay.order = order_new(&pass_ops, NULL, conf_int("relay.gap_ms"));
	ask_chunk();
}

static void
on_again(struct timer *t)
{
	(void)t;
	if (replay.running) {
		if (replay.order && order_backlog(replay.order) > BACKLOG_PAUSE)
			go_on();
		else if (replay.order)
			ask_chunk();
		return;
	}
	if (replay.n && stream_live() &&
	    rds_command(stream_commands(), on_start, (void *)replay.generation, "XINFO STREAM rt"))
		replay.running = true;
}

void
replay_members_came(void)
{
	if (replay.order)
		pump();
}

void
replay_resume(void)
{
	if (replay.n && !replay.running)
		loop_timer(&replay.again, 0);
}

void
replay_refuse_all(void)
{
	struct conn *c;

	while ((c = take(true)))
		refuse(c);
	end_pass();
}

void
replay_start(void)
{
	replay.again.fire = on_again;
}
