/* master: see master.h. */
#include "master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conf.h"
#include "log.h"
#include "master_child.h"
#include "process.h"

enum {
	LOOK_MS = 100,
	CHECK_MS = 20000,  /* the new binary has so long to say that it would start */
	TAKE_MS = 60000,   /* a new process to have taken everything */
	HEAR_MS = 10000,   /* an old one to answer; then it hangs, and holds nobody up */
	RESPAWN_MS = 1000, /* a process that dies at once shall not spin the machine */
	KILL_AFTER_MS = 15000,
};

static struct {
	struct master m;
	char **argv;
	pid_t check; /* the new binary being tried */
	int64_t check_ms, stop_ms;
	int64_t not_before[SHARE_PROCESSES];
	bool handing, failed, stopping;
} master;

static volatile sig_atomic_t got_stop, got_hup;

static void
on_signal(int sig)
{
	if (sig == SIGHUP)
		got_hup = 1;
	else if (sig != SIGCHLD)
		got_stop = 1;
}

static int
processes(void)
{
	return (int)conf_int("relay.processes");
}

/* ---- processes ------------------------------------------------------------------------------- */

static struct child *
serving(int number)
{
	EACH_CHILD(&master.m, c)
	{
		if (c->number == number)
			return c;
	}
	return NULL;
}

/* ---- hand-over ------------------------------------------------------------------------------- */

static void
fail(const char *what, const char *why)
{
	char text[200];

	snprintf(text, sizeof(text), "%s%s%s", what, *why ? ": " : "", why);
	text[strcspn(text, "\n")] = '\0';
	if (!master.failed)
		memcpy(share->failure, text, sizeof(text));
	master.failed = true;
	log_error("the hand-over failed, the old processes go on", "why", text);
}

/* A new process takes the connections of an old one. */
static void
replace(struct child *old)
{
	struct child *fresh;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		fail("no socket", strerror(errno));
		return;
	}
	fresh = child_spawn(&master.m, old->number % processes(), pair);
	close(pair[1]);
	if (!fresh || !child_tell(old, PROCESS_HAND_OVER, pair[0])) {
		fail("cannot begin", strerror(errno));
	} else {
		child_set(fresh, CHILD_TAKING);
		child_set(old, CHILD_GIVING);
		fresh->other = old;
		old->other = fresh;
		old->heard = false;
	}
	close(pair[0]);
}

/* There are fewer processes than before: two have the same number, and one takes the other's
 * connections. */
static void
merge(void)
{
	struct child *first[SHARE_PROCESSES] = {0}, *into;
	int pair[2];

	EACH_CHILD(&master.m, c)
	{
		into = first[c->number];
		if (!into) {
			first[c->number] = c;
			continue;
		}
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return;
		if (child_tell(into, PROCESS_TAKE, pair[0]) &&
		    child_tell(c, PROCESS_HAND_OVER, pair[1])) {
			child_set(c, CHILD_GIVING);
			c->heard = false;
		}
		close(pair[0]);
		close(pair[1]);
		return; /* one at a time */
	}
}

static bool
in_progress(void)
{
	EACH_CHILD(&master.m, c)
	{
		if (c->state == CHILD_TAKING || c->state == CHILD_GIVING)
			return true;
	}
	return false;
}

static void
hand_over_all(void)
{
	struct child *old[SHARE_SLOTS];
	int n = 0;

	EACH_CHILD(&master.m, c)
	{
		old[n++] = c;
	}
	master.handing = true;
	for (int i = 0; i < n; i++)
		replace(old[i]);
}

static void
finish_handing(void)
{
	if (in_progress())
		return;
	merge();
	if (!master.handing || in_progress())
		return;
	master.handing = false;
	if (master.failed) {
		share->failures++;
	} else {
		share->generation++;
		log_info("handed over");
	}
	master.failed = false;
}

static void
try_binary(void)
{
	got_hup = 0;
	log_info("trying the binary");
	master.check_ms = child_now_ms();
	master.check = fork();
	if (master.check == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execv(master.argv[0], (char *[]){master.argv[0], "--check", NULL});
		_exit(127);
	}
	if (master.check < 0)
		master.check = 0;
}

static void
refuse_binary(const char *why)
{
	fail("the new binary does not start", why);
	share->failures++;
	master.failed = false;
}

