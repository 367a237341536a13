/* stream: see stream.h.  Reading the tail is here; stream_load.c fetches the past. */
#include "stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "conf.h"
#include "conn.h"
#include "deliver.h"
#include "evlog.h"
#include "health.h"
#include "log.h"
#include "members.h"
#include "metrics.h"
#include "predecessor.h"
#include "queue.h"
#include "replay.h"
#include "sign_in.h"
#include "stream_load.h"
#include "stream_probe.h"
#include "stream_reply.h"

enum {
	BLOCK_MS = 5000,
	BACKLOG_PAUSE = 8192,
	WATCH_MS = 250,
	SILENCE_MS = 600,
};

static struct {
	struct rds reader, commands;
	struct order *order;
	struct order_counts counts; /* of orders before this one */
	struct epoch epoch;
	char epoch_value[EPOCH_VALUE]; /* of key rt:epoch */
	struct rt_pos last;            /* newest entry fed */
	struct rt_pos live_from;       /* when this one has gone through, the load is in the log */
	uintptr_t generation; /* of loads: what was asked before one is not wanted after it */
	bool probing, probed; /* since Redis came */
	bool loaded;          /* .order and .last are those of this stream */
	bool may_read;        /* and reading may go on from .last */
	bool reading;         /* a read is under way */
	bool all_read;        /* the last one reached the end of the stream */
	int64_t gone_ms;      /* since when Redis is gone (of the wall clock); 0: it is there */
	int64_t answered_ms;  /* when Redis last showed that it is awake */
	bool live, was_live, replaced;        /* replaced: by another stream */
	bool resync;                          /* connections wait for a load to end */
	struct rt_event *chunk, **chunk_tail; /* read, but not yet known to be without a hole */
	struct rt_pos chunk_last;
	struct timer gap, watch;
} stream;

/* ---- what others ask ------------------------------------------------------------------------ */

static bool
both_up(void)
{
	return stream.reader.up && stream.commands.up;
}

bool
stream_connected(void)
{
	return both_up() && stream.probed;
}

const char *
stream_reason(void)
{
	return stream.commands.up ? stream.reader.why : stream.commands.why;
}

bool
stream_live(void)
{
	return stream.live;
}

const struct epoch *
stream_epoch(void)
{
	return &stream.epoch;
}

struct rds *
stream_commands(void)
{
	return &stream.commands;
}

void
stream_cursor(struct cursor *out)
{
	order_cursor(stream.order, out);
}

static struct order_counts
add_counts(struct order_counts a, const struct order_counts *b)
{
	a.duplicates += b->duplicates;
	a.gaps_waited += b->gaps_waited;
	a.gaps_given_up += b->gaps_given_up;
	a.late += b->late;
	return a;
}

struct order_counts
stream_counts(void)
{
	return add_counts(stream.counts, order_counts(stream.order));
}

size_t
stream_backlog(void)
{
	return order_backlog(stream.order);
}

double
stream_lag(void)
{
	struct cursor c;
	uint64_t oldest = stream.last.ms;

	if (stream_backlog()) {
		stream_cursor(&c);
		oldest = cursor_low(&c).ms;
	} else if (stream.all_read) {
		return 0;
	}
	return oldest && loop_wall() > (int64_t)oldest
		   ? (double)(loop_wall() - (int64_t)oldest) / 1000
		   : 0;
}

/* ---- into the log --------------------------------------------------------------------------- */

bool
stream_known(void *ctx, struct rt_event *ev)
{
	(void)ctx;
	if (ev->version < 0)
		return true;
	if (!ev->members)
		ev->members = members_get(ev->conversation, ev->version);
	return ev->members->known;
}

enum predecessor_answer
stream_predecessor(void *ctx, struct rt_event *ev)
{
	(void)ctx;
	if (!ev->predecessor)
		ev->predecessor = predecessor_get(ev->conversation, ev->seq, ev->pos.ms);
	return ev->predecessor->answer;
}

static void
on_emit(void *ctx, struct rt_event *ev)
{
	struct cursor c;

	(void)ctx;
	order_cursor(stream.order, &c);
	if (ev->revokes)
		sign_in_revoked(ev->session);
	if (pos_compare(ev->pos, stream.live_from) > 0)
		metrics_time(&metrics->delay, (double)(loop_wall() - (int64_t)ev->pos.ms) / 1000);
	evlog_append(ev, &c);
}

static const struct order_ops live_ops = {stream_known, on_emit, stream_predecessor};

static void
tell_resync(struct conn *c, void *cursor)
{
	if (c->state != CONN_LIVE)
		return;
	c->next = c->account->end;
	if (c->out) {
		free(c->out->received);
		c->out->received = NULL;
		c->out->more = false;
	}
	dialect_at(c->dialect)->resync(c, cursor);
	if (c->wants_queue)
		queue_begin(c, true);
}

