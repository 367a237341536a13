/* stream_begin: which stream it is, where reading begins, and what is lost when it is another one;
 * see stream.h. */
#include <stdio.h>
#include <string.h>
#include "conf.h"
#include "conn.h"
#include "deliver.h"
#include "evlog.h"
#include "health.h"
#include "log.h"
#include "predecessor.h"
#include "replay.h"
#include "stream.h"
#include "stream_load.h"
#include "stream_probe.h"
#include "stream_reply.h"
#include "stream_state.h"

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
	stream.order = order_new(&stream_ops, NULL, conf_int("relay.gap_ms"));
	order_past(stream.order, true);
	order_warm_until(stream.order, past->floor.ms);
	order_edge(stream.order, past->edge_ms);
	if (stream.replaced) /* what jobs put into an empty stream, connected clients have had */
		order_inherit(stream.order, old);
	stream.counts = stream_add_counts(stream.counts, order_counts(old));
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
	stream_pump();
}

void
stream_begin(const char *why)
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
		stream_begin("another stream");
	} else if (pos_compare(info->last, stream.last) < 0) {
		/* Redis came back without what it had: it is another stream now. */
		stream_renew(&stream.commands, stream.epoch_value, probe);
	} else if (info->trimmed && pos_compare(info->first, stream.last) > 0) {
		stream_begin("the stream was cut while it was not read");
	} else {
		stream.may_read = true;
		stream_read_more();
		replay_resume();
	}
}

static void
on_probed(const char *epoch, const struct stream_info *info)
{
	stream.probing = false;
	if (!stream_both_up())
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
	if (!stream.probing && stream_both_up())
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
	if (stream_both_up())
		rds_command(&stream.commands, on_watched, NULL, "GET rt:epoch");
}

/* A connection came or went. */
/* What was written while Redis was gone is published later. */
static void
note_absence(void)
{
	if (stream_both_up() && stream.gone_ms)
		predecessor_redis_was_gone(stream.gone_ms, loop_wall());
	else if (!stream_both_up() && !stream.gone_ms)
		predecessor_redis_was_gone(stream.gone_ms = loop_wall(), INT64_MAX / 2);
	if (stream_both_up())
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
	stream.gap.fire = stream_on_gap;
	stream.watch.fire = on_watch;
	stream.reader =
	    (struct rds){.name = "reader", .changed = on_change, .patience_ms = BLOCK_MS};
	stream.commands = (struct rds){.name = "commands", .changed = on_change};
	stream.order = order_new(&stream_ops, NULL, conf_int("relay.gap_ms"));
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
