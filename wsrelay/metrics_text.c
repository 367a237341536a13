/* metrics_text: the sum of all processes for Prometheus (exposition format 0.0.4). */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include "buf.h"
#include "dialect.h"
#include "loop.h"
#include "metrics.h"
#include "share.h"

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP rookery_relay_%s %s\n# TYPE rookery_relay_%s %s\n", name, help,
	    name, type);
}

static void
one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	head(out, name, type, help);
	buf_printf(out, "rookery_relay_%s %.15g\n", name, value);
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
histogram(struct buf *out, const char *name, const char *help, const struct histogram *h)
{
	uint64_t n = 0;

	head(out, name, "histogram", help);
	for (int i = 0; i < TIME_BUCKETS - 1; i++) {
		n += h->bucket[i];
		buf_printf(out, "rookery_relay_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
		    metrics_bounds[i], n);
	}
	buf_printf(out,
	    "rookery_relay_%s_bucket{le=\"+Inf\"} %" PRIu64 "\nrookery_relay_%s_sum %.6f\n"
	    "rookery_relay_%s_count %" PRIu64 "\n",
	    name, h->count, name, (double)h->sum_us / 1e6, name, h->count);
}

/* ---- the parts ------------------------------------------------------------------------------ */

static void
connections(struct buf *out, const struct metrics *m, const struct gauges *g)
{
	char code[24];

	head(out, "connections", "gauge", "Upgraded connections by surface");
	for (int i = 0; i < dialect_count(); i++)
		labelled(out, "connections", "surface", dialect_at(i)->surface, g->upgraded[i]);
	gauge(out, "sockets", "Open client sockets", (double)share_sockets());
	gauge(out, "signed_in", "Connections that are signed in", (double)g->signed_in);
	gauge(out, "slow_connections", "Connections whose socket is full now", (double)g->slow);
	gauge(out, "accounts", "Accounts that are connected or in the log or cache",
	    (double)g->accounts);
	counter(out, "accepted_total", "Sockets accepted", m->accepted);
	counter(out, "refused_total", "Requests refused before an upgrade", m->refused);
	gauge(out, "capacity", "Clients that can be taken back in a second, as measured",
	    (double)g->capacity);
	head(out, "limited_total", "counter", "Connections turned away by a limit");
	labelled(out, "limited_total", "limit", "address", m->limited_address);
	labelled(out, "limited_total", "limit", "account", m->limited_account);
	labelled(out, "limited_total", "limit", "account_rate", m->limited_rate);
	counter(out, "handshakes_total", "Upgrades", m->handshakes);
	counter(out, "handed_over_total", "Connections passed to a new process", m->handed_over);
	counter(out, "sign_ins_total", "Successful sign-ins", m->sign_ins);
	counter(out, "sign_ins_failed_total", "Failed sign-ins", m->sign_ins_failed);
	head(
	    out, "disconnects_total", "counter", "Ended connections by close code; 1006 just went");
	for (int i = 0; i < METRICS_CODES; i++) {
		if (!m->closed[i].n)
			continue;
		snprintf(code, sizeof(code), "%" PRIu64, m->closed[i].code);
		labelled(out, "disconnects_total", "code", code, m->closed[i].n);
	}
}

static void
events(struct buf *out, const struct metrics *m, const struct gauges *g)
{
	counter(out, "events_in_total", "Entries read from the stream", m->events_in);
	counter(out, "events_bad_total", "Entries that are not events", m->events_bad);
	counter(out, "events_duplicate_total", "Events dropped because they came before",
	    m->duplicates);
	counter(
	    out, "gaps_waited_total", "Messages held for a missing predecessor", m->gaps_waited);
	counter(
	    out, "gaps_filled_total", "Missing messages fetched from PostgreSQL", m->gaps_filled);
	counter(out, "gaps_given_up_total", "Messages delivered without their predecessor",
	    m->gaps_given_up);
	counter(
	    out, "late_total", "Messages that came after their successor was delivered", m->late);
	gauge(out, "backlog", "Events read and not yet in the log", (double)g->backlog);
	gauge(out, "log_entries", "Events in the logs", (double)g->log_entries);
	gauge(out, "log_bytes", "Memory of the logs", (double)g->log_bytes);
	counter(out, "member_cache_hits_total", "Members known when asked for", m->member_hits);
	counter(out, "member_cache_misses_total", "Members looked up", m->member_misses);
	counter(out, "resyncs_total", "Times all clients were told to synchronise", m->resyncs);
	head(out, "resumes_total", "counter", "Verdicts on cursors");
	labelled(out, "resumes_total", "verdict", "recovered_from_log", m->resume_live);
	labelled(out, "resumes_total", "verdict", "recovered_from_stream", m->resume_replayed);
	labelled(out, "resumes_total", "verdict", "not_recovered", m->resume_failed);
}

