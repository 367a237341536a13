/* Instants: what is read, what is refused, and that text and number agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "clock.h"

static int
setup(void **state)
{
	*state = arena_new();
	return 0;
}

static int
teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static void
reads_rfc3339(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
	    {"1970-01-01T00:00:00Z", 0},
	    {"1970-01-01t00:00:00z", 0},
	    {"1970-01-01T00:00:00-00:00", 0},
	    {"2026-01-31T12:00:00.123Z", 1769860800123000},
	    {"2026-01-31T12:00:00.123456789123456789Z", 1769860800123456},
	    {"2026-01-31T13:30:00.5+01:30", 1769860800500000},
	    {"2026-01-31T00:01:00-11:59", 1769860800000000},
	    {"1969-12-31T23:59:59.999999Z", -1},
	    {"2000-02-29T00:00:00Z", 951782400000000},
	    {"2016-12-31T23:59:60Z", 1483228800000000},
	    {"2017-01-01T00:59:60+01:00", 1483228800000000},
	    {"0001-01-01T00:00:00Z", -62135596800000000},
	    {"9999-12-31T23:59:59.999999Z", 253402300799999999},
	};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		us = 42;
		if (!clock_parse(good[i].text, &us) || us != good[i].us)
			fail_msg("%s gives %lld", good[i].text, (long long)us);
	}
}

static void
refuses_the_rest(void **state)
{
	static const char *const bad[] = {
	    "",
	    "2026",
	    "2026-01-31",
	    "2026-01-31 12:00:00Z",
	    "2026-01-31T12:00:00",
	    "2026-01-31T12:00Z",
	    "2026-01-31T12:00:00.Z",
	    "2026-01-31T12:00:00,5Z",
	    "2026-01-31T12:00:00Zx",
	    "2026-01-31T12:00:00Z ",
	    " 2026-01-31T12:00:00Z",
	    "2026-1-31T12:00:00Z",
	    "+026-01-31T12:00:00Z",
	    "2026-00-31T12:00:00Z",
	    "2026-13-31T12:00:00Z",
	    "2026-01-00T12:00:00Z",
	    "2026-01-32T12:00:00Z",
	    "2026-04-31T12:00:00Z",
	    "2026-02-29T12:00:00Z",
	    "2100-02-29T12:00:00Z",
	    "2026-01-31T24:00:00Z",
	    "2026-01-31T12:60:00Z",
	    "2026-01-31T12:00:61Z",
	    "2026-01-31T12:00:60Z",
	    "2016-12-31T23:59:60+01:00",
	    "2026-01-31T12:00:00+24:00",
	    "2026-01-31T12:00:00+01:60",
	    "2026-01-31T12:00:00+0100",
	    "2026-01-31T12:00:00+01",
	    "0000-12-31T00:00:00Z",
	    "0001-01-01T00:00:00+00:01",
	    "9999-12-31T23:59:59-00:01",
	    "99999-01-01T00:00:00Z",
	};
	int64_t us = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (clock_parse(bad[i], &us) || us != 42)
			fail_msg("\"%s\" was read", bad[i]);
	assert_false(clock_parse(NULL, &us));
}

static void
writes_utc(void **state)
{
	struct arena *a = *state;

	assert_string_equal(clock_format(a, 0), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_format(a, 1769860800123999), "2026-01-31T12:00:00.123Z");
	assert_string_equal(clock_format(a, -1), "1969-12-31T23:59:59.999Z");
	assert_string_equal(clock_format(a, -1000000), "1969-12-31T23:59:59.000Z");
	assert_string_equal(clock_format(a, INT64_MIN), "0001-01-01T00:00:00.000Z");
	assert_string_equal(clock_format(a, INT64_MAX), "9999-12-31T23:59:59.999Z");
}

/* Steps of a prime number of milliseconds over all representable years. */
static void
text_and_number_agree(void **state)
{
	struct arena *a = *state;
	int64_t us;

	for (int64_t t = -62135596800000; t < 253402300800000; t += 7777777777) {
		assert_true(clock_parse(clock_format(a, t * 1000), &us));
		assert_int_equal(us, t * 1000);
	}
}

static void
now_is_now(void **state)
{
	int64_t us, before = clock_steady();

	(void)state;
	assert_true(clock_parse("2024-01-01T00:00:00Z", &us));
	assert_true(clock_now() > us);
	assert_true(clock_steady() >= before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_rfc3339),
	    cmocka_unit_test(refuses_the_rest),
	    cmocka_unit_test_setup_teardown(writes_utc, setup, teardown),
	    cmocka_unit_test_setup_teardown(text_and_number_agree, setup, teardown),
	    cmocka_unit_test(now_is_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
