/* rk-ctl stats, ready and generation: what every service of the farm is doing. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf.h"
#include "ctl.h"
#include "process.h"
#include "stats.h"

static const struct stats *
open_stats(const char *name, size_t *size)
{
	char relative[300], path[1024];

	snprintf(relative, sizeof(relative), "stats/%s", name);
	return stats_open(conf_run_path(path, sizeof(path), relative), size);
}

/* ---- the table --------------------------------------------------------------------------- */

static void
print_age(int64_t seconds)
{
	char text[32];

	if (seconds < 60)
		snprintf(text, sizeof(text), "%" PRId64 " s", seconds);
	else if (seconds < 3600)
		snprintf(text, sizeof(text), "%" PRId64 " min", seconds / 60);
	else if (seconds < 2 * 86400)
		snprintf(text, sizeof(text), "%" PRId64 " h", seconds / 3600);
	else
		snprintf(text, sizeof(text), "%" PRId64 " d", seconds / 86400);
	printf(" %8s", text);
}

/* One line; the memory in kB.  Counters exist for apps only. */
static long
print_service(const char *name)
{
	size_t size;
	const struct stats *s = open_stats(name, &size);
	pid_t pid = process_of_service(name);
	long pss = 0;

	if (!pid) {
		printf("%-34s   (down)\n", name);
	} else {
		pss = process_tree_pss(pid);
		printf("%-34s %8d %8d", name, (int)pid, process_descendants(pid));
		print_age(process_age(pid));
		if (s)
			printf(" %10" PRIu64 " %8" PRIu64, s->requests, s->errors);
		else
			printf(" %10s %8s", "", "");
		printf(" %8.1f MB\n", (double)pss / 1024);
	}
	if (s)
		stats_unmap(s, size);
	return pss;
}

static int
is_service(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int
ctl_stats(int argc, char **argv)
{
	struct dirent **list;
	char path[1024];
	long farm = 0, servers = 0;
	int n;

	(void)argc;
	(void)argv;
	if (conf_load(NULL))
		return 1;
	n = scandir(conf_run_path(path, sizeof(path), "service"), &list, is_service, alphasort);
	if (n < 0) {
		fprintf(stderr, "rk-ctl: there is no farm in %s\n", conf_str("run.dir"));
		return 1;
	}
	printf("%-34s %8s %8s %8s %10s %8s %11s\n", "", "pid", "children", "up", "requests",
	    "errors", "memory");
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		bool server = !strcmp(name, "postgres") || !strcmp(name, "redis");

		*(server ? &servers : &farm) += print_service(name);
		free(list[i]);
	}
	free(list);
	if (process_of_service("wsrelay"))
		ctl_print_relay();
	printf("memory (PSS) of the farm %.1f MB, of PostgreSQL and Redis %.1f MB\n",
	    (double)farm / 1024, (double)servers / 1024);
	return 0;
}

/* ---- for scripts ------------------------------------------------------------------------- */

/* Is the supervised process the master of the counters, and has a worker of it been ready? */
static bool
is_ready(const char *name)
{
	size_t size;
	const struct stats *s = open_stats(name, &size);
	pid_t pid = process_of_service(name);
	bool ready;

	if (!s)
		return false;
	ready = pid && s->master == pid && s->generation > 0 && s->workers > 0;
	stats_unmap(s, size);
	return ready;
}

int
ctl_ready(int argc, char **argv)
{
	int bad = 0;

	if (conf_load(NULL))
		return 1;
	for (int i = 1; i < argc; i++) {
		if (!is_ready(argv[i])) {
			fprintf(stderr, "%s is not ready\n", argv[i]);
			bad = 1;
		}
	}
	return bad;
}

/* "STARTED GENERATION" of an app; both change when it restarts in place. */
int
ctl_generation(int argc, char **argv)
{
	size_t size;
	const struct stats *s;

	if (argc != 2 || conf_load(NULL) || !(s = open_stats(argv[1], &size)))
		return 1;
	printf("%" PRId64 " %" PRId32 "\n", s->started_us, s->generation);
	stats_unmap(s, size);
	return 0;
}
