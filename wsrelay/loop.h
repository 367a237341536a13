/*
 * loop: the one epoll of the process, timers of milliseconds, and a clock read once a turn.
 *
 * Ownership: sources and timers are embedded in their owners' structs.  A source that is freed
 * while a turn is under way would leave events behind it: give its memory to loop_free_later()
 * instead of free().
 *
 *	static void on_ready(struct source *s, uint32_t events);
 *
 *	conn->source.ready = on_ready;
 *	loop_add(fd, EPOLLIN, &conn->source);
 */
#ifndef WSRELAY_LOOP_H
#define WSRELAY_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct source {
	void (*ready)(struct source *s, uint32_t events);
};

struct timer {
	void (*fire)(struct timer *t);
	int64_t due; /* loop_now(); 0: not set */
	struct timer *next;
};

void loop_init(void);
void loop_run(void (*after_turn)(void)); /* until loop_stop() */
void loop_stop(void);

int loop_add(int fd, uint32_t events, struct source *s); /* 0 or -1 */
void loop_change(int fd, uint32_t events, struct source *s);
void loop_remove(int fd);
void loop_free_later(void *p);

void loop_timer(struct timer *t, int64_t ms); /* once, ms from now; replaces an earlier setting */
void loop_timer_stop(struct timer *t);

int64_t loop_now(void);  /* ms, never steps back, as of the beginning of this turn */
int64_t loop_wall(void); /* ms since 1970, asked anew */

#endif
