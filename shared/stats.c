/* stats: see stats.h. */
#include "stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "conf.h"

const int64_t stats_bounds_us[STATS_BUCKETS] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 5000000, INT64_MAX};

static size_t
size_for(int n_ops)
{
	return sizeof(struct stats) + (size_t)n_ops * sizeof(struct stats_op);
}

/* Are these the counters of the same list of operations? */
static int
same_operations(const struct stats *s, const struct family *f)
{
	if (s->magic != STATS_MAGIC || s->n_ops != (uint32_t)f->n_ops)
		return 0;
	for (int i = 0; i < f->n_ops; i++) {
		if (strncmp(s->op[i].name, f->ops[i].id, STATS_OP_NAME - 1) != 0)
			return 0;
	}
	return 1;
}

struct stats *
stats_create(const struct family *f)
{
	char dir[512], path[600];
	size_t size = size_for(f->n_ops);
	struct stats *s;
	struct stat st;
	int fd;

	conf_run_path(dir, sizeof dir, "stats");
	mkdir(dir, 0755);
	snprintf(path, sizeof path, "%s/%s-%s", dir, f->surface, f->name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	/* Never made smaller: workers of before a restart may have it mapped at its old size. */
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (st.st_size < (off_t)size && ftruncate(fd, (off_t)size) < 0)) {
		perror(path);
		exit(1);
	}
	s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (s == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	if (!same_operations(s, f)) {
		int32_t generation = s->magic == STATS_MAGIC ? s->generation : 0;

		memset(s, 0, size);
		s->generation = generation; /* whoever waits for a restart sees it rise */
		s->magic = STATS_MAGIC;
		s->n_ops = (uint32_t)f->n_ops;
		snprintf(s->surface, sizeof s->surface, "%s", f->surface);
		snprintf(s->family, sizeof s->family, "%s", f->name);
		for (int i = 0; i < f->n_ops; i++)
			snprintf(s->op[i].name, STATS_OP_NAME, "%s", f->ops[i].id);
	}
	return s;
}

int
stats_busy(const struct stats *s)
{
	int n = 0;

	for (int i = 0; i < STATS_MAX_WORKERS; i++)
		n += s->worker[i] > 0 && s->busy[i];
	return n;
}

void
stats_count(struct stats *s, int op, int status, int64_t duration_us)
{
	int b = 0;

	atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
	if (status >= 500)
		atomic_fetch_add_explicit(&s->errors, 1, memory_order_relaxed);
	if (op < 0 || status < 100 || status > 599)
		return;
	while (duration_us > stats_bounds_us[b])
		b++;
	atomic_fetch_add_explicit(&s->op[op].by_class[status / 100], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->op[op].bucket[b], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->op[op].total_us, (uint64_t)duration_us, memory_order_relaxed);
}

const struct stats *
stats_open(const char *path, size_t *size)
{
	const struct stats *s;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof *s) {
		close(fd);
		return NULL;
	}
	s = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (s == MAP_FAILED)
		return NULL;
	*size = (size_t)st.st_size;
	if (s->magic != STATS_MAGIC || size_for((int)s->n_ops) > *size) {
		stats_unmap(s, *size);
		return NULL;
	}
	return s;
}

void
stats_unmap(const struct stats *s, size_t size)
{
	munmap((void *)s, size);
}

/* ---- as text ----------------------------------------------------------------------------- */

enum metric { WORKERS, BUSY, REQUESTS, ERRORS, BATCHES, REPLIES, SECONDS, METRICS };

static const struct {
	const char *name, *type;
} metrics[METRICS] = {
    [WORKERS] = {"rookery_app_workers", "gauge"},
    [BUSY] = {"rookery_app_busy_workers", "gauge"},
    [REQUESTS] = {"rookery_app_requests_total", "counter"},
    [ERRORS] = {"rookery_app_errors_total", "counter"},
    [BATCHES] = {"rookery_app_batches_total", "counter"},
    [REPLIES] = {"rookery_replies_total", "counter"},
    [SECONDS] = {"rookery_request_seconds", "histogram"},
};

/* The lines of one metric stand together, whatever app they come from. */
static void
histogram_lines(struct buf *b, const struct stats *s, const struct stats_op *op)
{
	uint64_t seen = 0;

	for (int i = 0; i < STATS_BUCKETS; i++) {
		char bound[32] = "+Inf";

		seen += op->bucket[i];
		if (i + 1 < STATS_BUCKETS)
			snprintf(bound, sizeof bound, "%g", (double)stats_bounds_us[i] / 1e6);
		buf_printf(b,
		    "rookery_request_seconds_bucket{surface=\"%s\",operation=\"%s\",le=\"%s\"} "
		    "%lu\n",
		    s->surface, op->name, bound, (unsigned long)seen);
	}
	buf_printf(b, "rookery_request_seconds_sum{surface=\"%s\",operation=\"%s\"} %g\n",
	    s->surface, op->name, (double)op->total_us / 1e6);
	buf_printf(b, "rookery_request_seconds_count{surface=\"%s\",operation=\"%s\"} %lu\n",
	    s->surface, op->name, (unsigned long)seen);
}

static void
op_lines(struct buf b[METRICS], const struct stats *s, const struct stats_op *op)
{
	uint64_t all = 0;

	for (int c = 1; c < 6; c++) {
		all += op->by_class[c];
		if (op->by_class[c])
			buf_printf(&b[REPLIES],
			    "rookery_replies_total{surface=\"%s\",family=\"%s\",operation=\"%s\","
			    "class=\"%dxx\"} %lu\n",
			    s->surface, s->family, op->name, c, (unsigned long)op->by_class[c]);
	}
	if (all)
		histogram_lines(&b[SECONDS], s, op);
}

static void
app_lines(struct buf b[METRICS], const struct stats *s)
{
	const unsigned long values[] = {
	    [WORKERS] = (unsigned long)s->workers,
	    [BUSY] = (unsigned long)stats_busy(s),
	    [REQUESTS] = (unsigned long)s->requests,
	    [ERRORS] = (unsigned long)s->errors,
	    [BATCHES] = (unsigned long)s->batches,
	};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		buf_printf(&b[i], "%s{surface=\"%s\",family=\"%s\"} %lu\n", metrics[i].name,
		    s->surface, s->family, values[i]);
	for (uint32_t i = 0; i < s->n_ops; i++)
		op_lines(b, s, &s->op[i]);
}

static void
all_lines(struct buf b[METRICS])
{
	char dir[512], path[800];
	struct dirent *entry;
	DIR *d;

	conf_run_path(dir, sizeof dir, "stats");
	if (!(d = opendir(dir)))
		return;
	while ((entry = readdir(d))) {
		const struct stats *s;
		size_t size;

		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] == '.' || !(s = stats_open(path, &size)))
			continue;
		app_lines(b, s);
		stats_unmap(s, size);
	}
	closedir(d);
}

char *
stats_prometheus(struct arena *a)
{
	struct buf out = buf_new(a), b[METRICS];

	for (int i = 0; i < METRICS; i++)
		b[i] = buf_new(a);
	all_lines(b);
	for (int i = 0; i < METRICS; i++) {
		buf_printf(&out, "# TYPE %s %s\n", metrics[i].name, metrics[i].type);
		buf_put(&out, b[i].p, b[i].n);
	}
	return out.p;
}
