/* What an account may cause holds for all its connections, and begins anew with each window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "conf.h"
#include "wsrelay/budget.h"
#include "wsrelay/loop.h"

static int64_t clock_ms;
static struct timer *set; /* the one that is waited for */

int64_t
loop_now(void)
{
	return clock_ms;
}

void
loop_timer(struct timer *t, int64_t ms)
{
	t->due = clock_ms + ms;
	set = t;
}

/* Time passes, and what becomes due meanwhile is done. */
static void
pass(int64_t ms)
{
	for (int64_t end = clock_ms + ms; clock_ms < end; clock_ms++) {
		if (!set || set->due > clock_ms)
			continue;
		set->due = 0;
		set->fire(set);
	}
}

static int
set_up(void **state)
{
	(void)state;
	setenv("ROOKERY_CONF", "/dev/null", 1);
	setenv("ROOKERY_LIMIT_TYPING", "3/60", 1);
	setenv("ROOKERY_LIMIT_PRESENCE", "10/20", 1);
	clock_ms = 123456;
	return conf_load(NULL);
}

static const struct uid ann = {1, 2}, ben = {3, 4};

static void
each_account_has_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(budget_spend(ann, BUDGET_TYPING, 1));
	assert_false(budget_spend(ann, BUDGET_TYPING, 1));
	assert_true(budget_spend(ben, BUDGET_TYPING, 3));
	assert_false(budget_spend(ben, BUDGET_TYPING, 1));
}

static void
what_is_refused_is_not_spent(void **state)
{
	(void)state;
	assert_false(budget_spend(ann, BUDGET_PRESENCE, 11));
	assert_true(budget_spend(ann, BUDGET_PRESENCE, 7));
	assert_false(budget_spend(ann, BUDGET_PRESENCE, 4));
	assert_true(budget_spend(ann, BUDGET_PRESENCE, 3));
}

static void
a_window_ends_with_its_seconds(void **state)
{
	(void)state;
	pass(19999);
	assert_false(budget_spend(ann, BUDGET_PRESENCE, 1));
	pass(1);
	assert_true(budget_spend(ann, BUDGET_PRESENCE, 10));
	assert_false(budget_spend(ann, BUDGET_TYPING, 1));
	pass(40000);
	assert_true(budget_spend(ann, BUDGET_TYPING, 3));
	assert_false(budget_spend(ann, BUDGET_TYPING, 1));
}

static void
who_has_spent_nothing_lately_is_forgotten(void **state)
{
	struct uid id = {9, 0};

	(void)state;
	for (; id.lo < 10000; id.lo++)
		assert_true(budget_spend(id, BUDGET_TYPING, 1));
	assert_true(budget_accounts() >= 10000);
	pass(30000);
	assert_true(budget_spend(ben, BUDGET_TYPING, 1));
	pass(45000);
	assert_int_equal(budget_accounts(), 1);
	assert_true(budget_spend(ben, BUDGET_TYPING, 2));
	assert_false(budget_spend(ben, BUDGET_TYPING, 1));
	pass(120000);
	assert_int_equal(budget_accounts(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_account_has_its_own),
	    cmocka_unit_test(what_is_refused_is_not_spent),
	    cmocka_unit_test(a_window_ends_with_its_seconds),
	    cmocka_unit_test(who_has_spent_nothing_lately_is_forgotten),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
