/*
 * metrics: what a relay process counts.
 *
 * Plain words with one writer: there is one thread.  They lie in memory that all processes map
 * (share.h), so each can tell the sum (metrics_text.c), and nothing counted is lost when a process
 * hands over to another.  Gauges are written down a few times a second.
 *
 *	metrics->events_in++;
 *	metrics_closed(4408);
 */
#ifndef WSRELAY_METRICS_H
#define WSRELAY_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct buf;

enum { TIME_BUCKETS = 12, METRICS_CODES = 32, METRICS_SURFACES = 5 };

struct histogram {
	uint64_t bucket[TIME_BUCKETS], count, sum_us;
};

struct metrics { /* words of 64 bits only, up to .closed */
	uint64_t accepted, refused, handshakes, handed_over;
	uint64_t limited_address, limited_account, limited_rate; /* turned away by a limit */
	uint64_t sign_ins, sign_ins_failed;
	uint64_t events_in, events_bad, resyncs;
	uint64_t duplicates, gaps_waited, gaps_given_up, gaps_filled, late;
	uint64_t frames_out, bytes_out, writes, messages_in, bytes_in;
	uint64_t resume_live, resume_replayed,
	    resume_failed; /* verdicts; the first two are "recovered" */
	uint64_t slow;     /* times a connection had to wait for its socket */
	uint64_t shed;     /* typing and presence not sent to those behind */
	uint64_t lost_place;
	uint64_t member_hits, member_misses;
	uint64_t calls, calls_retried, calls_failed, calls_late, calls_abandoned;
	uint64_t answers[6]; /* to clients, by the first digit of the status */
	uint64_t queue_out, acks, acks_elsewhere, queue_looks;
	uint64_t typing_lookups;
	uint64_t now_in, now_out; /* typing and presence, between relays */
	struct histogram delay;   /* from XADD to the log */
	struct histogram ping;    /* from ping to pong */
	struct histogram calling; /* from a request of a client to its answer */
	struct histogram resume;  /* from the sign-in to the verdict */
	struct {
		uint64_t code, n;
	} closed[METRICS_CODES]; /* in the order of their first appearance; the last place takes
				    the rest, as 0 */
};

struct gauges { /* words of 64 bits only */
	uint64_t upgraded[METRICS_SURFACES];
	uint64_t signed_in, accounts, slow, calls, log_entries, log_bytes, backlog;
	uint64_t capacity;              /* clients it could take back in a second (capacity.h) */
	uint64_t lag_us;                /* the greatest of all processes counts */
	uint64_t redis_up, database_up; /* the least */
};

extern struct metrics *metrics; /* of this process */

extern const double metrics_bounds[TIME_BUCKETS - 1]; /* seconds */

void metrics_time(struct histogram *h, double seconds);
/* A connection ended: a close code of ours or the peer's, or 1006 for one that just went. */
void metrics_closed(unsigned code);
/* Add one process's counts to a sum. */
void metrics_add(struct metrics *sum, const struct metrics *one);
/* Write the gauges and counts of other modules down. */
void metrics_note(void);
void metrics_text(struct buf *out);

#endif
