/* realtime: precedence while there is little to do, none for who does not sleep. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include "shared/conf.h"
#include "wsrelay/realtime.h"

/* Does this system allow it to us? */
static bool
allowed(void)
{
	struct sched_param one = {.sched_priority = 1}, none = {0};
	bool can = sched_setscheduler(0, SCHED_RR, &one) == 0;

	sched_setscheduler(0, SCHED_OTHER, &none);
	return can;
}

static int
policy(void)
{
	return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

/* Seconds of processor time without sleep, or until precedence is lost. */
static void
be_busy(int seconds)
{
	clock_t end = clock() + (clock_t)seconds * CLOCKS_PER_SEC;

	while (clock() < end && !realtime_lost())
		;
}

static void
set(const char *value)
{
	setenv("ROOKERY_RELAY_REALTIME", value, 1);
	assert_int_equal(conf_load("/dev/null"), 0);
}

static void
who_does_not_sleep_falls_back(void **state)
{
	(void)state;
	set("yes");
	if (!allowed())
		skip();
	realtime_start();
	for (int i = 0; i < 2; i++) { /* the kernel gives the second time more rope */
		assert_int_equal(policy(), SCHED_RR);
		assert_false(realtime_lost());
		be_busy(3);
		assert_true(realtime_lost());
		assert_int_equal(policy(), SCHED_OTHER);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		realtime_again();
	}
	assert_int_equal(policy(), SCHED_RR);
}

static void
who_is_told_not_to_stays_ordinary(void **state)
{
	struct sched_param none = {0};

	(void)state;
	sched_setscheduler(0, SCHED_OTHER, &none);
	set("no");
	realtime_start();
	assert_int_equal(policy(), SCHED_OTHER);
	assert_false(realtime_lost());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_does_not_sleep_falls_back),
	    cmocka_unit_test(who_is_told_not_to_stays_ordinary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