static void
traffic(struct buf *out, const struct metrics *m, const struct gauges *g)
{
	gauge(out, "lag_seconds", "Age of the oldest event that waits; 0 when none does",
	    (double)g->lag_us / 1e6);
	histogram(out, "delay_seconds", "From XADD to the log", &m->delay);
	histogram(out, "ping_seconds", "From a ping to its pong", &m->ping);
	histogram(out, "resume_seconds", "From a sign-in to the verdict on its cursor", &m->resume);
	counter(out, "frames_out_total", "Event frames written", m->frames_out);
	counter(out, "bytes_out_total", "Bytes written", m->bytes_out);
	counter(out, "writes_total", "System calls that wrote", m->writes);
	counter(out, "messages_in_total", "Messages of clients", m->messages_in);
	counter(out, "bytes_in_total", "Bytes read", m->bytes_in);
	counter(out, "slow_total", "Times a socket was full", m->slow);
	counter(out, "shed_total", "Typing and presence not sent to those behind", m->shed);
	counter(out, "lost_place_total", "Clients that fell out of the log", m->lost_place);
	gauge(out, "redis_up", "Is Redis connected", (double)g->redis_up);
	gauge(out, "database_up", "Is PostgreSQL connected", (double)g->database_up);
}

static void
calls(struct buf *out, const struct metrics *m, const struct gauges *g)
{
	head(out, "answers_total", "counter", "Requests and commands answered, by status");
	for (int i = 2; i < 6; i++)
		labelled(out, "answers_total", "status",
		    (const char *[]){"2xx", "3xx", "4xx", "5xx"}[i - 2], m->answers[i]);
	counter(out, "calls_total", "Operations called for clients", m->calls);
	counter(out, "calls_retried_total", "Calls made again, for the app had not begun",
	    m->calls_retried);
	counter(out, "calls_failed_total", "Calls without an answer", m->calls_failed);
	counter(out, "calls_late_total", "Calls given up after relay.call_timeout", m->calls_late);
	counter(out, "calls_abandoned_total", "Calls whose client went away", m->calls_abandoned);
	histogram(out, "call_seconds", "From a request of a client to its answer", &m->calling);
	counter(out, "queue_out_total", "Messages sent from devices' queues", m->queue_out);
	counter(out, "acks_total", "Messages acknowledged over sockets", m->acks);
	counter(out, "acks_elsewhere_total", "Found acknowledged, or gone, behind a full window",
	    m->acks_elsewhere);
	counter(out, "queue_looks_total", "Times all in flight were looked up for that",
	    m->queue_looks);
	counter(out, "typing_lookups_total", "Times the database was asked who may type where",
	    m->typing_lookups);
	counter(out, "now_in_total", "Typing and presence read", m->now_in);
	counter(out, "now_out_total", "Typing and presence published", m->now_out);
	gauge(out, "calls_running", "Calls under way", (double)g->calls);
}

/* ---- all processes -------------------------------------------------------------------------- */

static void
add_gauges(struct gauges *sum, const struct gauges *one)
{
	for (int i = 0; i < METRICS_SURFACES; i++)
		sum->upgraded[i] += one->upgraded[i];
	sum->signed_in += one->signed_in;
	sum->accounts += one->accounts;
	sum->slow += one->slow;
	sum->calls += one->calls;
	sum->log_entries += one->log_entries;
	sum->log_bytes += one->log_bytes;
	sum->backlog += one->backlog;
	sum->capacity += one->capacity;
	if (one->lag_us > sum->lag_us)
		sum->lag_us = one->lag_us;
	sum->redis_up &= one->redis_up;
	sum->database_up &= one->database_up;
}

void
metrics_text(struct buf *out)
{
	struct metrics sum = share->retired;
	struct gauges gauges = {.redis_up = 1, .database_up = 1};

	metrics_note();
	for (int i = 0; i < SHARE_SLOTS; i++) {
		const struct share_slot *s = &share->slot[i];

		if (!s->pid)
			continue;
		metrics_add(&sum, &s->metrics);
		add_gauges(&gauges, &s->gauges);
	}
	gauge(out, "processes", "Processes that serve", share_count_alive());
	counter(out, "handovers_total", "Hand-overs to a new binary", share->generation);
	counter(out, "handovers_failed_total", "Hand-overs after which an old process went on",
	    share->failures);
	connections(out, &sum, &gauges);
	events(out, &sum, &gauges);
	traffic(out, &sum, &gauges);
	calls(out, &sum, &gauges);
}
