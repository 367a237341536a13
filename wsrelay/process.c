/* process: see process.h. */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "call_route.h"
#include "capacity.h"
#include "conf.h"
#include "conn.h"
#include "deflate.h"
#include "deliver.h"
#include "handover.h"
#include "health.h"
#include "log.h"
#include "loop.h"
#include "members.h"
#include "metrics.h"
#include "missing.h"
#include "now.h"
#include "pg.h"
#include "predecessor.h"
#include "presence.h"
#include "queue.h"
#include "rds.h"
#include "replay.h"
#include "share.h"
#include "sign_in.h"
#include "stream.h"
#include "typing.h"
#include "watch.h"
#include "wheel.h"

enum { BEAT_MS = 200 };

static struct {
	struct process is;
	struct source signals, control;
	struct timer beat;
	int signal_fd;
	bool stopping;
} process;

static void
tell_master(char what)
{
	if (process.is.control >= 0)
		(void)!send(process.is.control, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void
stop(void)
{
	if (process.stopping)
		return;
	process.stopping = true;
	log_info("stopping");
	health_stopping();
	handover_stop();
	listen_stop();
	conn_drain(conf_int("relay.drain_ms"), loop_stop);
}

static void
on_signal(struct source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)s;
	(void)events;
	while (read(process.signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		stop();
}

static void
take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_SETMASK, &set, NULL);
	process.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	process.signals.ready = on_signal;
	if (process.signal_fd < 0 || loop_add(process.signal_fd, EPOLLIN, &process.signals) < 0) {
		perror("rk-wsrelay: signalfd");
		exit(1);
	}
}

/* ---- the master ------------------------------------------------------------------------------ */

static void
on_given(bool all)
{
	tell_master(all ? PROCESS_GIVEN : PROCESS_KEPT);
	if (all) {
		presence_handed_over();
		loop_stop();
	} else if (!process.stopping) {
		listen_resume();
	}
}

static void
on_taken(bool whole)
{
	if (!whole && !process.stopping)
		log_warn("the process before this one ended before it had handed over everything");
	tell_master(PROCESS_UP);
}

/* One message of the master and the descriptor with it, or -1. */
static ssize_t
receive(char *what, int *fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {what, 1};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.room,
	    .msg_controllen = sizeof(control.room)};
	ssize_t n = recvmsg(process.is.control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return n;
}

static void
on_control(struct source *s, uint32_t events)
{
	char what;
	int fd;
	ssize_t n = receive(&what, &fd);

	(void)s;
	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		log_warn("the master has gone");
		loop_remove(process.is.control);
		process.is.control = -1;
		listen_leave();
		stop();
	} else if (n == 1 && what == PROCESS_HAND_OVER && fd >= 0 && !process.stopping) {
		tell_master(PROCESS_HEARD);
		handover_give(fd, on_given);
	} else if (n == 1 && what == PROCESS_TAKE && fd >= 0 && !process.stopping) {
		handover_take(fd, on_taken);
	} else if (fd >= 0) {
		close(fd);
	}
}

/* ---- running --------------------------------------------------------------------------------- */

static void
on_beat(struct timer *t)
{
	loop_timer(t, BEAT_MS);
	share_mine->beat_ms = loop_now();
	health_changed(); /* the lag may have passed its limit, one way or the other */
	health_note();
	metrics_note();
}

static void
members_came(void)
{
	stream_members_came();
	now_members_came();
}

/* What a turn of the loop has gathered goes out together. */
static void
after_turn(void)
{
	sign_in_flush();
	members_flush();
	predecessor_flush();
	missing_flush();
	deliver_flush();
	queue_flush();
	typing_flush();
	watch_flush();
	presence_flush();
	handover_check();
	rds_flush();
}

void
process_run(const struct process *p)
{
	process.is = *p;
	call_routes_compile();
	deflate_set_least((size_t)conf_int("relay.deflate_from"));
	loop_init();
	share_take(p->slot, p->number);
	take_signals();
	wheel_start();
	capacity_start();
	members_start(members_came);
	predecessor_start(stream_members_came);
	missing_start(stream_gone);
	sign_in_start();
	replay_start();
	queue_start();
	pg_start();
	stream_start();
	now_start();
	typing_begin();
	presence_start();
	health_start();
	process.beat.fire = on_beat;
	on_beat(&process.beat);
	process.control.ready = on_control;
	if (loop_add(p->control, EPOLLIN, &process.control) < 0)
		exit(1);
	listen_start(p->sockets);
	if (p->predecessor >= 0)
		handover_take(p->predecessor, on_taken);
	else
		tell_master(PROCESS_UP);
	log_info("started");
	loop_run(after_turn);
	share_mine->accepting = false;
	now_stop();
	stream_stop();
	pg_stop();
	log_info("stopped");
	exit(0);
}
