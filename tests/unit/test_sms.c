/* Codes on their way out: the form a provider gets, what its answers become, and what is logged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "arena.h"
#include "conf.h"
#include "err.h"
#include "http.h"
#include "http_server.h"
#include "sms.h"

static struct arena *a;
static struct server server;

/* Settings through the environment; path is behind the server's address. */
static void
configure(const char *provider, const char *path)
{
	setenv("ROOKERY_CONF", "/dev/null", 1);
	setenv("ROOKERY_OTP_PROVIDER", provider, 1);
	setenv("ROOKERY_OTP_URL",
	    path ? arena_printf(a, "http://127.0.0.1:%d%s", server.port, path) : "", 1);
	setenv("ROOKERY_OTP_ACCOUNT", "AC1", 1);
	setenv("ROOKERY_OTP_SECRET", "hush", 1);
	setenv("ROOKERY_OTP_FROM", "+15005550006", 1);
	setenv("ROOKERY_OTP_TIMEOUT", "1s", 1);
	assert_int_equal(conf_load(NULL), 0);
}

static int
setup(void **state)
{
	(void)state;
	a = arena_new();
	server = server_start(false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	http_close();
	server_stop(&server);
	arena_free(a);
	return 0;
}

static void
dev_sends_nothing(void **state)
{
	(void)state;
	configure("dev", "/2010-04-01/Accounts/AC1");
	assert_int_equal(sms_send(a, "+4915112345678", "Your code is 482913.", "sms"), 0);
	assert_int_equal(sms_send(a, "+4915112345678", "Your code is 482913.", "voice"), 0);
	assert_int_equal(
	    sms_send(a, "+4915112345678", "Your code is 482913.", "pigeon"), ERR_VALIDATION);
	assert_null(server_request(&server));
}

static void
sms_is_a_message(void **state)
{
	const char *request;

	(void)state;
	configure("http", "/2010-04-01/Accounts/AC1");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    sms_send(a, "+4915112345678", "Your code is 482913 & 1.", i ? "sms" : NULL), 0);
		request = server_request(&server);
		assert_non_null(request);
		assert_int_equal(
		    strncmp(
			request, "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1\r\n", 54),
		    0);
		assert_non_null(strstr(request, "\r\nAuthorization: Basic QUMxOmh1c2g=\r\n"));
		assert_non_null(
		    strstr(request, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
		assert_string_equal(strstr(request, "\r\n\r\n") + 4,
		    "To=%2B4915112345678&From=%2B15005550006&Body="
		    "Your%20code%20is%20482913%20%26%201.");
	}
}

static void
voice_is_a_call(void **state)
{
	const char *request;

	(void)state;
	configure("http", "/2010-04-01/Accounts/AC1");
	assert_int_equal(sms_send(a, "+4915112345678", "Code <482913>", "voice"), 0);
	request = server_request(&server);
	assert_non_null(request);
	assert_int_equal(
	    strncmp(request, "POST /2010-04-01/Accounts/AC1/Calls.json HTTP/1.1\r\n", 51), 0);
	assert_non_null(
	    strstr(request, "&Twiml=%3CResponse%3E%3CSay%3ECode%20%26lt%3B4%2C%208%2C%202%2C%20"
			    "9%2C%201%2C%203%26gt%3B%3C%2FSay%3E"));
	assert_null(strstr(request, "482913"));
	assert_null(strstr(request, "Body="));
}

/* Returns what sms_send() logged on stderr. */
static char *
failing(const char *provider_path, int expected)
{
	char *text = arena_zalloc(a, 4096);
	int saved = dup(STDERR_FILENO), file = open("/tmp", O_TMPFILE | O_RDWR, 0600), got;

	configure("http", provider_path);
	dup2(file, STDERR_FILENO);
	got = sms_send(a, "+4915112345678", "Your code is 482913.", "sms");
	dup2(saved, STDERR_FILENO);
	assert_true(pread(file, text, 4095, 0) >= 0);
	close(saved);
	close(file);
	assert_int_equal(got, expected);
	return text;
}

static void
failures_are_told_and_logged_without_the_code(void **state)
{
	static const struct {
		const char *path;
		int err;
	} cases[] = {
	    {"/status/400?", ERR_BAD_GATEWAY},
	    {"/status/401?", ERR_BAD_GATEWAY},
	    {"/status/302?", ERR_BAD_GATEWAY},
	    {"/status/429?", ERR_UNAVAILABLE},
	    {"/status/500?", ERR_BAD_GATEWAY},
	    {"/status/503?", ERR_UNAVAILABLE},
	    {"\x01", ERR_UNAVAILABLE},
	    {NULL, ERR_UNAVAILABLE},
	};
	char *log;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		log = failing(cases[i].path, cases[i].err);
		assert_true(*log);
		assert_null(strstr(log, "482913"));
		assert_null(strstr(log, "4915112345678"));
		assert_null(strstr(log, "hush"));
	}
	assert_non_null(strstr(failing("/status/429?", ERR_UNAVAILABLE), "\"status\":\"429\""));
	server_stop(&server);
	http_close();
	failing("/gone", ERR_UNAVAILABLE);
	server = server_start(false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dev_sends_nothing),
	    cmocka_unit_test(sms_is_a_message),
	    cmocka_unit_test(voice_is_a_call),
	    cmocka_unit_test(failures_are_told_and_logged_without_the_code),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
