/* metrics: see metrics.h. */
#include "metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "conf.h"
#include "deliver.h"
#include "sweep.h"

static struct {
	uint64_t runs, failures, rows, us;
} counts[METRICS_JOBS];

void
metrics_ran(int job, int err, int64_t rows, int64_t us)
{
	counts[job].runs++;
	counts[job].failures += err != 0;
	counts[job].rows += (uint64_t)rows;
	counts[job].us += (uint64_t)us;
}

static bool ours; /* the file; another daemon may work in the same run directory */

static void
counter(FILE *f, const char *name, const char *help)
{
	fprintf(f, "# HELP rookery_jobs_%s %s\n# TYPE rookery_jobs_%s counter\n", name, help, name);
}

static void
gauge(FILE *f, const char *name, const char *help, double value)
{
	fprintf(f,
	    "# HELP rookery_jobs_%s %s\n# TYPE rookery_jobs_%s gauge\nrookery_jobs_%s %.15g\n",
	    name, help, name, name, value);
}

static void
put(FILE *f, const struct job *jobs, int n)
{
	counter(f, "runs_total", "Times a job ran");
	for (int i = 0; i < n; i++)
		fprintf(f, "rookery_jobs_runs_total{job=\"%s\"} %" PRIu64 "\n", jobs[i].name,
		    counts[i].runs);
	counter(f, "failures_total", "Times a job failed");
	for (int i = 0; i < n; i++)
		fprintf(f, "rookery_jobs_failures_total{job=\"%s\"} %" PRIu64 "\n", jobs[i].name,
		    counts[i].failures);
	counter(f, "rows_total", "Rows a job changed, events the sweeper repeated");
	for (int i = 0; i < n; i++)
		fprintf(f, "rookery_jobs_rows_total{job=\"%s\"} %" PRIu64 "\n", jobs[i].name,
		    counts[i].rows);
	counter(f, "seconds_total", "Time spent in a job");
	for (int i = 0; i < n; i++)
		fprintf(f, "rookery_jobs_seconds_total{job=\"%s\"} %.6f\n", jobs[i].name,
		    (double)counts[i].us / 1e6);
	gauge(f, "deliveries", "Invitations being delivered", deliveries_open());
	gauge(f, "swept_timestamp_seconds", "Events made before have been in the stream",
	    (double)sweep_mark() / 1e3);
	gauge(f, "heartbeat_timestamp_seconds", "When this was written",
	    (double)(clock_now() / 1000) / 1e3);
}

void
metrics_write(const struct job *jobs, int n)
{
	char dir[512], fresh[512], final[512];
	FILE *f;

	conf_run_path(dir, sizeof dir, "stats");
	conf_run_path(fresh, sizeof fresh, "stats/.jobs.prom");
	conf_run_path(final, sizeof final, "stats/jobs.prom");
	mkdir(dir, 0755);
	if (!(f = fopen(fresh, "we")))
		return;
	put(f, jobs, n);
	ours = fclose(f) == 0 && rename(fresh, final) == 0;
}

void
metrics_remove(void)
{
	char final[512];

	if (ours)
		unlink(conf_run_path(final, sizeof final, "stats/jobs.prom"));
}
