/*
 * rk-jobs: what outlives a request.  One process that goes through the table below; see
 * docs/jobs.md.
 *
 * Of several daemons one works, the one that holds an advisory lock of PostgreSQL; the others wait.
 * PostgreSQL and Redis may go and come back at any time.  TERM and INT stop it after what runs; HUP
 * executes the program anew in place.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "aside.h"
#include "cache.h"
#include "clock.h"
#include "conf.h"
#include "core_sql.h"
#include "db.h"
#include "db_listen.h"
#include "deliver.h"
#include "err.h"
#include "event.h"
#include "expire.h"
#include "id.h"
#include "job.h"
#include "jobs_sql.h"
#include "json.h"
#include "log.h"
#include "media.h"
#include "metrics.h"
#include "req.h"
#include "revoke.h"
#include "sweep.h"

static const struct job jobs[] = {
    {"asides", "jobs.tick", asides_tell},
    {"stream", "jobs.tick", sweep_tail},
    {"sweep", "jobs.tick", sweep_run},
    {"revocations", "jobs.tick", revocations_run},
    {"messages", "jobs.tick", messages_expire},
    {"calls", "jobs.tick", calls_expire},
    {"outgoing", "jobs.tick", outgoing_run},
    {"uploads", "jobs.expire", uploads_remove},
    {"rows", "jobs.expire", rows_purge},
    {"media", "jobs.expire", media_remove},
    {"positions", "jobs.settle", positions_settle},
    {"moments", "jobs.expire", moments_note},
};
enum { JOBS = sizeof jobs / sizeof *jobs, SOON_MS = 100 };

static struct {
	int64_t due; /* clock_steady in milliseconds */
	bool failing;
} states[JOBS];

static volatile sig_atomic_t got_stop, got_restart, got_child;

static void
on_signal(int sig)
{
	if (sig == SIGCHLD)
		got_child = 1;
	else if (sig == SIGHUP)
		got_restart = 1;
	else
		got_stop = 1;
}

static int64_t
now_ms(void)
{
	return clock_steady() / 1000;
}

/* ---- running one ---------------------------------------------------------------------------- */

static struct arena *arena;

static struct req
begin(void)
{
	static const struct family family = {.surface = "jobs", .name = "jobs"};
	static char id[ID_SIZE];

	id_new(id);
	arena_reset(arena);
	json_use(arena);
	return (struct req){.arena = arena,
	    .family = &family,
	    .request_id = id,
	    .remote = "",
	    .body_fd = -1,
	    .send_fd = -1};
}

static void
note_failure(int i, int err)
{
	if (err && !states[i].failing)
		log_warn("job fails", "job", jobs[i].name, "error", err_code((enum err)err));
	else if (!err && states[i].failing)
		log_info("job works again", "job", jobs[i].name);
	states[i].failing = err != 0;
}

static void
run(int i)
{
	int64_t period = conf_int(jobs[i].period) * 1000, started = clock_steady();
	struct report report = {.again = AGAIN_LATER};
	struct req r = begin();
	int err = jobs[i].run(&r, &report);

	db_end();
	if (r.events) /* of batches that were committed before an error, too */
		event_publish(&(struct req *){&r}, 1);
	note_failure(i, err);
	metrics_ran(i, err, report.rows, clock_steady() - started);
	states[i].due = now_ms();
	if (err || report.again == AGAIN_LATER)
		states[i].due += period;
	else if (report.again == AGAIN_SOON)
		states[i].due += SOON_MS < period ? SOON_MS : period;
}

static bool
leads(void)
{
	static bool was;
	struct req r = begin();
	struct db_res *res;
	bool is = !sql_jobs_lead(&r, &res) && db_bool(res, 0, "leads");

	if (is != was)
		log_info(is ? "working" : "waiting");
	was = is;
	return is;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void
block_signals(sigset_t *while_waiting)
{
	struct sigaction act = {.sa_handler = on_signal};
	const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
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
sleep_until(int64_t due, const sigset_t *signals)
{
	int64_t now = now_ms(), ms = due > now ? due - now : 0;
	struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	struct pollfd database = {.events = POLLIN};

	asides_waiting(); /* takes what has come, or the socket would stay readable */
	database.fd = db_listen_fd();
	ppoll(&database, 1, &wait, signals); /* signals come in here and nowhere else */
}

/* Run what is due, each once; the time of the next. */
static int64_t
round_of_jobs(void)
{
	int64_t next = INT64_MAX;

	for (int i = 0; i < JOBS; i++) {
		if (got_child && jobs[i].run == outgoing_run)
			states[i].due = got_child = 0;
		if (jobs[i].run == asides_tell && asides_waiting())
			states[i].due = 0;
		if (states[i].due <= now_ms())
			run(i);
		if (states[i].due < next)
			next = states[i].due;
	}
	return asides_waiting() ? 0 : next;
}

static void
work(const sigset_t *signals)
{
	int64_t tick = 0, next = 0;
	bool leading = false;

	while (!got_stop && !got_restart) {
		if (now_ms() >= tick) {
			leading = leads();
			tick = now_ms() + conf_int("jobs.tick") * 1000;
			if (leading) {
				asides_listen();
				metrics_write(jobs, JOBS);
			}
		}
		next = leading ? round_of_jobs() : tick;
		sleep_until(next < tick ? next : tick, signals);
	}
}

/* Deliveries under way are waited for, or what was sent would be sent again. */
static void
finish(const sigset_t *signals)
{
	int64_t end = now_ms() + conf_int("workers.drain") * 1000;

	deliveries_stop();
	while (deliveries_open() && now_ms() < end) {
		struct req r = begin();
		struct report report = {0};

		sleep_until(now_ms() + SOON_MS, signals);
		outgoing_run(&r, &report);
		event_publish(&(struct req *){&r}, 1);
	}
	arena_reset(arena);
	db_close();
	cache_close();
	metrics_remove();
}

/* The queries against the migrated schema, as the apps do it (db_check() in shared/db.h). */
static int
check_queries(void)
{
	struct family all = {.surface = "jobs", .name = "jobs", .queries = queries_jobs};

	all.n_queries = n_queries_jobs;
	return db_check(&all) > 0;
}

int
main(int argc, char **argv)
{
	bool check = argc == 2 && strcmp(argv[1], "--check") == 0;
	sigset_t signals;

	if (argc > 1 && !check) {
		fprintf(stderr, "usage: %s [--check]\n", argv[0]);
		return 2;
	}
	if (sodium_init() < 0 || conf_load(NULL) < 0)
		return 1;
	log_init("jobs", log_level_named(conf_str("log.level")));
	if (check)
		return check_queries();
	block_signals(&signals);
	/* A fixed threshold: whatever is large goes back to the system when it is freed. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	arena = arena_new();
	log_info("started");
	do {
		got_restart = 0;
		work(&signals);
	} while (
	    !got_stop && conf_load(NULL) < 0); /* it has said why; the old ones stay in force */
	finish(&signals);
	if (got_stop) {
		log_info("stopped");
		return 0;
	}
	log_info("restarting in place");
	execv(argv[0], argv);
	log_error("restart failed", "why", strerror(errno));
	return 1;
}
