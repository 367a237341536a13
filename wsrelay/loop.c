/* loop: see loop.h. */
#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "map.h"
#include "realtime.h"

enum { EVENTS_A_TURN = 512 };

static struct {
	int fd;
	bool running;
	int64_t now;
	struct timer *timers; /* soonest first */
	void **doomed;
	size_t n_doomed, cap_doomed;
} loop;

static int64_t
clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
loop_init(void)
{
	loop.fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop.fd < 0) {
		perror("rk-wsrelay: epoll");
		exit(1);
	}
	loop.now = clock_ms(CLOCK_MONOTONIC);
}

int64_t
loop_now(void)
{
	return loop.now;
}

int64_t
loop_wall(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int
loop_add(int fd, uint32_t events, struct source *s)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(loop.fd, EPOLL_CTL_ADD, fd, &ev);
}

void
loop_change(int fd, uint32_t events, struct source *s)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	epoll_ctl(loop.fd, EPOLL_CTL_MOD, fd, &ev);
}

void
loop_remove(int fd)
{
	epoll_ctl(loop.fd, EPOLL_CTL_DEL, fd, NULL);
}

void
loop_free_later(void *p)
{
	if (loop.n_doomed == loop.cap_doomed) {
		loop.cap_doomed = loop.cap_doomed ? 2 * loop.cap_doomed : 64;
		loop.doomed = must_realloc(loop.doomed, loop.cap_doomed * sizeof(*loop.doomed));
	}
	loop.doomed[loop.n_doomed++] = p;
}

void
loop_timer_stop(struct timer *t)
{
	struct timer **at = &loop.timers;

	if (!t->due)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->due = 0;
}

void
loop_timer(struct timer *t, int64_t ms)
{
	struct timer **at = &loop.timers;

	loop_timer_stop(t);
	t->due = loop.now + (ms > 0 ? ms : 0);
	while (*at && (*at)->due <= t->due)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
}

/* Those that were due when the turn began; one that sets itself again waits for the next turn. */
static void
fire_timers(void)
{
	struct timer *t;
	int64_t now = loop.now;

	while ((t = loop.timers) && t->due <= now) {
		loop_timer_stop(t);
		loop.now++; /* what is set now falls behind what is due */
		t->fire(t);
		loop.now = now;
	}
}

static int
wait_ms(void)
{
	int64_t left;

	if (!loop.timers)
		return -1;
	left = loop.timers->due - clock_ms(CLOCK_MONOTONIC);
	return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void
bury(void)
{
	for (size_t i = 0; i < loop.n_doomed; i++)
		free(loop.doomed[i]);
	loop.n_doomed = 0;
}

/* When there is nothing to do, a process that has lost its precedence takes it again. */
static int
wait_for(struct epoll_event *events)
{
	int n = realtime_lost() ? epoll_wait(loop.fd, events, EVENTS_A_TURN, 0) : 0;

	if (n)
		return n;
	if (realtime_lost())
		realtime_again();
	return epoll_wait(loop.fd, events, EVENTS_A_TURN, wait_ms());
}

void
loop_run(void (*after_turn)(void))
{
	static struct epoll_event events[EVENTS_A_TURN];

	realtime_start();
	loop.running = true;
	while (loop.running) {
		int n = wait_for(events);

		if (n < 0 && errno != EINTR) {
			perror("rk-wsrelay: epoll_wait");
			abort();
		}
		loop.now = clock_ms(CLOCK_MONOTONIC);
		for (int i = 0; i < n; i++) {
			struct source *s = events[i].data.ptr;

			s->ready(s, events[i].events);
		}
		fire_timers();
		after_turn();
		bury();
	}
}

void
loop_stop(void)
{
	loop.running = false;
}
