/* jobs/idset.c: what was put is there, what is too old goes, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "jobs/idset.h"

static const int64_t START = 1790000000000;

/* The n-th id of that millisecond, as random in its low half as a UUIDv7 is. */
static struct id16
number(int64_t ms, uint64_t n)
{
	return (struct id16){(uint64_t)ms << 16 | 0x7000, (n + 1) * 0x9e3779b97f4a7c15u};
}

static bool
has(struct idset *s, int64_t ms, uint64_t n)
{
	struct id16 id = number(ms, n);

	return idset_has(s, &id);
}

static void
put(struct idset *s, int64_t ms, uint64_t n)
{
	struct id16 id = number(ms, n);

	idset_put(s, &id);
}

static void
test_what_was_put_is_there(void **state)
{
	struct idset s = {0};

	(void)state;
	assert_false(has(&s, START, 0));
	for (int64_t i = 0; i < 20000; i++) {
		/* Neither in order, nor all asked for before the next comes. */
		put(&s, START + i * 7919 % 20000, 0);
		if (i % 100 == 0)
			assert_true(has(&s, START + i / 2 * 7919 % 20000, 0));
	}
	for (int64_t i = 0; i < 20000; i++) {
		assert_true(has(&s, START + i, 0));
		assert_false(has(&s, START + i, 1));
	}
	assert_false(has(&s, START - 1, 0) || has(&s, START + 20000, 0));
	assert_int_equal(s.ids, 20000);
	idset_free(&s);
	assert_false(has(&s, START, 0));
}

static void
test_an_id_that_comes_again_takes_no_room(void **state)
{
	struct idset s = {0};

	(void)state;
	for (int round = 0; round < 50; round++) {
		for (uint64_t i = 0; i < 1000; i++)
			put(&s, START, i);
		assert_true(has(&s, START, 999));
		assert_int_equal(s.ids, 1000);
	}
	idset_free(&s);
}

static void
test_only_what_is_too_old_goes(void **state)
{
	struct idset s = {0};

	(void)state;
	for (int64_t i = 0; i < 60000; i++)
		put(&s, START + i, 0);
	assert_false(idset_forget(&s, -1));
	assert_false(idset_forget(&s, START));
	assert_true(idset_forget(&s, START + 30000));
	for (int64_t i = 30000; i < 60000; i++)
		assert_true(has(&s, START + i, 0));
	assert_false(has(&s, START + 30000 - 1024, 0));
	assert_in_range(s.ids, 30000, 31024);
	put(&s, START, 0); /* late */
	assert_true(has(&s, START, 0));
	assert_true(idset_forget(&s, START + 100000));
	assert_int_equal(s.ids, 0);
	assert_false(has(&s, START + 59999, 0));
	put(&s, START, 0);
	assert_true(has(&s, START, 0));
	idset_free(&s);
}

static void
test_a_bound_says_from_when_on_everything_is_known(void **state)
{
	struct idset s = {0};
	int64_t since;

	(void)state;
	for (int64_t i = 0; i < 60000; i++)
		put(&s, START + i, 0);
	assert_int_equal(idset_bound(&s, 60000), 0);
	since = idset_bound(&s, 20000);
	assert_in_range(s.ids, 20000 - 1024, 20000);
	assert_in_range(since, START + 40000, START + 41024);
	for (int64_t ms = since; ms < START + 60000; ms++)
		assert_true(has(&s, ms, 0));
	assert_false(has(&s, since - 1, 0));
	/* What is newest is never forgotten, however much it is. */
	assert_true(idset_bound(&s, 0) > 0);
	assert_true(has(&s, START + 59999, 0));
	assert_int_equal(idset_bound(&s, 0), 0);
	idset_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_was_put_is_there),
	    cmocka_unit_test(test_an_id_that_comes_again_takes_no_room),
	    cmocka_unit_test(test_only_what_is_too_old_goes),
	    cmocka_unit_test(test_a_bound_says_from_when_on_everything_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
