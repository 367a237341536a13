/*
 * rk-wsrelay: carries events from the Redis stream to WebSockets.
 *
 * One process, one thread, one epoll; nothing in it may block.  That is why it speaks with libpq
 * (pg.c) and hiredis (rds.c) itself, asynchronously: shared/db and shared/cache belong to requests
 * and wait for their answers.
 *
 *	stream.c      the tail of the stream         order.c      sequence, gaps, duplicates
 *	members.c     who receives an event          evlog.c      the last events, indexed by
 * account conn.c        a client                       deliver.c    what is due, onto its socket
 *	sign_in.c     who it is                      replay.c     where it goes on
 *	dialect_*.c   how a surface speaks           health.c     what is missing, and who is told
 *	command.c     what clients say, as a table   call.c       operations called for them
 *	queue.c       what waits for a device
 *
 * SIGTERM ends all connections over relay.drain_ms and stops; SIGHUP reads the settings again.
 */
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "call_route.h"
#include "conf.h"
#include "conn.h"
#include "deliver.h"
#include "health.h"
#include "listen.h"
#include "log.h"
#include "loop.h"
#include "members.h"
#include "predecessor.h"
#include "pg.h"
#include "queue.h"
#include "replay.h"
#include "sign_in.h"
#include "stream.h"

static struct {
	struct source source;
	int fd;
	bool stopping;
} signals;

static void
reload(void)
{
	if (conf_load(NULL)) {
		log_error("settings are wrong; those in force stay");
		return;
	}
	log_init("wsrelay", log_level_named(conf_str("log.level")));
	listen_reload();
	stream_reload_settings();
	log_info("settings read again");
}

static void
stop(void)
{
	if (signals.stopping)
		return;
	signals.stopping = true;
	log_info("stopping");
	health_stopping();
	listen_stop();
	conn_drain(conf_int("relay.drain_ms"), loop_stop);
}

static void
on_signal(struct source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)s;
	(void)events;
	while (read(signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload();
		else
			stop();
	}
}

static void
take_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	signals.source.ready = on_signal;
	if (signals.fd < 0 || loop_add(signals.fd, EPOLLIN, &signals.source) < 0) {
		perror("rk-wsrelay: signalfd");
		exit(1);
	}
}

static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* What a turn of the loop has gathered goes out together. */
static void
after_turn(void)
{
	sign_in_flush();
	members_flush();
	predecessor_flush();
	deliver_flush();
	queue_flush();
}

int
main(void)
{
	if (conf_load(NULL) || sodium_init() < 0)
		return 1;
	log_init("wsrelay", log_level_named(conf_str("log.level")));
	raise_file_limit();
	call_routes_compile();
	loop_init();
	take_signals();
	conn_start();
	members_start(stream_members_came);
	predecessor_start(stream_members_came);
	sign_in_start();
	replay_start();
	queue_start();
	pg_start();
	stream_start();
	health_start();
	if (listen_start())
		return 1;
	log_info("started");
	loop_run(after_turn);
	stream_stop();
	pg_stop();
	log_info("stopped");
	return 0;
}
