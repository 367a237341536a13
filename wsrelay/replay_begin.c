/* replay_begin: see replay_begin.h and replay.h. */
#include "replay_begin.h"

#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "capacity.h"
#include "conf.h"
#include "conn.h"
#include "deliver.h"
#include "evlog.h"
#include "health.h"
#include "limits.h"
#include "map.h"
#include "metrics.h"
#include "presence.h"
#include "queue.h"
#include "replay.h"
#include "replay_give.h"
#include "stream.h"
#include "watch.h"

enum { MOST_STEPS = 4096 }; /* back from the end of an account's list */

/* ---- verdicts ------------------------------------------------------------------------------- */

/* From now on it is served; the first time it hears the verdict before anything else. */
static void
go_live(struct conn *c, bool recovered, const char *cursor)
{
	struct ready r = {.recovered = recovered,
	    .cursor = cursor,
	    .account = c->account->id,
	    .session = c->session,
	    .heartbeat_seconds = (long)conf_int("relay.ping"),
	    .retry_ms =
		capacity_delay_ms(c->dialect, limits_account(c->dialect, c->account->id), false),
	    .expires_in = conn_expires_in(c)};

	c->state = CONN_LIVE;
	if (!c->ready) {
		c->ready = true;
		if (c->out && c->out->since_ms)
			metrics_time(
			    &metrics->resume, (double)(loop_now() - c->out->since_ms) / 1000);
		dialect_at(c->dialect)->ready(c, &r);
		health_tell(c);
	}
	if (c->wants_queue && c->next != UINT64_MAX)
		queue_begin(c, false);
	if (c->wants_presence)
		watch_partners(c);
	deliver_mark(c);
}

static void
forget(struct conn *c)
{
	if (!c->out)
		return;
	free(c->out->received);
	c->out->received = NULL;
	c->out->more = false;
}

static void
cursor_now(char text[CURSOR_TEXT])
{
	struct cursor now;

	stream_cursor(&now);
	cursor_format(NULL, &now, stream_epoch(), text);
}

static void
begin_now(struct conn *c)
{
	char text[CURSOR_TEXT];

	if (c->out)
		replay_drop(c);
	forget(c);
	c->next = c->account->end;
	cursor_now(text);
	go_live(c, false, text);
}

void
replay_refuse(struct conn *c)
{
	if (c->ready) { /* it was told that it would get everything */
		metrics->lost_place++;
		c->state = CONN_LIVE;
		conn_end(c, CLOSE_LOST_PLACE, "too far behind: sync over REST");
		return;
	}
	metrics->resume_failed++;
	begin_now(c);
}

/* ---- a place in the log --------------------------------------------------------------------- */

static bool
contains_all(const struct cursor *c, const struct cursor_set *set)
{
	for (int i = 0; i < set->parts; i++)
		if (!cursor_contains(c, &set->part[i]))
			return false;
	return true;
}

/* Does one of the cursors say everything that was logged up to this entry? */
static bool
set_contains(const struct cursor_set *set, const struct cursor *c)
{
	for (int i = 0; i < set->parts; i++)
		if (cursor_contains(&set->part[i], c))
			return true;
	return false;
}

/* Has it received nothing from place k on, and do the log's cursors say all that it has received?
 */
static bool
log_says_all(const struct conn *c, uint64_t k)
{
	const struct cursor_set *set = c->out->received;
	struct cursor first;

	if (k == c->account->end)
		stream_cursor(&first);
	else
		evlog_cursor(evlog_at(account_entry(c->account, k)), &first);
	if (!contains_all(&first, set))
		return false;
	for (; k < c->account->end; k++) {
		const struct rt_event *ev = evlog_at(account_entry(c->account, k))->ev;

		if (cursor_set_covers(set, ev->pos, rt_event_tag(ev), ev->seq))
			return false;
	}
	return true;
}

/* Where it goes on in its account's list.  Nearly always that is near the end, and then the log's
 * own cursors will do; otherwise it walks the list and passes over what it has. */
static void
find_place(struct conn *c)
{
	const struct account *a = c->account;
	uint64_t k = a->end;
	struct cursor at;

	for (int steps = 0; k > a->first; k--, steps++) {
		evlog_cursor(evlog_at(account_entry(a, k - 1)), &at);
		if (set_contains(c->out->received, &at))
			break;
		if (steps == MOST_STEPS)
			k = a->first + 1;
	}
	c->next = k;
	if (log_says_all(c, k))
		forget(c);
}

void
replay_in_log(struct conn *c, const char *text)
{
	if (c->out->more)
		c->next = UINT64_MAX; /* there is another pass before the log */
	else
		find_place(c);
	go_live(c, true, text);
}

enum replay_where
replay_where(const struct cursor_set *received)
{
	struct cursor now;

	stream_cursor(&now);
	if (pos_compare(cursor_set_low(received), evlog_floor()) < 0)
		return REPLAY_IN_STREAM;
	return pos_compare(cursor_set_high(received), now.at) <= 0 ? REPLAY_IN_LOG : REPLAY_AHEAD;
}

void
replay_give_log(struct conn *c)
{
	char text[CURSOR_TEXT];

	metrics->resume_live += !c->ready;
	cursor_format(c->out->received, NULL, stream_epoch(), text);
	replay_in_log(c, text);
}

static void
place(struct conn *c)
{
	if (replay_where(c->out->received) == REPLAY_IN_LOG)
		replay_give_log(c);
	else
		replay_wait(c);
}

void
replay_begin(struct conn *c, const char *resume, size_t n, int64_t since_ms)
{
	struct cursor_set *set;

	if (!resume) {
		begin_now(c);
		return;
	}
	conn_out(c)->since_ms = since_ms;
	set = must_alloc(sizeof(*set));
	if (cursor_parse(resume, n, stream_epoch(), set)) {
		free(set);
		replay_refuse(c);
		return;
	}
	c->out->received = set;
	place(c);
}

void
replay_adopt(struct conn *c, const struct cursor_set *received, bool same)
{
	char text[CURSOR_TEXT];

	presence_came(c);
	if (same && received->parts) {
		conn_out(c)->received = must_alloc(sizeof(*received));
		*c->out->received = *received;
		place(c);
		return;
	}
	if (!c->ready) {
		metrics->resume_failed++;
		begin_now(c);
		return;
	}
	c->state = CONN_LIVE;
	c->next = c->account->end;
	cursor_now(text);
	dialect_at(c->dialect)->resync(c, text);
	if (c->wants_queue)
		queue_begin(c, true);
}
