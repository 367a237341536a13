/*
 * stats: what an app's workers count, in a file they all map (RUN/stats/SURFACE-FAMILY).
 *
 * The master creates the file; workers add with atomic operations; `rookery status` and /metrics
 * read it without asking anybody.  Layout: one struct stats, then n_ops struct stats_op.
 */
#ifndef ROOKERY_STATS_H
#define ROOKERY_STATS_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "contract.h"

enum { STATS_MAGIC = 0x524b5331, STATS_BUCKETS = 12, STATS_OP_NAME = 64, STATS_MAX_WORKERS = 64 };

struct stats_op {
	char name[STATS_OP_NAME];
	_Atomic uint64_t by_class[6]; /* replies 1xx to 5xx at their digit */
	_Atomic uint64_t bucket[STATS_BUCKETS]; /* by duration; bounds in stats_bounds_us */
	_Atomic uint64_t total_us;
};

struct stats {
	uint32_t magic, n_ops;
	char surface[32], family[32];
	_Atomic int32_t master, generation; /* generation counts restarts in place */
	_Atomic int64_t started_us;
	_Atomic int32_t workers;
	_Atomic int32_t worker[STATS_MAX_WORKERS]; /* pids, 0 where free */
	_Atomic int32_t busy[STATS_MAX_WORKERS];   /* 1 while that worker serves a batch */
	_Atomic uint64_t requests, errors, batches;
	struct stats_op op[];
};

extern const int64_t stats_bounds_us[STATS_BUCKETS]; /* upper bounds; the last is INT64_MAX */

/* Map RUN/stats/SURFACE-FAMILY for the family, creating it or keeping counts of an earlier run of the same
 * operations.  Aborts with a message when the file cannot be made. */
struct stats *stats_create(const struct family *f);
int stats_busy(const struct stats *s); /* workers serving at this moment */
/* Count one reply. */
void stats_count(struct stats *s, int op, int status, int64_t duration_us);
/* Map an existing file read-only; NULL when it is not one.  stats_unmap when done. */
const struct stats *stats_open(const char *path, size_t *size);
void stats_unmap(const struct stats *s, size_t size);
/* All apps' counters as Prometheus text (exposition format 0.0.4) in the arena. */
struct arena;
char *stats_prometheus(struct arena *a);

#endif
