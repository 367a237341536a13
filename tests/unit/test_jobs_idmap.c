/* jobs/idmap.c: ids as numbers, and the table that finds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "jobs/idmap.h"

static struct id16
number(uint64_t n)
{
	return (struct id16){n << 16, n * 2654435761u};
}

static void
test_text(void **state)
{
	struct id16 id;
	char text[ID16_TEXT];

	(void)state;
	assert_true(id16_parse("0198C0ff-ee00-7abc-8def-0123456789ab", &id));
	assert_int_equal(id16_ms(&id), 0x0198c0ffee00);
	id16_text(&id, text);
	assert_string_equal(text, "0198c0ff-ee00-7abc-8def-0123456789ab");
	assert_true(id16_parse("0198c0ffee007abc8def0123456789ab", &id));
	id16_text(&id, text);
	assert_string_equal(text, "0198c0ff-ee00-7abc-8def-0123456789ab");
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {"", "0198c0ff", "0198c0ff-ee00-7abc-8def-0123456789ag",
	    "0198c0ff-ee00-7abc-8def-0123456789abc", "0198c0ff-ee00-7abc-8def-0123456789a"};
	struct id16 id;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(id16_parse(bad[i], &id));
}

static void
test_order(void **state)
{
	struct id16 a = {1, 5}, b = {1, 6}, c = {2, 0};

	(void)state;
	assert_true(id16_compare(&a, &b) < 0 && id16_compare(&b, &c) < 0);
	assert_true(id16_compare(&c, &a) > 0);
	assert_int_equal(id16_compare(&a, &a), 0);
}

static void
test_many(void **state)
{
	struct idmap m = {0};

	(void)state;
	for (uint64_t i = 0; i < 50000; i++) {
		struct id16 id = number(i);

		assert_null(idmap_find(&m, &id));
		idmap_put(&m, &id, (int64_t)i + 1);
	}
	for (uint64_t i = 0; i < 50000; i++) {
		struct id16 id = number(i);

		assert_non_null(idmap_find(&m, &id));
		assert_int_equal(*idmap_find(&m, &id), i + 1);
	}
	assert_int_equal(m.used, 50000);
	idmap_put(&m, &(struct id16){0, 0}, 77);
	assert_int_equal(m.used, 50000);
	assert_int_equal(*idmap_find(&m, &(struct id16){0, 0}), 77);
	assert_in_range(m.room, 65536, 131072);
	idmap_free(&m);
	assert_null(idmap_find(&m, &(struct id16){0, 0}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
