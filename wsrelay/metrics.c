/* metrics: see metrics.h. */
#include "metrics.h"

#include <stddef.h>
#include <string.h>
#include "account.h"
#include "capacity.h"
#include "conn.h"
#include "deliver.h"
#include "evlog.h"
#include "fcgi_call.h"
#include "fcgi_call.h"
#include "pg.h"
#include "share.h"
#include "stream.h"

static struct metrics nowhere; /* until the process has a slot */
struct metrics *metrics = &nowhere;

const double metrics_bounds[TIME_BUCKETS - 1] = {
    .001, .002, .005, .01, .025, .05, .1, .25, 1, 2.5, 10};

void
metrics_time(struct histogram *h, double seconds)
{
	int i = 0;

	if (seconds < 0)
		seconds = 0; /* another clock is ahead of ours */
	while (i < TIME_BUCKETS - 1 && seconds > metrics_bounds[i])
		i++;
	h->bucket[i]++;
	h->count++;
	h->sum_us += (uint64_t)(seconds * 1e6);
}

static void
count_code(struct metrics *m, uint64_t code, uint64_t n)
{
	int i = 0;

	while (i < METRICS_CODES - 1 && m->closed[i].n && m->closed[i].code != code)
		i++;
	m->closed[i].code = i < METRICS_CODES - 1 ? code : 0;
	m->closed[i].n += n;
}

void
metrics_closed(unsigned code)
{
	count_code(metrics, code, 1);
}

void
metrics_add(struct metrics *sum, const struct metrics *one)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)one;

	for (size_t i = 0; i < offsetof(struct metrics, closed) / sizeof(*to); i++)
		to[i] += from[i];
	for (int i = 0; i < METRICS_CODES; i++)
		if (one->closed[i].n)
			count_code(sum, one->closed[i].code, one->closed[i].n);
}

void
metrics_note(void)
{
	struct gauges now = {.signed_in = conn_count_live(),
	    .accounts = account_count(),
	    .slow = deliver_slow(),
	    .calls = (uint64_t)fcgi_calls_running(),
	    .log_entries = evlog_entries(),
	    .log_bytes = evlog_bytes(),
	    .backlog = stream_backlog(),
	    .capacity = (uint64_t)capacity_own(),
	    .lag_us = (uint64_t)(stream_lag() * 1e6),
	    .redis_up = stream_connected(),
	    .database_up = pg_up()};
	struct order_counts counts = stream_counts();

	memcpy(now.upgraded, conn_count_upgraded(), sizeof(now.upgraded));
	share_mine->gauges = now;
	metrics->duplicates = counts.duplicates;
	metrics->gaps_waited = counts.gaps_waited;
	metrics->gaps_given_up = counts.gaps_given_up;
	metrics->late = counts.late;
}