static void
on_check_ended(int status)
{
	char text[64];

	master.check = 0;
	if (status) {
		snprintf(text, sizeof(text), "its check ended with %s %d",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		refuse_binary(text);
		return;
	}
	log_info("restarting in place");
	master_state_keep(&master.m);
	execv(master.argv[0], master.argv);
	refuse_binary(strerror(errno));
	master_state_drop(&master.m);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void
on_message(struct child *c, char what)
{
	if (what == PROCESS_HEARD)
		c->heard = true;
	if (what == PROCESS_UP || what == PROCESS_KEPT)
		child_set(c, CHILD_SERVING);
}

static void
read_messages(void)
{
	char what;

	EACH_CHILD(&master.m, c)
	{
		while (recv(c->control, &what, 1, MSG_DONTWAIT) == 1)
			on_message(c, what);
	}
}

static void
on_child_ended(struct child *c, int status)
{
	char text[96], pid[16];

	snprintf(text, sizeof(text), "%s %d", WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	snprintf(pid, sizeof(pid), "%d", (int)c->pid);
	if (status && !master.stopping)
		log_error("a process died", "process", pid, "by", text);
	if (c->state == CHILD_TAKING) {
		fail("a new process died", text);
		if (c->other && c->other->pid)
			child_set(c->other, CHILD_SERVING);
	}
	EACH_CHILD(&master.m, o)
	{
		if (o->other == c)
			o->other = NULL;
	}
	close(c->control);
	if (c->slot >= 0)
		share_retire(c->slot, master.m.share_fd);
	*c = (struct child){0};
}

static void
reap(void)
{
	int status;
	pid_t pid;

	read_messages(); /* what they said before they ended */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == master.check)
			on_check_ended(status);
		EACH_CHILD(&master.m, c)
		{
			if (c->pid == pid) {
				on_child_ended(c, status);
				break;
			}
		}
	}
}

static void
look_at_times(void)
{
	int64_t now = child_now_ms();

	if (master.check && now - master.check_ms > CHECK_MS)
		kill(master.check, SIGKILL);
	EACH_CHILD(&master.m, c)
	{
		if (c->state == CHILD_TAKING && now - c->since_ms > TAKE_MS) {
			fail("a new process was not ready in time",
			    c->slot >= 0 ? share->slot[c->slot].reason : "");
			kill(c->pid, SIGKILL);
			c->since_ms = now;
		}
		if (c->state == CHILD_GIVING && !c->heard && now - c->since_ms > HEAR_MS) {
			log_error("a process hangs and is killed");
			kill(c->pid, SIGKILL);
			c->since_ms = now;
		}
	}
}

static void
start_process(int number)
{
	master.not_before[number] = child_now_ms() + RESPAWN_MS;
	child_spawn(&master.m, number, NULL);
}

/* Every number has a process. */
static void
fill_up(void)
{
	for (int i = 0; i < processes(); i++)
		if (!serving(i) && child_now_ms() >= master.not_before[i])
			start_process(i);
}

static void
stop(void)
{
	master.stopping = true;
	master.stop_ms = child_now_ms();
	log_info("stopping");
	EACH_CHILD(&master.m, c)
	{
		kill(c->pid, SIGTERM);
	}
}

static bool
all_gone(void)
{
	bool late = child_now_ms() - master.stop_ms > conf_int("relay.drain_ms") + KILL_AFTER_MS;
	int n = 0;

	EACH_CHILD(&master.m, c)
	{
		n++;
		if (late)
			kill(c->pid, SIGKILL);
	}
	return !n;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void
block_signals(sigset_t *while_waiting)
{
	struct sigaction act = {.sa_handler = on_signal};
	const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		sigaddset(&blocked, signals[i]);
		sigaction(signals[i], &act, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigemptyset(while_waiting);
	signal(SIGPIPE, SIG_IGN);
}

static void
wait_for_something(const sigset_t *while_waiting)
{
	struct pollfd p[SHARE_SLOTS];
	struct timespec t = {0, LOOK_MS * 1000000L};
	nfds_t n = 0;

	EACH_CHILD(&master.m, c)
	{
		p[n++] = (struct pollfd){.fd = c->control, .events = POLLIN};
	}
	ppoll(p, n, &t, while_waiting);
}

/* Connections that a process may come to have. */
static uint64_t
most_of_a_process(void)
{
	uint64_t most = (uint64_t)conf_int("relay.max_connections") / (uint64_t)processes();
	struct rlimit files;

	return !getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < most ? files.rlim_cur : most;
}

/* The memory of another layout stays with the old processes; they are not counted any more. */
static int
open_share(bool again)
{
	if (again && share_open(master.m.share_fd) == 0)
		return 0;
	EACH_CHILD(&master.m, c)
	{
		c->slot = -1;
	}
	if (share_create(&master.m.share_fd, most_of_a_process()) < 0) {
		log_error("no shared memory", "why", strerror(errno));
		return -1;
	}
	share->generation = master.m.generation;
	share->failures = master.m.failures;
	return 0;
}

int
master_run(char **argv)
{
	sigset_t waiting;
	bool again;

	master.argv = argv;
	master.m.sockets = LISTEN_NONE;
	block_signals(&waiting);
	again = master_state_restore(&master.m);
	if (open_share(again) || (listen_open(&master.m.sockets) && !again))
		return 1;
	if (again)
		hand_over_all();
	log_info("started");
	while (!master.stopping || !all_gone()) {
		if (got_stop && !master.stopping)
			stop();
		reap();
		look_at_times();
		if (!master.stopping)
			finish_handing();
		if (!master.stopping && got_hup && !master.handing && !master.check)
			try_binary();
		if (!master.stopping)
			fill_up();
		wait_for_something(&waiting);
	}
	listen_close(&master.m.sockets);
	log_info("stopped");
	return 0;
}