/* The load has gone into the log: whoever waited for it can go on. */
static void
become_live(void)
{
	char text[CURSOR_TEXT];
	struct cursor c;

	stream.live = stream.was_live = true;
	stream_cursor(&c);
	log_info("stream is live");
	if (stream.resync) {
		stream.resync = false;
		metrics->resyncs++;
		cursor_format(NULL, &c, &stream.epoch, text);
		conn_each(tell_resync, text);
		replay_refuse_all();
	}
	replay_resume();
	health_changed();
}

static void read_more(void);

/* Is a missing message really missing?  Not while there is more to read, nor while nobody can
 * publish. */
static bool
time_passes(void)
{
	if (stream_backlog() > BACKLOG_PAUSE)
		return true;
	return stream.all_read && stream.may_read && loop_now() - stream.answered_ms < SILENCE_MS;
}

static void
pump(void)
{
	struct cursor c;
	int64_t wait;

	order_pump(stream.order, loop_now(), time_passes());
	wait = order_wait(stream.order);
	if (wait >= 0)
		loop_timer(&stream.gap, wait);
	if (!stream.live && stream.loaded) {
		stream_cursor(&c);
		if (pos_compare(c.at, stream.live_from) >= 0 && order_settled(stream.order))
			become_live();
	}
	read_more();
}

static void
on_gap(struct timer *t)
{
	(void)t;
	pump();
}

void
stream_members_came(void)
{
	pump();
	replay_members_came();
}

/* ---- the tail ------------------------------------------------------------------------------- */

static int
chunk_size(void)
{
	int64_t n = conf_int("events.stream_keep") / 4;

	return n < STREAM_CHUNK ? (int)n : STREAM_CHUNK;
}

static void
drop_chunk(void)
{
	while (stream.chunk) {
		struct rt_event *ev = stream.chunk;

		stream.chunk = ev->next;
		rt_event_free(ev);
	}
	stream.chunk_tail = &stream.chunk;
}

static void
feed_chunk(void)
{
	stream.last = stream.chunk_last;
	while (stream.chunk) {
		struct rt_event *ev = stream.chunk;

		stream.chunk = ev->next;
		order_feed(stream.order, ev);
	}
	stream.chunk_tail = &stream.chunk;
	pump();
}

static void
take_chunk(const redisReply *entries)
{
	drop_chunk();
	stream.chunk_last = stream.last;
	metrics->events_in += entries->elements;
	for (size_t i = 0; i < entries->elements; i++) {
		struct rt_event *ev = stream_read_entry(entries->element[i], &stream.chunk_last);

		if (!ev)
			continue;
		ev->next = NULL;
		*stream.chunk_tail = ev;
		stream.chunk_tail = &ev->next;
	}
}

static void begin(const char *why);

/* A full chunk may mean that we were asleep.  If the stream has been cut past our place, something
 * is lost, and not even the first event of the chunk may go out. */
static void
on_first_entry(void *ctx, const redisReply *reply)
{
	struct rt_pos first = {0, 0};

	stream.reading = false;
	if (!reply || !stream.may_read || (uintptr_t)ctx != stream.generation) {
		drop_chunk();
		read_more();
		return;
	}
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements)
		stream_read_pos(reply->element[0]->element[0], &first);
	if (pos_compare(first, stream.last) > 0 && stream.last.ms) {
		drop_chunk();
		begin("the stream was cut while it was not read");
		return;
	}
	feed_chunk();
}

static void
on_read(void *ctx, const redisReply *reply)
{
	const redisReply *entries;

	stream.reading = false;
	if (!reply || !stream.may_read || (uintptr_t)ctx != stream.generation) {
		read_more();
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY || !reply->elements) {
		if (reply->type == REDIS_REPLY_ERROR)
			rds_reset(&stream.reader, reply->str);
		read_more();
		return;
	}
	entries = reply->element[0]->element[1];
	take_chunk(entries);
	stream.all_read = entries->elements < (size_t)chunk_size();
	if (stream.all_read)
		feed_chunk();
	else
		stream.reading =
		    rds_command(&stream.reader, on_first_entry, ctx, "XRANGE rt - + COUNT 1");
}

static void
read_more(void)
{
	char from[48];

	if (!stream.may_read || stream.reading || stream_backlog() > BACKLOG_PAUSE)
		return;
	snprintf(from, sizeof(from), "%" PRIu64 "-%" PRIu64, stream.last.ms, stream.last.n);
	stream.reading = rds_command(&stream.reader, on_read, (void *)stream.generation,
	    "XREAD COUNT %d BLOCK %d STREAMS rt %s", chunk_size(), BLOCK_MS, from);
}

