/* Passwords, one-time codes and the key that binds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "conf.h"
#include "password.h"

static struct arena *a;
static char run[] = "/tmp/rookery-test-password-XXXXXX";

static int
setup(void **state)
{
	(void)state;
	a = arena_new();
	if (!mkdtemp(run) || setenv("ROOKERY_RUN", run, 1) ||
	    setenv("ROOKERY_CONF", "/dev/null", 1))
		return -1;
	return conf_load(NULL);
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(a);
	return system("rm -rf \"$ROOKERY_RUN\"");
}

static void
passwords(void **state)
{
	char *hash = password_hash(a, "correct horse"), *again = password_hash(a, "correct horse");

	(void)state;
	assert_int_equal(strncmp(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
	assert_string_not_equal(hash, again); /* salted */
	assert_true(password_verify(hash, "correct horse"));
	assert_true(password_verify(again, "correct horse"));
	assert_false(password_verify(hash, "correct hors"));
	assert_false(password_verify(hash, ""));
	assert_false(password_verify("", "correct horse"));
	assert_false(password_verify("$argon2id$v=19$m=19456,t=2,p=1$", "correct horse"));
	assert_false(password_verify("plain", "plain"));
	assert_true(password_verify(password_hash(a, ""), ""));
}

/* Processor time of refusing five wrong passwords: what else the machine does is not counted. */
static clock_t
refusals(const char *hash)
{
	clock_t start = clock();

	for (int i = 0; i < 5; i++)
		assert_false(password_verify(hash, "y"));
	return clock() - start;
}

static void
unknown_accounts_take_as_long(void **state)
{
	clock_t known = refusals(password_hash(a, "x")), unknown = refusals(NULL);

	(void)state;
	assert_true(unknown > known / 2);
	assert_true(unknown < known * 2);
}

static void
codes_are_uniform(void **state)
{
	enum { DRAWS = 20000 };
	int counts[6][10] = {0};

	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		char *code = password_code(a, 6);

		assert_int_equal(strlen(code), 6);
		assert_int_equal(strspn(code, "0123456789"), 6);
		for (int k = 0; k < 6; k++)
			counts[k][code[k] - '0']++;
	}
	/* 2,000 are expected, with a standard deviation of 42: seven of them are allowed. */
	for (int k = 0; k < 6; k++)
		for (int d = 0; d < 10; d++)
			assert_in_range(counts[k][d], 1700, 2300);
	assert_int_equal(strlen(password_code(a, 1)), 1);
	assert_int_equal(strlen(password_code(a, 9)), 9);
	arena_reset(a);
}

/* Eight processes want the key at once and must agree on it. */
static void
the_code_key_is_made_once(void **state)
{
	int pipes[2], status;
	char hashes[9][65] = {{0}};
	struct stat st;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < 8; i++) {
		if (fork())
			continue;
		_exit(write(pipes[1], password_code_hash(a, "id", "123456"), 64) == 64 ? 0 : 1);
	}
	for (int i = 0; i < 8; i++) {
		wait(&status);
		assert_int_equal(status, 0);
		assert_int_equal(read(pipes[0], hashes[i], 64), 64);
		assert_string_equal(hashes[i], hashes[0]);
	}
	assert_string_equal(password_code_hash(a, "id", "123456"), hashes[0]);
	assert_int_equal(stat(arena_printf(a, "%s/keys/code.key", run), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 32);
	close(pipes[0]);
	close(pipes[1]);
}

static void
code_hashes_are_bound(void **state)
{
	char *hash = password_code_hash(a, "id", "123456");

	(void)state;
	assert_int_equal(strlen(hash), 64);
	assert_true(password_equal(hash, password_code_hash(a, "id", "123456")));
	assert_false(password_equal(hash, password_code_hash(a, "id", "123457")));
	assert_false(password_equal(hash, password_code_hash(a, "ie", "123456")));
	assert_false(password_equal(hash, password_code_hash(a, "id1", "23456")));
}

/* A damaged or readable key is an error, not a reason to make another. */
static void
a_bad_code_key_stays(void **state)
{
	char *path = arena_printf(a, "%s/keys/code.key", run);
	struct stat st;
	int status;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(i ? truncate(path, 5) : chmod(path, 0640), 0);
		if (fork() == 0) {
			execl("/proc/self/exe", "test", "--hash", (char *)NULL);
			_exit(9);
		}
		wait(&status);
		assert_int_equal(WEXITSTATUS(status), 2);
		assert_int_equal(chmod(path, 0600), 0);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5);
}

static void
comparing(void **state)
{
	(void)state;
	assert_true(password_equal("", ""));
	assert_true(password_equal("abc", "abc"));
	assert_false(password_equal("abc", "abd"));
	assert_false(password_equal("abc", "abcd"));
	assert_false(password_equal(NULL, "abc"));
	assert_false(password_equal("abc", NULL));
	assert_false(password_equal(NULL, NULL));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passwords),
	    cmocka_unit_test(unknown_accounts_take_as_long),
	    cmocka_unit_test(codes_are_uniform),
	    cmocka_unit_test(the_code_key_is_made_once),
	    cmocka_unit_test(code_hashes_are_bound),
	    cmocka_unit_test(a_bad_code_key_stays),
	    cmocka_unit_test(comparing),
	};

	if (argc == 2 && !strcmp(argv[1], "--hash")) { /* a_bad_code_key_stays() starts it so */
		struct arena *arena = arena_new();
		bool made = !conf_load(NULL) && password_code_hash(arena, "id", "1");

		arena_free(arena);
		return made ? 1 : 2;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
