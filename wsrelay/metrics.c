/* metrics: see metrics.h. */
#include "metrics.h"

#include <inttypes.h>
#include "account.h"
#include "buf.h"
#include "conn.h"
#include "evlog.h"
#include "fcgi_call.h"
#include "pg.h"
#include "stream.h"

enum { CODES = 24 };

struct metrics metrics;

static const double lag_bounds[LAG_BUCKETS - 1] = {
    .001, .002, .005, .01, .025, .05, .1, .25, 1, 2.5, 10};

static struct {
	unsigned code;
	uint64_t n;
} closed[CODES]; /* in the order of their first appearance; the last place takes the rest, as 0 */

void
metrics_lag(double seconds)
{
	int i = 0;

	if (seconds < 0)
		seconds = 0; /* Redis' clock is ahead of ours */
	while (i < LAG_BUCKETS - 1 && seconds > lag_bounds[i])
		i++;
	metrics.lag_bucket[i]++;
	metrics.lag_count++;
	metrics.lag_sum += seconds;
}

void
metrics_closed(unsigned code)
{
	int i = 0;

	while (i < CODES - 1 && closed[i].n && closed[i].code != code)
		i++;
	closed[i].code = i < CODES - 1 ? code : 0;
	closed[i].n++;
}

static void
one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	buf_printf(out,
	    "# HELP rookery_relay_%s %s\n# TYPE rookery_relay_%s %s\nrookery_relay_%s %.15g\n",
	    name, help, name, type, name, value);
}

static void
counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	one(out, name, "counter", help, (double)value);
}

static void
gauge(struct buf *out, const char *name, const char *help, double value)
{
	one(out, name, "gauge", help, value);
}

static void
labelled(struct buf *out, const char *name, const char *label, const char *value, uint64_t n)
{
	buf_printf(out, "rookery_relay_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, n);
}

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP rookery_relay_%s %s\n# TYPE rookery_relay_%s %s\n", name, help,
	    name, type);
}

static void
count_surface(struct conn *c, void *counts)
{
	((uint64_t *)counts)[c->dialect]++;
}

static void
connections(struct buf *out)
{
	uint64_t of[DIALECTS] = {0};

	conn_each(count_surface, of);
	head(out, "connections", "gauge", "Upgraded connections by surface");
	for (int i = 0; i < dialect_count(); i++)
		labelled(out, "connections", "surface", dialect_at(i)->surface, of[i]);
	gauge(out, "sockets", "Open client sockets", (double)conn_count());
	gauge(out, "signed_in", "Connections that are signed in", (double)conn_count_live());
	gauge(out, "accounts", "Accounts that are connected or in the log or cache",
	    (double)account_count());
	counter(out, "accepted_total", "Sockets accepted", metrics.accepted);
	counter(out, "refused_total", "Requests refused before an upgrade", metrics.refused);
	counter(out, "handshakes_total", "Upgrades", metrics.handshakes);
	counter(out, "sign_ins_total", "Successful sign-ins", metrics.sign_ins);
	counter(out, "sign_ins_failed_total", "Failed sign-ins", metrics.sign_ins_failed);
	head(
	    out, "disconnects_total", "counter", "Ended connections by close code; 1006 just went");
	for (int i = 0; i < CODES; i++)
		if (closed[i].n)
			buf_printf(out,
			    "rookery_relay_disconnects_total{code=\"%u\"} %" PRIu64 "\n",
			    closed[i].code, closed[i].n);
}

