/* worker: see worker.h. */
#include "worker.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"
#include "conf.h"
#include "db.h"
#include "fcgi.h"
#include "log.h"
#include "serve.h"
#include "stats.h"

enum { CROWDED_BATCHES = 8, SLOW_BATCH_MS = 100, KEPT_BYTES = 2 << 20 };

static volatile sig_atomic_t stopping;

static void
on_stop(int sig)
{
	(void)sig;
	stopping = 1;
}

static void
tell(int fd, char what)
{
	if (write(fd, &what, 1) < 0 && errno != EAGAIN)
		stopping = 1; /* the master is gone */
}

/* Leave when others remain; the count is lowered here so that two idle workers cannot both leave.
 */
static void
leave_if_spare(struct stats *stats)
{
	int32_t now = atomic_load(&stats->workers);

	while (now > 1) {
		if (atomic_compare_exchange_weak(&stats->workers, &now, now - 1))
			exit(WORKER_IDLE_EXIT);
	}
}

/* Nothing to do for a while: give back connections and memory. */
static void
rest(struct stats *stats)
{
	leave_if_spare(stats);
	db_close();
	cache_close();
	serve_trim();
}

static int
watch(int listen_fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, listen_fd, &ev) < 0) {
		log_error("epoll failed");
		exit(1);
	}
	return fd;
}

static int64_t
elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Ask for another worker when all are busy: up to the number of processors when batches are crowded, beyond it
 * only when they are slow, for more workers than processors make smaller batches and nothing faster. */
static void
consider_growth(const struct worker *w, int batch, int64_t ms)
{
	static int crowded;
	int32_t workers = atomic_load(&w->stats->workers);

	if (stats_busy(w->stats) < workers || workers >= conf_int("workers.max")) {
		crowded = 0;
		return;
	}
	crowded += batch > 1 && workers < sysconf(_SC_NPROCESSORS_ONLN);
	if (crowded >= CROWDED_BATCHES || ms > SLOW_BATCH_MS) {
		crowded = 0;
		tell(w->pipe, WORKER_GROW);
	}
}

static void
serve_waiting(const struct worker *w, int max)
{
	struct fcgi_conn *conns[SERVE_MAX];
	struct timespec start;
	int n;

	while ((n = fcgi_accept(w->listen_fd, conns, max)) > 0) {
		clock_gettime(CLOCK_MONOTONIC, &start);
		atomic_store(&w->stats->busy[w->slot], 1);
		serve_batch(w->family, w->stats, conns, n);
		consider_growth(w, n, elapsed_ms(&start));
		atomic_store(&w->stats->busy[w->slot], 0);
	}
}

void
worker_run(const struct worker *w)
{
	struct sigaction stop = {.sa_handler = on_stop};
	struct epoll_event ev;
	sigset_t term, awake;
	int max = (int)conf_int("workers.batch"), idle_ms = (int)conf_int("workers.idle") * 1000;
	int epoll, timeout = idle_ms;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* SIGTERM is let in only while waiting, so that none is lost between the test and the wait.
	 */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_SETMASK, &term, NULL);
	sigemptyset(&awake);
	sigaction(SIGTERM, &stop, NULL);
	signal(SIGINT, SIG_IGN); /* the terminal's ^C goes to the master, which decides */
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* Buffers come and go with every batch; without fast bins their return does not tidy the whole heap. */
	mallopt(M_MXFAST, 0);
	/* Nor is memory given back and asked for again by every batch; rest() gives it back. */
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_TOP_PAD, KEPT_BYTES / 8);
	if (max < 1 || max > SERVE_MAX)
		max = SERVE_MAX;
	epoll = watch(w->listen_fd);
	tell(w->pipe, WORKER_READY);
	while (!stopping) {
		int n = epoll_pwait(epoll, &ev, 1, timeout, &awake);

		if (n > 0) {
			serve_waiting(w, max);
			timeout = idle_ms;
		} else if (n == 0) {
			rest(w->stats);
			timeout = -1; /* asleep until somebody calls */
		}
	}
	exit(0);
}
