/* now: see now.h. */
#include "now.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "conn.h"
#include "id.h"
#include "members.h"
#include "metrics.h"
#include "presence.h"
#include "rds.h"
#include "stream.h"
#include "stream_reply.h"
#include "watch.h"

enum {
	BLOCK_MS = 5000,
	CHUNK = 500,
	KEEP = 10000,    /* entries */
	WAITING = 1000,  /* events whose members are being looked up */
	STALE_MS = 5000, /* we slept: nobody wants it any more */
};

static struct {
	struct rds reader;
	struct rt_pos last;
	bool placed; /* .last is known */
	struct rt_event *waiting, **tail;
	int n_waiting;
	bool slept;
} now;

bool
now_up(void)
{
	return now.reader.up && stream_commands()->up;
}

/* ---- publishing ----------------------------------------------------------------------------- */

static void
on_added(void *unused, const redisReply *reply)
{
	(void)unused;
	(void)reply; /* what was not added is lost, as it may be */
}

bool
now_publish(const struct now_event *ev)
{
	char conversation[UID_TEXT + 1] = "", account[UID_TEXT + 1] = "", version[24] = "";
	char id[ID_SIZE];

	if (ev->conversation) {
		uid_text(*ev->conversation, conversation);
		snprintf(version, sizeof(version), "%" PRId64, ev->version);
	} else {
		uid_text(*ev->account, account);
	}
	id_new(id);
	metrics->now_out++;
	return rds_command(stream_commands(), on_added, NULL,
	    "XADD rt:now MAXLEN ~ %d * id %s t %s c %s v %s to %s but %s j %s", KEEP, id, ev->type,
	    conversation, version, account, ev->but ? ev->but : "", ev->payload);
}

/* ---- giving --------------------------------------------------------------------------------- */

void
now_shared_free(struct now_shared *shared)
{
	for (int i = 0; i < DIALECTS; i++)
		frame_put(shared->frame[i]);
}

void
now_tell(struct conn *c, const struct rt_event *ev, struct now_shared *shared)
{
	struct frame **f = &shared->frame[c->dialect];

	if (c->state != CONN_LIVE || c->fenced)
		return;
	if (c->want_out) {
		metrics->shed++;
		return;
	}
	if (!*f)
		*f = dialect_at(c->dialect)->event(ev, NULL, 0, "", 0);
	conn_write(c, frame_bytes(*f), frame_size(*f));
	metrics->frames_out++;
}

static bool
told_to(const struct rt_event *ev, const struct account *a)
{
	for (uint32_t i = 0; i < ev->n_but; i++)
		if (uid_same(ev->but[i], a->id))
			return false;
	return true;
}

static void
give_account(const struct rt_event *ev, const struct account *a, struct now_shared *shared)
{
	struct conn *c, *next;

	if (!told_to(ev, a))
		return;
	for (c = a->conns; c; c = next) {
		next = c->next_of_account;
		now_tell(c, ev, shared);
	}
}

static void
give(const struct rt_event *ev)
{
	struct now_shared shared = {0};

	for (uint32_t i = 0; i < ev->members->n; i++)
		give_account(ev, ev->members->account[i], &shared);
	now_shared_free(&shared);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void
take(struct rt_event *ev)
{
	bool stale = loop_wall() - (int64_t)ev->pos.ms > STALE_MS;

	metrics->now_in++;
	now.slept |= stale;
	if (ev->version < 0) {
		presence_heard(ev);
		rt_event_free(ev);
	} else if (stale || now.n_waiting == WAITING) {
		metrics->shed++;
		rt_event_free(ev);
	} else if (stream_known(NULL, ev)) {
		give(ev);
		rt_event_free(ev);
	} else {
		ev->next = NULL;
		*now.tail = ev;
		now.tail = &ev->next;
		now.n_waiting++;
	}
}

void
now_members_came(void)
{
	struct rt_event *ev, *list = now.waiting;

	now.waiting = NULL;
	now.tail = &now.waiting;
	now.n_waiting = 0;
	while ((ev = list)) {
		list = ev->next;
		take(ev);
	}
}

static void read_more(void);

static void
on_read(void *unused, const redisReply *reply)
{
	const redisReply *entries;

	(void)unused;
	if (!reply)
		return; /* the connection went; on_change() begins anew */
	if (reply->type == REDIS_REPLY_ERROR) {
		rds_reset(&now.reader, reply->str);
		return;
	}
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements) {
		entries = reply->element[0]->element[1];
		for (size_t i = 0; i < entries->elements; i++) {
			struct rt_event *ev = stream_read_entry(entries->element[i], &now.last);

			if (ev)
				take(ev);
		}
	}
	if (now.slept) /* and what was cut off meanwhile, nobody has seen */
		watch_ask_again();
	now.slept = false;
	read_more();
}

static void
read_more(void)
{
	rds_command(&now.reader, on_read, NULL,
	    "XREAD COUNT %d BLOCK %d STREAMS rt:now %" PRIu64 "-%" PRIu64, CHUNK, BLOCK_MS,
	    now.last.ms, now.last.n);
}

/* Where it ends is where we begin: what was said while we were away is over. */
static void
on_end(void *unused, const redisReply *reply)
{
	(void)unused;
	if (!reply)
		return;
	if (reply->type != REDIS_REPLY_ARRAY) {
		rds_reset(&now.reader, reply->type == REDIS_REPLY_ERROR ? reply->str : "no stream");
		return;
	}
	now.last = (struct rt_pos){0, 0};
	if (reply->elements)
		stream_read_pos(reply->element[0]->element[0], &now.last);
	read_more();
}

static void
on_change(struct rds *r)
{
	if (r->up)
		rds_command(r, on_end, NULL, "XREVRANGE rt:now + - COUNT 1");
	presence_redis_changed();
}

void
now_start(void)
{
	now.tail = &now.waiting;
	now.reader = (struct rds){.name = "now", .changed = on_change, .patience_ms = BLOCK_MS};
	rds_start(&now.reader);
}

void
now_stop(void)
{
	rds_stop(&now.reader);
}
