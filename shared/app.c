/* app: see app.h.  The master never serves: it listens, forks, reaps and restarts. */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "db.h"
#include "fcgi.h"
#include "log.h"
#include "route.h"
#include "stats.h"
#include "worker.h"

/* Environment that carries the listening socket and the old workers over a restart in place. */
#define ENV_LISTEN "ROOKERY_LISTEN_FD"
#define ENV_OLD "ROOKERY_OLD_WORKERS"

static struct {
	const struct family *family;
	struct stats *stats;
	char **argv;
	int listen_fd, pipe[2];
	char program[64];
	pid_t old[STATS_MAX_WORKERS]; /* of before the restart; told to leave when a new one is
					 ready */
	int n_old;
	bool told_old;
	time_t last_fork;
} master;

static volatile sig_atomic_t got_stop, got_restart, got_child, got_late;

static void
on_signal(int sig)
{
	if (sig == SIGCHLD)
		got_child = 1;
	else if (sig == SIGHUP)
		got_restart = 1;
	else if (sig == SIGALRM)
		got_late = 1;
	else
		got_stop = 1;
}

/* ---- workers ----------------------------------------------------------------------------- */

static int
worker_slot(pid_t pid)
{
	for (int i = 0; i < STATS_MAX_WORKERS; i++) {
		if (master.stats->worker[i] == pid)
			return i;
	}
	return -1;
}

static void
fork_worker(void)
{
	int slot = worker_slot(0);
	pid_t pid;

	if (slot < 0)
		return;
	master.last_fork = time(NULL);
	atomic_fetch_add(&master.stats->workers, 1);
	master.stats->busy[slot] = 0;
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGCHLD, SIG_DFL);
		close(master.pipe[0]);
		worker_run(&(struct worker){.family = master.family,
		    .stats = master.stats,
		    .slot = slot,
		    .listen_fd = master.listen_fd,
		    .pipe = master.pipe[1]});
	}
	if (pid < 0) {
		atomic_fetch_sub(&master.stats->workers, 1);
		log_error("fork failed", "why", strerror(errno));
		return;
	}
	master.stats->worker[slot] = (int32_t)pid;
}

static bool
was_old(pid_t pid)
{
	for (int i = 0; i < master.n_old; i++) {
		if (master.old[i] == pid) {
			master.old[i] = master.old[--master.n_old];
			return true;
		}
	}
	return false;
}

static void
reap(void)
{
	int status;
	pid_t pid;

	got_child = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		int slot = worker_slot(pid);

		if (was_old(pid) || slot < 0)
			continue;
		master.stats->worker[slot] = 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_IDLE_EXIT)
			continue; /* it has lowered the count itself */
		atomic_fetch_sub(&master.stats->workers, 1);
		if (WIFSIGNALED(status)) {
			char sig[16];

			snprintf(sig, sizeof sig, "%d", WTERMSIG(status));
			log_error("worker died", "signal", sig);
		}
	}
	if (master.stats->workers < 1 && !got_stop) {
		if (time(NULL) - master.last_fork < 1)
			usleep(200000); /* one that dies at once shall not spin the machine */
		fork_worker();
	}
}

/* Old workers finish what they have, for workers.drain at most. */
static void
end_old_workers(void)
{
	master.told_old = true;
	for (int i = 0; i < master.n_old; i++)
		kill(master.old[i], SIGTERM);
	alarm((unsigned)conf_int("workers.drain"));
}

static void
kill_late(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof text, "%d", (int)pid);
	log_error("worker did not finish in time", "worker", text);
	kill(pid, SIGKILL);
}

static void
kill_late_workers(void)
{
	got_late = 0;
	if (!master.told_old)
		return; /* the alarm of the restart before this one */
	for (int i = 0; i < master.n_old; i++)
		kill_late(master.old[i]);
	for (int i = 0; got_stop && i < STATS_MAX_WORKERS; i++) {
		if (master.stats->worker[i] > 0)
			kill_late(master.stats->worker[i]);
	}
}

static void
read_pipe(void)
{
	char what[64];
	ssize_t n = read(master.pipe[0], what, sizeof what);

	for (ssize_t i = 0; i < n; i++) {
		if (what[i] == WORKER_READY && master.n_old > 0 && !master.told_old)
			end_old_workers();
		if (what[i] == WORKER_READY)
			atomic_fetch_add(&master.stats->generation, 1);
		if (what[i] == WORKER_GROW && master.stats->workers < conf_int("workers.max") &&
		    master.stats->workers < STATS_MAX_WORKERS)
			fork_worker();
	}
}

/* ---- restart in place -------------------------------------------------------------------- */