/* ---- where to begin ------------------------------------------------------------------------- */

static void
detach(struct conn *c, void *unused)
{
	(void)unused;
	if (c->state == CONN_LIVE)
		c->next = UINT64_MAX; /* nothing is due until the load has ended */
}

static void
on_loaded(struct stream_past *past)
{
	struct order *old;
	struct rt_event *ev;

	deliver_flush();
	conn_each(detach, NULL);
	evlog_reset(past->floor);
	old = stream.order;
	stream.order = order_new(&live_ops, NULL, conf_int("relay.gap_ms"));
	order_warm_until(stream.order, past->floor.ms);
	if (stream.replaced) /* what jobs put into an empty stream, connected clients have had */
		order_inherit(stream.order, old);
	stream.counts = add_counts(stream.counts, order_counts(old));
	order_free(old);
	stream.replaced = false;
	stream.last = past->last;
	stream.live_from = past->last_event;
	stream.loaded = stream.may_read = stream.all_read = true;
	if (!past->events)
		order_start_at(stream.order, past->last);
	while ((ev = past->events)) {
		past->events = ev->next;
		order_feed(stream.order, ev);
	}
	pump();
}

static void
begin(const char *why)
{
	if (stream.was_live) {
		log_warn("clients must synchronise", "why", why);
		stream.resync = true;
	}
	stream.generation++;
	stream.loaded = stream.may_read = stream.live = false;
	stream_load(&stream.commands, (size_t)conf_int("relay.log_bytes") / 4 * 3, on_loaded);
}

static void probe(void);

static void
decide(const char *epoch, const struct stream_info *info)
{
	bool same = !strcmp(stream.epoch_value, epoch);

	if (!same) {
		snprintf(stream.epoch_value, sizeof(stream.epoch_value), "%s", epoch);
		epoch_derive(stream.epoch_value, strlen(stream.epoch_value), &stream.epoch);
	}
	if (!same || !stream.loaded) {
		stream.replaced |= !same;
		begin("another stream");
	} else if (pos_compare(info->last, stream.last) < 0) {
		/* Redis came back without what it had: it is another stream now. */
		stream_renew(&stream.commands, stream.epoch_value, probe);
	} else if (info->trimmed && pos_compare(info->first, stream.last) > 0) {
		begin("the stream was cut while it was not read");
	} else {
		stream.may_read = true;
		read_more();
		replay_resume();
	}
}

static void
on_probed(const char *epoch, const struct stream_info *info)
{
	stream.probing = false;
	if (!both_up())
		return;
	stream.answered_ms = loop_now();
	if (!epoch) {
		rds_reset(&stream.commands, "it is not ready"); /* LOADING, for instance */
		return;
	}
	stream.probed = true;
	decide(epoch, info);
	health_changed();
}

static void
probe(void)
{
	if (!stream.probing && both_up())
		stream.probing = stream_probe(&stream.commands, on_probed);
}

static void
on_watched(void *ctx, const redisReply *reply)
{
	(void)ctx;
	if (reply)
		stream.answered_ms = loop_now();
	if (reply && stream.loaded &&
	    (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, stream.epoch_value)))
		probe();
}

/* Now and then: is it still there, and still the same stream? */
static void
on_watch(struct timer *t)
{
	loop_timer(t, WATCH_MS);
	if (both_up())
		rds_command(&stream.commands, on_watched, NULL, "GET rt:epoch");
}

/* A connection came or went. */
/* What was written while Redis was gone is published later. */
static void
note_absence(void)
{
	if (both_up() && stream.gone_ms)
		predecessor_redis_was_gone(stream.gone_ms, loop_wall());
	else if (!both_up() && !stream.gone_ms)
		predecessor_redis_was_gone(stream.gone_ms = loop_wall(), INT64_MAX / 2);
	if (both_up())
		stream.gone_ms = 0;
}

static void
on_change(struct rds *r)
{
	note_absence();
	if (r == &stream.reader && !r->up)
		stream.reading = false;
	stream.may_read = stream.probed = false;
	probe();
	health_changed();
}

void
stream_start(void)
{
	stream.chunk_tail = &stream.chunk;
	stream.gap.fire = on_gap;
	stream.watch.fire = on_watch;
	stream.reader =
	    (struct rds){.name = "reader", .changed = on_change, .patience_ms = BLOCK_MS};
	stream.commands = (struct rds){.name = "commands", .changed = on_change};
	stream.order = order_new(&live_ops, NULL, conf_int("relay.gap_ms"));
	rds_start(&stream.reader);
	rds_start(&stream.commands);
	loop_timer(&stream.watch, WATCH_MS);
}

void
stream_stop(void)
{
	loop_timer_stop(&stream.watch);
	rds_stop(&stream.reader);
	rds_stop(&stream.commands);
}