static void
events(struct buf *out)
{
	const struct order_counts *o = stream_counts();

	counter(out, "events_in_total", "Entries read from the stream", metrics.events_in);
	counter(out, "events_bad_total", "Entries that are not events", metrics.events_bad);
	counter(out, "events_duplicate_total", "Events dropped because they came before",
	    o->duplicates);
	counter(
	    out, "gaps_waited_total", "Messages held for a missing predecessor", o->gaps_waited);
	counter(out, "gaps_given_up_total", "Messages delivered without their predecessor",
	    o->gaps_given_up);
	counter(
	    out, "late_total", "Messages that came after their successor was delivered", o->late);
	gauge(out, "backlog", "Events read and not yet in the log", (double)stream_backlog());
	gauge(out, "log_entries", "Events in the log", (double)evlog_entries());
	gauge(out, "log_bytes", "Memory of the log", (double)evlog_bytes());
	counter(
	    out, "member_cache_hits_total", "Members known when asked for", metrics.member_hits);
	counter(out, "member_cache_misses_total", "Members looked up", metrics.member_misses);
	counter(out, "resyncs_total", "Times that all clients were told to synchronise",
	    metrics.resyncs);
	head(out, "resumes_total", "counter", "Verdicts on cursors");
	labelled(out, "resumes_total", "verdict", "recovered_from_log", metrics.resume_live);
	labelled(out, "resumes_total", "verdict", "recovered_from_stream", metrics.resume_replayed);
	labelled(out, "resumes_total", "verdict", "not_recovered", metrics.resume_failed);
}

static void
lag(struct buf *out)
{
	uint64_t n = 0;

	gauge(out, "lag_seconds", "Age of the oldest event that waits; 0 when none does",
	    stream_lag());
	head(out, "delay_seconds", "histogram", "From XADD to the log");
	for (int i = 0; i < LAG_BUCKETS - 1; i++) {
		n += metrics.lag_bucket[i];
		buf_printf(out, "rookery_relay_delay_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
		    lag_bounds[i], n);
	}
	buf_printf(out,
	    "rookery_relay_delay_seconds_bucket{le=\"+Inf\"} %" PRIu64
	    "\nrookery_relay_delay_seconds_sum %.6f\nrookery_relay_delay_seconds_count %" PRIu64
	    "\n",
	    metrics.lag_count, metrics.lag_sum, metrics.lag_count);
}

static void
calls(struct buf *out)
{
	head(out, "answers_total", "counter", "Requests and commands answered, by status");
	for (int i = 2; i < 6; i++)
		labelled(out, "answers_total", "status",
		    (const char *[]){"2xx", "3xx", "4xx", "5xx"}[i - 2], metrics.answers[i]);
	counter(out, "calls_total", "Operations called for clients", metrics.calls);
	counter(out, "calls_retried_total", "Calls made again, for the app had not begun",
	    metrics.calls_retried);
	counter(out, "calls_failed_total", "Calls without an answer", metrics.calls_failed);
	counter(out, "calls_late_total", "Calls given up after relay.call_timeout",
	    metrics.calls_late);
	counter(out, "calls_abandoned_total", "Calls whose client went away",
	    metrics.calls_abandoned);
	one(out, "calls_seconds_total", "counter", "Time of calls together", metrics.calls_seconds);
	counter(out, "queue_out_total", "Messages sent from devices' queues", metrics.queue_out);
	counter(out, "acks_total", "Messages acknowledged over sockets", metrics.acks);
	gauge(out, "calls_running", "Calls under way", (double)fcgi_calls_running());
}

void
metrics_text(struct buf *out)
{
	connections(out);
	events(out);
	lag(out);
	calls(out);
	counter(out, "frames_out_total", "Event frames written", metrics.frames_out);
	counter(out, "bytes_out_total", "Bytes written", metrics.bytes_out);
	counter(out, "writes_total", "System calls that wrote", metrics.writes);
	counter(out, "messages_in_total", "Messages of clients", metrics.messages_in);
	counter(out, "bytes_in_total", "Bytes read", metrics.bytes_in);
	counter(out, "slow_total", "Times a socket was full", metrics.slow);
	counter(out, "shed_total", "Typing and presence not sent to those behind", metrics.shed);
	counter(out, "lost_place_total", "Clients that fell out of the log", metrics.lost_place);
	gauge(out, "redis_up", "Is Redis connected", stream_connected());
	gauge(out, "database_up", "Is PostgreSQL connected", pg_up());
}
