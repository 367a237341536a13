/*
 * metrics: what the relay counts, and its text for Prometheus (exposition format 0.0.4).
 *
 * Plain words: there is one thread.  Gauges that others know (connections, accounts, log) are asked
 * for when the text is made.
 *
 *	metrics.events_in++;
 *	metrics_closed(4408);
 */
#ifndef WSRELAY_METRICS_H
#define WSRELAY_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;

enum { LAG_BUCKETS = 12 };

struct metrics {
	uint64_t accepted, refused, handshakes;
	uint64_t sign_ins, sign_ins_failed;
	uint64_t events_in, events_bad, resyncs;
	uint64_t frames_out, bytes_out, writes, messages_in, bytes_in;
	uint64_t resume_live, resume_replayed,
	    resume_failed; /* verdicts; the first two are "recovered" */
	uint64_t slow;     /* connections that had to wait for their socket */
	uint64_t shed;     /* typing and presence not sent to those behind */
	uint64_t lost_place;
	uint64_t member_hits, member_misses;
	uint64_t calls, calls_retried, calls_failed, calls_late, calls_abandoned;
	uint64_t answers[6]; /* to clients, by the first digit of the status */
	double calls_seconds;
	uint64_t queue_out, acks;
	uint64_t lag_bucket[LAG_BUCKETS], lag_count; /* from XADD to the log */
	double lag_sum, lag_last;                    /* seconds */
};

extern struct metrics metrics;

void metrics_lag(double seconds);
/* A connection ended: a close code of ours or the peer's, or 1006 for one that just went. */
void metrics_closed(unsigned code);
void metrics_text(struct buf *out);

#endif
