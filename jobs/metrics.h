/*
 * metrics: what the daemon did, in RUN/stats/jobs.prom as Prometheus text (exposition format
 * 0.0.4), which /metrics includes.  The file is replaced as a whole, and gone when the daemon has
 * stopped; its heartbeat tells whether it lives.
 *
 *	metrics_ran(place_of_the_job_in_the_table, err, rows, us);
 *	metrics_write(jobs, n_jobs);
 */
#ifndef JOBS_METRICS_H
#define JOBS_METRICS_H

#include <stdint.h>
#include "job.h"

enum { METRICS_JOBS = 16 };

void metrics_ran(int job, int err, int64_t rows, int64_t us);
void metrics_write(const struct job *jobs, int n);
void metrics_remove(void);

#endif
