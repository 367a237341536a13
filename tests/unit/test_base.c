/* The lowest modules: arena, buf, id, json, query, err. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "arena.h"
#include "buf.h"
#include "err.h"
#include "id.h"
#include "json.h"
#include "query.h"

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static int order[3], closed;

static void
note(void *arg)
{
	order[closed++] = *(int *)arg;
}

static void
arena_closes_latest_first(void **state)
{
	int one = 1, two = 2;

	(void)state;
	arena_defer(arena, note, &one);
	arena_defer(arena, note, &two);
	arena_reset(arena);
	assert_int_equal(closed, 2);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 1);
	arena_reset(arena);
	assert_int_equal(closed, 2);
}

static void
arena_aligns_and_keeps_apart(void **state)
{
	char *a = arena_memdup(arena, "abc", 3), *b = arena_alloc(arena, 1);
	char *large = arena_zalloc(arena, 1 << 20);

	(void)state;
	assert_int_equal((uintptr_t)b % 16, 0);
	*b = 'x';
	assert_string_equal(a, "abc");
	assert_int_equal(large[(1 << 20) - 1], 0);
	assert_string_equal(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
	assert_null(arena_strdup(arena, NULL));
}

static void
arena_keeps_little_after_a_burst(void **state)
{
	(void)state;
	for (int i = 0; i < 64; i++)
		arena_alloc(arena, 1 << 20);
	assert_true(arena_size(arena) > 64 << 20);
	arena_reset(arena);
	assert_true(arena_size(arena) <= 1 << 20);
}

static void
buf_grows(void **state)
{
	struct buf b = buf_new(arena);

	(void)state;
	assert_string_equal(b.p, "");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d", i);
	buf_putc(&b, '!');
	assert_int_equal(b.n, 3001);
	assert_memory_equal(b.p + 2997, "999!", 5);
}

static void
ids_are_version_7_and_rise(void **state)
{
	char a[ID_SIZE], b[ID_SIZE];

	(void)state;
	id_new(a);
	usleep(2000);
	id_new(b);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(a[14], '7');
	assert_non_null(strchr("89ab", a[19]));
	assert_true(strcmp(a, b) < 0);
	assert_true(id_parse("01A1F7D0-0D59-7EEE-AC9F-37301B46BEA1", b));
	assert_string_equal(b, "01a1f7d0-0d59-7eee-ac9f-37301b46bea1");
	assert_false(id_parse("01a1f7d0-0d59-7eee-ac9f-37301b46beag", b));
	assert_false(id_parse(NULL, b));
}

/* Two processes that share a stock of random bytes would make the same ids. */
static void
a_forked_child_makes_its_own_ids(void **state)
{
	char mine[ID_SIZE], its[ID_SIZE];
	int pipes[2];

	(void)state;
	id_new(mine); /* there is a stock now */
	assert_int_equal(pipe(pipes), 0);
	if (fork() == 0) {
		id_new(its);
		_exit(write(pipes[1], its, ID_SIZE) != ID_SIZE);
	}
	id_new(mine);
	assert_int_equal(read(pipes[0], its, ID_SIZE), ID_SIZE);
	wait(NULL);
	assert_string_not_equal(mine + 24, its + 24);
}

static void
json_refuses_what_readers_disagree_on(void **state)
{
	static const char *const bad[] = {"", "{", "{\"a\":1,\"a\":2}", "[1,]", "\"\\u0000\"",
	    "\"\xff\"", "{} x", "'a'", "nul", "01", "\"\\ud800\""};
	const char *why = NULL;

	(void)state;
	json_use(arena);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_null(json_read(arena, bad[i], strlen(bad[i]), &why));
		assert_non_null(why);
	}
	assert_string_equal(
	    json_text(arena, json_read(arena, " {\"a\" : [1, null]} ", 19, &why), NULL),
	    "{\"a\":[1,null]}");
	json_use(NULL);
}

static void
query_decodes(void **state)
{
	const char *q = "a=1&b=%C3%A4+x&c&d=%zz&e=%00&a=2&=x&f=%2";
	bool bad = false;

	(void)state;
	assert_string_equal(query_get(arena, q, "a", &bad), "1");
	assert_string_equal(query_get(arena, q, "b", &bad), "ä x");
	assert_string_equal(query_get(arena, q, "c", &bad), "");
	assert_null(query_get(arena, q, "x", &bad));
	assert_false(bad);
	assert_null(query_get(arena, q, "d", &bad));
	assert_true(bad);
	assert_null(query_get(arena, q, "e", &bad));
	assert_null(query_get(arena, q, "f", &bad));
	assert_string_equal(query_decode(arena, "a+b%2F", 6, false), "a+b/");
}

static void
errors_have_a_status(void **state)
{
	(void)state;
	assert_int_equal(err_status(ERR_OK), 200);
	assert_int_equal(err_status(ERR_GONE), 410);
	assert_int_equal(err_from_status(423), ERR_LOCKED);
	assert_int_equal(err_from_status(418), ERR_INTERNAL);
	assert_int_equal(err_status((enum err)999), 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arena_closes_latest_first),
	    cmocka_unit_test(arena_aligns_and_keeps_apart),
	    cmocka_unit_test(arena_keeps_little_after_a_burst),
	    cmocka_unit_test(buf_grows),
	    cmocka_unit_test(ids_are_version_7_and_rise),
	    cmocka_unit_test(a_forked_child_makes_its_own_ids),
	    cmocka_unit_test(json_refuses_what_readers_disagree_on),
	    cmocka_unit_test(query_decodes),
	    cmocka_unit_test(errors_have_a_status),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
