/* stream: see stream.h.  Reading the tail is here; stream_begin.c decides where that begins,
 * stream_load.c fetches the past. */
#include "stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "conf.h"
#include "conn.h"
#include "evlog.h"
#include "health.h"
#include "log.h"
#include "members.h"
#include "metrics.h"
#include "missing.h"
#include "predecessor.h"
#include "queue.h"
#include "replay.h"
#include "sign_in.h"
#include "stream_reply.h"
#include "stream_state.h"
#include "typing.h"
#include "watch.h"

struct stream stream;

/* ---- what others ask ------------------------------------------------------------------------ */

bool
stream_both_up(void)
{
	return stream.reader.up && stream.commands.up;
}

bool
stream_connected(void)
{
	return stream_both_up() && stream.probed;
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

struct order_counts
stream_add_counts(struct order_counts a, const struct order_counts *b)
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
	return stream_add_counts(stream.counts, order_counts(stream.order));
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
stream_predecessor(void *ctx, struct rt_event *ev, uint64_t edge_ms)
{
	(void)ctx;
	if (!ev->predecessor)
		ev->predecessor = predecessor_get(ev->conversation, ev->seq, ev->pos.ms, edge_ms);
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
	if (stream.live) {
		typing_heard(ev);
		watch_relation(ev);
	}
	if (pos_compare(ev->pos, stream.live_from) > 0)
		metrics_time(&metrics->delay, (double)(loop_wall() - (int64_t)ev->pos.ms) / 1000);
	evlog_append(ev, &c);
}

static void
on_missing(void *ctx, struct uid conversation, int64_t from, int64_t to)
{
	(void)ctx;
	missing_ask(conversation, from, to);
}

const struct order_ops stream_ops = {stream_known, on_emit, stream_predecessor, on_missing};

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
	order_past(stream.order, false);
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

/* Is a missing message really missing?  Not while there is more to read, nor while nobody can
 * publish. */
static bool
time_passes(void)
{
	if (stream_backlog() > BACKLOG_PAUSE)
		return true;
	return stream.all_read && stream.may_read && loop_now() - stream.answered_ms < SILENCE_MS;
}

void
stream_pump(void)
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
	stream_read_more();
}

void
stream_on_gap(struct timer *t)
{
	(void)t;
	stream_pump();
}

void
stream_gone(struct uid conversation, int64_t seq)
{
	order_gone(stream.order, conversation, seq);
	stream_pump();
}

void
stream_members_came(void)
{
	stream_pump();
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
	stream_pump();
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

/* A full chunk may mean that we were asleep.  If the stream has been cut past our place, something
 * is lost, and not even the first event of the chunk may go out. */
static void
on_first_entry(void *ctx, const redisReply *reply)
{
	struct rt_pos first = {0, 0};

	stream.reading = false;
	if (!reply || !stream.may_read || (uintptr_t)ctx != stream.generation) {
		drop_chunk();
		stream_read_more();
		return;
	}
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements)
		stream_read_pos(reply->element[0]->element[0], &first);
	if (pos_compare(first, stream.last) > 0 && stream.last.ms) {
		drop_chunk();
		stream_begin("the stream was cut while it was not read");
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
		stream_read_more();
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY || !reply->elements) {
		if (reply->type == REDIS_REPLY_ERROR)
			rds_reset(&stream.reader, reply->str);
		stream_read_more();
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

void
stream_read_more(void)
{
	char from[48];

	if (!stream.may_read || stream.reading || stream_backlog() > BACKLOG_PAUSE)
		return;
	snprintf(from, sizeof(from), "%" PRIu64 "-%" PRIu64, stream.last.ms, stream.last.n);
	stream.reading = rds_command(&stream.reader, on_read, (void *)stream.generation,
	    "XREAD COUNT %d BLOCK %d STREAMS rt %s", chunk_size(), BLOCK_MS, from);
}
