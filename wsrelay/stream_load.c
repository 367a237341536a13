/* stream_load: see stream_load.h. */
#include "stream_load.h"

#include <inttypes.h>
#include <string.h>
#include "log.h"
#include "stream.h"
#include "stream_reply.h"

/* An event may be in the stream twice, a few seconds apart at most.  If the load cut between the
 * two, the second would look new; so the first seconds of a load serve only to recognise what
 * follows. */
enum { WARM_MS = 10000 };

static struct {
	struct rds *commands;
	size_t bytes, want;
	void (*done)(struct stream_past *past);
	struct stream_past past;
	struct rt_pos oldest;
	bool any;
	uintptr_t generation;
} load;

static void
forget(void)
{
	while (load.past.events) {
		struct rt_event *ev = load.past.events;

		load.past.events = ev->next;
		rt_event_free(ev);
	}
}

static void
finish(const struct stream_info *info, bool whole)
{
	struct rt_pos warm = {load.oldest.ms + WARM_MS, 0};

	if (whole && !info->trimmed)
		load.past.floor = (struct rt_pos){0, 0};
	else if (whole)
		load.past.floor = load.oldest; /* what was before it we cannot know */
	else
		load.past.floor = pos_compare(warm, load.past.last) < 0 ? warm : load.past.last;
	load.past.edge_ms = whole && !info->trimmed ? 0 : load.oldest.ms;
	load.done(&load.past);
}

static void
on_info(void *ctx, const redisReply *reply)
{
	struct stream_info info;

	if ((uintptr_t)ctx != load.generation)
		return;
	if (!stream_read_info(reply, &info)) {
		forget();
		return;
	}
	if (!load.any)
		load.past.last = load.oldest = info.last;
	finish(&info, load.bytes < load.want);
}

static void
prepend(const redisReply *entry)
{
	struct rt_pos pos;
	struct rt_event *ev = stream_read_entry(entry, &pos);

	if (!load.any)
		load.past.last = pos;
	load.any = true;
	load.oldest = pos;
	if (!ev)
		return;
	if (!load.past.events)
		load.past.last_event = pos;
	ev->next = load.past.events;
	load.past.events = ev;
	load.bytes += ev->size;
}

static void ask(const char *end);

static void
on_chunk(void *ctx, const redisReply *reply)
{
	char end[48];

	if ((uintptr_t)ctx != load.generation)
		return;
	if (!reply || reply->type != REDIS_REPLY_ARRAY) {
		log_error(
		    "the stream cannot be loaded", "why", reply ? reply->str : "connection lost");
		forget();
		return;
	}
	for (size_t i = 0; i < reply->elements; i++)
		prepend(reply->element[i]);
	if (reply->elements < STREAM_CHUNK || load.bytes >= load.want) {
		rds_command(load.commands, on_info, ctx, "XINFO STREAM rt");
		return;
	}
	snprintf(end, sizeof(end), "(%" PRIu64 "-%" PRIu64, load.oldest.ms, load.oldest.n);
	ask(end);
}

static void
ask(const char *end)
{
	rds_command(load.commands, on_chunk, (void *)load.generation, "XREVRANGE rt %s - COUNT %d",
	    end, STREAM_CHUNK);
}

void
stream_load(struct rds *commands, size_t bytes, void (*done)(struct stream_past *past))
{
	uintptr_t generation = load.generation + 1;

	forget();
	memset(&load, 0, sizeof(load));
	load.commands = commands;
	load.want = bytes;
	load.done = done;
	load.generation = generation;
	ask("+");
}