static void
restart(void)
{
	char fd[16], old[STATS_MAX_WORKERS * 2 * 12] = "";
	size_t n = 0;

	got_restart = 0;
	for (int i = 0; i < STATS_MAX_WORKERS; i++) {
		if (master.stats->worker[i] > 0)
			n += (size_t)snprintf(
			    old + n, sizeof old - n, "%d ", (int)master.stats->worker[i]);
	}
	for (int i = 0; i < master.n_old; i++)
		n += (size_t)snprintf(old + n, sizeof old - n, "%d ", (int)master.old[i]);
	snprintf(fd, sizeof fd, "%d", master.listen_fd);
	setenv(ENV_LISTEN, fd, 1);
	setenv(ENV_OLD, old, 1);
	fcntl(master.listen_fd, F_SETFD, 0);
	log_info("restarting in place");
	execv(master.argv[0], master.argv);
	log_error("restart failed, the old program goes on", "why", strerror(errno));
	fcntl(master.listen_fd, F_SETFD, FD_CLOEXEC);
	unsetenv(ENV_LISTEN);
	unsetenv(ENV_OLD);
}

static void
take_over_old_workers(void)
{
	char *list = getenv(ENV_OLD), *end;

	while (list && *list && master.n_old < STATS_MAX_WORKERS) {
		long pid = strtol(list, &end, 10);

		if (end == list)
			break;
		if (pid > 1)
			master.old[master.n_old++] = (pid_t)pid;
		list = end;
	}
	unsetenv(ENV_OLD);
}

/* The listening socket: kept over a restart, handed over by systemd (sd_listen_fds(3)), or our own.
 */
static int
listening_socket(void)
{
	const char *kept = getenv(ENV_LISTEN), *pid = getenv("LISTEN_PID");
	char dir[400], path[512];
	int fd = -1;

	if (kept)
		fd = atoi(kept);
	else if (pid && atol(pid) == (long)getpid())
		fd = 3;
	unsetenv(ENV_LISTEN);
	unsetenv("LISTEN_PID");
	if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return fd;
	}
	conf_run_path(dir, sizeof dir, "fcgi");
	mkdir(dir, 0750);
	snprintf(
	    path, sizeof path, "%s/%s-%s.sock", dir, master.family->surface, master.family->name);
	fd = fcgi_listen(path);
	if (fd < 0) {
		log_error("cannot listen", "socket", path, "why", strerror(errno));
		exit(1);
	}
	return fd;
}

/* ---- the master -------------------------------------------------------------------------- */

static void
block_signals(sigset_t *while_waiting)
{
	struct sigaction act = {.sa_handler = on_signal};
	const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGALRM};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		sigaddset(&blocked, signals[i]);
		sigaction(signals[i], &act, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigemptyset(while_waiting);
	signal(SIGPIPE, SIG_IGN);
}

static void
stop_all(const sigset_t *while_waiting)
{
	pid_t pid;

	for (int i = 0; i < STATS_MAX_WORKERS; i++) {
		if (master.stats->worker[i] > 0)
			kill(master.stats->worker[i], SIGTERM);
	}
	end_old_workers();
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		int slot = worker_slot(pid);

		if (pid > 0 && !was_old(pid) && slot >= 0)
			master.stats->worker[slot] = 0;
		if (got_late)
			kill_late_workers();
		if (pid == 0)
			ppoll(NULL, 0, NULL, while_waiting);
	}
	atomic_store(&master.stats->workers, 0);
	atomic_store(&master.stats->master, 0);
	log_info("stopped");
}

static void
begin_stats(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	master.stats = stats_create(master.family);
	for (int i = 0; i < STATS_MAX_WORKERS; i++)
		master.stats->worker[i] = 0;
	master.stats->workers = 0;
	master.stats->master = (int32_t)getpid();
	master.stats->started_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int
serve_forever(void)
{
	sigset_t waiting;

	block_signals(&waiting);
	take_over_old_workers();
	begin_stats();
	master.listen_fd = listening_socket();
	if (pipe2(master.pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		log_error("no pipe", "why", strerror(errno));
		return 1;
	}
	route_compile(master.family);
	fork_worker();
	log_info("started", "family", master.family->name);
	while (!got_stop) {
		struct pollfd p = {.fd = master.pipe[0], .events = POLLIN};

		if (got_child)
			reap();
		if (got_late)
			kill_late_workers();
		if (got_restart)
			restart();
		if (ppoll(&p, 1, NULL, &waiting) > 0)
			read_pipe();
	}
	stop_all(&waiting);
	return 0;
}

int
app_main(int argc, char **argv, const struct family *f)
{
	bool check = argc == 2 && strcmp(argv[1], "--check") == 0;

	if (argc > 2 || (argc == 2 && !check)) {
		fprintf(stderr, "usage: %s [--check]\n", argv[0]);
		return 2;
	}
	if (sodium_init() < 0 || conf_load(NULL) < 0)
		return 1;
	master.family = f;
	master.argv = argv;
	snprintf(master.program, sizeof master.program, "%s-%s", f->surface, f->name);
	log_init(master.program, log_level_named(conf_str("log.level")));
	return check ? db_check(f) > 0 : serve_forever();
}
