/* conf: where values come from, what they are read as, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "conf.h"
#include "conf_table.h"

static char path[] = "/tmp/test_conf.XXXXXX";

static void
write_conf(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Load the text as a settings file; complaints are not shown. */
static int
load(const char *text)
{
	int kept = dup(2), result;

	write_conf(text);
	assert_non_null(freopen("/dev/null", "w", stderr));
	result = conf_load(path);
	fflush(stderr);
	dup2(kept, 2);
	close(kept);
	return result;
}

static void
values_are_read_by_type(void **state)
{
	int64_t n, s;

	(void)state;
	assert_int_equal(
	    load("token.lifetime = 2h  # comment\nbody.max=3k\n\n# nothing\nworkers.max =\t7\n"
		 "limit.qr = 5/1h\nlimit.sync = 0\n"),
	    0);
	assert_int_equal(conf_int("token.lifetime"), 7200);
	assert_int_equal(conf_int("body.max"), 3072);
	assert_int_equal(conf_int("workers.max"), 7);
	assert_true(conf_limit("qr", &n, &s));
	assert_int_equal(n, 5);
	assert_int_equal(s, 3600);
	assert_false(conf_limit("sync", &n, &s));
	assert_true(conf_limit("nobody-made-this-class", &n, &s)); /* as general */
	assert_int_equal(n, 600);
}

static void
faults_are_refused_and_change_nothing(void **state)
{
	static const char *const faults[] = {"no.such = 1\n", "workers.max\n", "workers.max = -1\n",
	    "workers.max = 0\n", "workers.max = 65\n", "workers.max = 3x\n",
	    "token.lifetime = soon\n", "token.lifetime = 99999999999999999999d\n",
	    "body.max = 9223372036854775807g\n", "limit.qr = 5\n", "limit.qr = 0/60\n",
	    "limit.qr = /60\n", "http.server = nginx\n", "http.server = lighttpd|apache\n",
	    "http.server =\n", "otp.secret = hunter2\n"};

	(void)state;
	assert_int_equal(load("workers.max = 9\n"), 0);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		assert_int_equal(load(faults[i]), -1);
		assert_int_equal(conf_int("workers.max"), 9);
	}
	unlink(path);
	assert_int_equal(conf_load(path) ? -1 : 0, -1);
}

static void
environment_comes_first(void **state)
{
	(void)state;
	setenv("ROOKERY_DB_NAME", "other", 1);
	setenv("ROOKERY_RUN", "/tmp/elsewhere", 1);
	assert_int_equal(load("db.name = file\n"), 0);
	assert_string_equal(conf_str("db.name"), "other");
	assert_string_equal(conf_str("db.host"), "/tmp/elsewhere/pg-socket");
	unsetenv("ROOKERY_DB_NAME");
	assert_int_equal(
	    load("db.name = file\nredis.socket = /run/x # RUN/ is not at the start: a/RUN/b\n"), 0);
	assert_string_equal(conf_str("db.name"), "file");
	assert_string_equal(conf_str("redis.socket"), "/run/x");
	unsetenv("ROOKERY_RUN");
}

static void
secrets_come_from_files_and_are_not_printed(void **state)
{
	char run[] = "/tmp/test_conf_run.XXXXXX", file[128], *text;
	size_t size;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(run));
	snprintf(file, sizeof(file), "%s/keys", run);
	mkdir(file, 0700);
	snprintf(file, sizeof(file), "%s/keys/otp.secret", run);
	f = fopen(file, "w");
	fputs("correct horse\n", f);
	fclose(f);
	setenv("ROOKERY_RUN", run, 1);
	assert_int_equal(load(""), 0);
	assert_string_equal(conf_str("otp.secret"), "correct horse");
	assert_string_equal(conf_str("smtp.password"), "");
	f = open_memstream(&text, &size);
	conf_print(f, true);
	fclose(f);
	assert_null(strstr(text, "correct horse"));
	assert_non_null(strstr(text, "otp.secret = (set)  # key file"));
	free(text);
	unsetenv("ROOKERY_RUN");
	unlink(file);
	snprintf(file, sizeof(file), "%s/keys", run);
	rmdir(file);
	rmdir(run);
}

/* The file that users start from says what is in force without it, for every setting. */
static void
template_is_the_defaults(void **state)
{
	char *text, line_text[512];
	size_t size;
	FILE *f;

	(void)state;
	f = open_memstream(&text, &size);
	conf_template(f);
	fclose(f);
	for (int i = 0; i < conf_table_n; i++) {
		const struct setting *set = &conf_table[i];

		if (set->type == SET_GROUP || set->type == SET_SECRET)
			continue;
		snprintf(line_text, sizeof(line_text), "\n#%s = %s\n", set->name, set->dflt);
		assert_non_null(strstr(text, line_text));
	}
	/* Taking the comment signs off gives a file that is read without a fault. */
	for (char *p = text; (p = strstr(p, "\n#")); p++)
		if (p[2] != ' ')
			p[1] = ' ';
	assert_int_equal(load(text), 0);
	assert_int_equal(conf_int("token.lifetime"), 900);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_read_by_type),
	    cmocka_unit_test(faults_are_refused_and_change_nothing),
	    cmocka_unit_test(environment_comes_first),
	    cmocka_unit_test(secrets_come_from_files_and_are_not_printed),
	    cmocka_unit_test(template_is_the_defaults),
	};
	int fd = mkstemp(path), bad;

	close(fd);
	bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return bad;
}
