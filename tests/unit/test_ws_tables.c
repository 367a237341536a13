/* The tables that the relay looks things up in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include "wsrelay/map.h"
#include "wsrelay/recent.h"

static void
recent_forgets_the_oldest(void **state)
{
	struct recent seen = {.limit = 1024};

	(void)state;
	for (uint64_t i = 0; i < 5000; i++) {
		assert_true(recent_add(&seen, (struct uid){i * 77, i}));
		assert_false(recent_add(&seen, (struct uid){i * 77, i}));
		if (i >= 1024) {
			assert_true(recent_has(&seen, (struct uid){(i - 1023) * 77, i - 1023}));
			assert_false(recent_has(&seen, (struct uid){(i - 1024) * 77, i - 1024}));
		}
	}
	recent_free(&seen);
}

static void
map_keeps_what_is_put(void **state)
{
	static struct uid ids[5000];
	struct map m = {0};
	size_t at = 0, n = 0;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		randombytes_buf(&ids[i], sizeof(ids[i]));
		map_put(&m, &ids[i]);
	}
	for (int i = 0; i < 5000; i += 2)
		map_remove(&m, ids[i]);
	map_remove(&m, ids[0]);
	for (int i = 0; i < 5000; i++)
		assert_ptr_equal(map_get(&m, ids[i]), i % 2 ? &ids[i] : NULL);
	while (map_next(&m, &at))
		n++;
	assert_int_equal(n, 2500);
	map_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recent_forgets_the_oldest),
	    cmocka_unit_test(map_keeps_what_is_put),
	};

	return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
