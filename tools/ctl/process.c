/* process: see process.h. */
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf.h"

static long
own_pss(pid_t pid)
{
	char path[64], line[256];
	long pss = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (!(f = fopen(path, "re")))
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %ld kB", &pss) == 1)
			break;
	fclose(f);
	return pss;
}

/* Call fn for the process and everything below it. */
static void
walk(pid_t pid, void (*fn)(pid_t pid, void *arg), void *arg)
{
	char path[80];
	int child;
	FILE *f;

	fn(pid, arg);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	if (!(f = fopen(path, "re")))
		return;
	while (fscanf(f, "%d", &child) == 1)
		walk(child, fn, arg);
	fclose(f);
}

static void
add_pss(pid_t pid, void *arg)
{
	*(long *)arg += own_pss(pid);
}

static void
add_one(pid_t pid, void *arg)
{
	(void)pid;
	++*(int *)arg;
}

long
process_tree_pss(pid_t pid)
{
	long sum = 0;

	walk(pid, add_pss, &sum);
	return sum;
}

int
process_descendants(pid_t pid)
{
	int n = -1;

	walk(pid, add_one, &n);
	return n;
}

int64_t
process_age(pid_t pid)
{
	char path[64], text[1024];
	unsigned long long start;
	double up;
	char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!(f = fopen(path, "re")))
		return -1;
	p = fgets(text, sizeof(text), f);
	fclose(f);
	/* The name in parentheses may hold anything; the start time is the 20th field after it. */
	if (!p || !(p = strrchr(text, ')')) ||
	    sscanf(p + 1,
		" %*c" /* 3 */
		" %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		&start) != 1)
		return -1;
	if (!(f = fopen("/proc/uptime", "re")))
		return -1;
	if (fscanf(f, "%lf", &up) != 1)
		up = 0;
	fclose(f);
	return (int64_t)up - (int64_t)(start / (unsigned long long)sysconf(_SC_CLK_TCK));
}

pid_t
process_of_service(const char *name)
{
	char relative[300], path[1024];
	int pid = 0;
	FILE *f;

	snprintf(relative, sizeof(relative), "service/%s/supervise/pid", name);
	if (!(f = fopen(conf_run_path(path, sizeof(path), relative), "re")))
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}
