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
#include "replay_begin.h"
#include "replay_give.h"
#include "stream.h"
#include "stream_reply.h"

/* A pass begins a little before the oldest cursor: events that are in the stream twice are
 * recognised only if the first one was seen (stream_load.c). */
enum { WARM_MS = 10000, AGAIN_MS = 50, BACKLOG_PAUSE = 4 * STREAM_CHUNK };
/* So often and so long the tail is waited for to reach what somebody has received elsewhere. */
enum { AHEAD_TIMES = 200, AHEAD_MS = 5 };

/* Bytes collected at a time, for one connection and for all: so much, or that part of the log. */
enum { MOST_EACH = 1 << 18, MOST_ALL = 1 << 24 };

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
	int patience;
	uint64_t emitted;
	size_t collected; /* bytes in this pass */
	struct timer again;
} replay;

/* ---- who waits ------------------------------------------------------------------------------ */

void
replay_wait(struct conn *c)
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
replay_again(struct conn *c)
{
	c->out->more = false;
	replay_wait(c);
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

static size_t
most_of(size_t least, int part)
{
	size_t most = (size_t)conf_int("relay.log_bytes") / (size_t)part;

	return most > least ? most : least;
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
		replay_refuse(c);
	end_pass();
}

/* Redis went away: they wait on, and a later pass begins from their cursors again. */
static void
interrupt(void)
{
	for (size_t i = 0; i < replay.n; i++) {
		if (replay.waiting[i]->in_pass)
			replay_drop(replay.waiting[i]);
		replay.waiting[i]->in_pass = false;
	}
	replay.running = false;
	replay.generation++;
	order_free(replay.order);
	replay.order = NULL;
}

static void
on_emit(void *ctx, struct rt_event *ev)
{
	struct cursor now;

	(void)ctx;
	order_cursor(replay.order, &now);
	replay.collected += replay_give(ev, &now, ++replay.emitted,
	    replay.collected > most_of(MOST_ALL, 2) ? 0 : most_of(MOST_EACH, 16));
	rt_event_free(ev);
}

static const struct order_ops pass_ops = {stream_known, on_emit, stream_predecessor, NULL};

/* The log can take over: what the pass gave them, they have received. */
static void
hand_over(const struct cursor *now)
{
	char text[CURSOR_TEXT];
	struct conn *c;

	while ((c = take(false))) {
		struct cursor_set *had = c->out->received;

		cursor_format(had, NULL, stream_epoch(), text);
		if (!cursor_set_add(had, c->out->reached ? c->out->reached : now)) {
			replay_refuse(c);
			continue;
		}
		c->out->more = c->out->reached != NULL;
		free(c->out->reached);
		c->out->reached = NULL;
		metrics->resume_replayed += !c->ready;
		replay_in_log(c, text);
	}
	end_pass();
}

/* Has everybody in the pass as much as may be collected at a time? */
static bool
all_full(void)
{
	for (size_t i = 0; i < replay.n; i++)
		if (replay.waiting[i]->in_pass && !replay.waiting[i]->out->reached)
			return false;
	return true;
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
	if (all_full() || pos_compare(cursor_low(&now), evlog_floor()) >= 0)
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
			replay_refuse(c);
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
	replay.collected = 0;
	replay.at_end = false;
	replay.end = info.last; /* when the end is reached, everything up to here has been read */
	replay.read = replay.before =
	    (struct rt_pos){replay.low.ms > WARM_MS ? replay.low.ms - WARM_MS : 0, 0};
	replay.order = order_new(&pass_ops, NULL, conf_int("relay.gap_ms"));
	order_past(replay.order, true);
	order_warm_until(replay.order, replay.low.ms);
	order_edge(replay.order, info.trimmed ? info.first.ms : 0);
	ask_chunk();
}

/* The log may have come to hold what some wait for: it has read on, or those came from a process
 * that was a little ahead.  Answers whether all others are only ahead of it, too. */
static bool
settle_in_log(void)
{
	bool ahead = true;

	for (size_t i = replay.n; i-- > 0;) {
		struct conn *c = replay.waiting[i];
		enum replay_where where = replay_where(c->out->received);

		ahead &= where != REPLAY_IN_STREAM;
		if (where != REPLAY_IN_LOG)
			continue;
		replay.waiting[i] = replay.waiting[--replay.n];
		replay_give_log(c);
	}
	return ahead;
}

static void
start_pass(void)
{
	bool ahead = settle_in_log();

	if (!replay.n)
		return;
	if (ahead && ++replay.patience < AHEAD_TIMES) {
		loop_timer(&replay.again, AHEAD_MS);
		return;
	}
	replay.patience = 0;
	if (rds_command(stream_commands(), on_start, (void *)replay.generation, "XINFO STREAM rt"))
		replay.running = true;
}

static void
on_again(struct timer *t)
{
	(void)t;
	if (!replay.running && replay.n && stream_live())
		start_pass();
	else if (replay.order && order_backlog(replay.order) > BACKLOG_PAUSE)
		go_on();
	else if (replay.order)
		ask_chunk();
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
		replay_refuse(c);
	end_pass();
}

void
replay_start(void)
{
	replay.again.fire = on_again;
}
