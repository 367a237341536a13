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
		memset(s, 0, size);
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

static void
op_lines(struct buf *b, const struct stats *s, const struct stats_op *op)
{
	uint64_t seen = 0;

	for (int c = 1; c < 6; c++) {
		if (op->by_class[c])
			buf_printf(b,
			    "rookery_replies_total{surface=\"%s\",family=\"%s\",operation=\"%s\","
			    "class=\"%dxx\"} %lu\n",
			    s->surface, s->family, op->name, c, (unsigned long)op->by_class[c]);
	}
	for (int i = 0; i < STATS_BUCKETS; i++)
		seen += op->bucket[i];
	if (!seen)
		return;
	seen = 0;
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
app_lines(struct buf *b, const struct stats *s)
{
	const struct {
		const char *name;
		unsigned long value;
	} lines[] = {
	    {"rookery_app_workers", (unsigned long)s->workers},
	    {"rookery_app_busy_workers", (unsigned long)stats_busy(s)},
	    {"rookery_app_requests_total", (unsigned long)s->requests},
	    {"rookery_app_errors_total", (unsigned long)s->errors},
	    {"rookery_app_batches_total", (unsigned long)s->batches},
	};

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		buf_printf(b, "%s{surface=\"%s\",family=\"%s\"} %lu\n", lines[i].name, s->surface,
		    s->family, lines[i].value);
	for (uint32_t i = 0; i < s->n_ops; i++)
		op_lines(b, s, &s->op[i]);
}

char *
stats_prometheus(struct arena *a)
{
	struct buf b = buf_new(a);
	char dir[512], path[800];
	struct dirent *entry;
	DIR *d;

	buf_puts(&b,
	    "# TYPE rookery_app_workers gauge\n# TYPE rookery_app_busy_workers gauge\n"
	    "# TYPE rookery_app_requests_total counter\n# TYPE rookery_app_errors_total counter\n"
	    "# TYPE rookery_app_batches_total counter\n# TYPE rookery_replies_total counter\n"
	    "# TYPE rookery_request_seconds histogram\n");
	conf_run_path(dir, sizeof dir, "stats");
	if (!(d = opendir(dir)))
		return b.p;
	while ((entry = readdir(d))) {
		const struct stats *s;
		size_t size;

		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] == '.' || !(s = stats_open(path, &size)))
			continue;
		app_lines(&b, s);
		stats_unmap(s, size);
	}
	closedir(d);
	return b.p;
}
