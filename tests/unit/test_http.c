/* The client: what it sends, what it makes of answers, and where it refuses to go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "err.h"
#include "http.h"
#include "http_server.h"

static struct arena *a;
static struct server server;

static int
setup(void **state)
{
	(void)state;
	a = arena_new();
	server = server_start(false);
	/* A proxy that nothing may use. */
	return setenv("http_proxy", "http://127.0.0.1:9", 1) ||
	       setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
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

static const char *
url(const char *path)
{
	return arena_printf(a, "http://127.0.0.1:%d%s", server.port, path);
}

static int
get(enum http_policy policy, const char *where, struct http_reply *reply)
{
	return http_send(
	    a, &(struct http_request){.policy = policy, .url = where, .total_ms = 2000}, reply);
}

static void
requests_are_as_asked(void **state)
{
	const char *const headers[] = {"X-One: 1", "X-Two: two words", NULL};
	struct http_request q = {.policy = HTTP_TRUSTED,
	    .url = url("/echo?q=1"),
	    .headers = headers,
	    .body = "{\"a\":\"b\"}",
	    .body_len = 9,
	    .content_type = "application/json",
	    .user = "me",
	    .secret = "s:cret"};
	struct http_reply reply;

	(void)state;
	assert_int_equal(http_send(a, &q, &reply), 0);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.content_type, "text/plain");
	assert_int_equal(strlen(reply.body), reply.body_len);
	assert_int_equal(strncmp(reply.body, "POST /echo?q=1 HTTP/1.1\r\n", 25), 0);
	assert_non_null(strstr(reply.body, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(reply.body, "\r\nX-Two: two words\r\n"));
	assert_non_null(strstr(reply.body, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(reply.body, "\r\nContent-Length: 9\r\n"));
	assert_non_null(strstr(reply.body, "\r\nAuthorization: Basic bWU6czpjcmV0\r\n"));
	assert_non_null(strstr(reply.body, "\r\n\r\n{\"a\":\"b\"}"));
	assert_null(strstr(reply.body, "Expect:"));

	assert_int_equal(get(HTTP_TRUSTED, url("/echo"), &reply), 0);
	assert_int_equal(strncmp(reply.body, "GET /echo HTTP/1.1\r\n", 20), 0);
	assert_null(strstr(reply.body, "Content-Type"));
	assert_null(strstr(reply.body, "Authorization")); /* nothing stays of the request before */

	q = (struct http_request){.policy = HTTP_TRUSTED, .method = "PUT", .url = url("/echo")};
	assert_int_equal(http_send(a, &q, &reply), 0);
	assert_int_equal(strncmp(reply.body, "PUT ", 4), 0);
	assert_non_null(strstr(reply.body, "\r\nContent-Length: 0\r\n"));
	q.method = "DELETE";
	assert_int_equal(http_send(a, &q, &reply), 0);
	assert_int_equal(strncmp(reply.body, "DELETE ", 7), 0);
	q.method = "HEAD";
	assert_int_equal(http_send(a, &q, &reply), 0);
	assert_int_equal(reply.body_len, 0);
}

static void
statuses_are_answers(void **state)
{
	struct http_reply reply;

	(void)state;
	assert_int_equal(get(HTTP_TRUSTED, url("/status/404"), &reply), 0);
	assert_int_equal(reply.status, 404);
	assert_string_equal(reply.body, "why");
	assert_int_equal(reply.retry_after, 0);
	assert_int_equal(get(HTTP_TRUSTED, url("/status/503"), &reply), 0);
	assert_int_equal(reply.status, 503);
	assert_int_equal(reply.retry_after, 7);
}

static void
redirects_only_when_asked(void **state)
{
	struct http_request q = {
	    .policy = HTTP_TRUSTED, .url = url("/redirect/redirect/status/204")};
	struct http_reply reply;

	(void)state;
	assert_int_equal(http_send(a, &q, &reply), 0);
	assert_int_equal(reply.status, 302);
	q.redirects = 2;
	assert_int_equal(http_send(a, &q, &reply), 0);
	assert_int_equal(reply.status, 204);
	q.redirects = 1;
	assert_int_equal(http_send(a, &q, &reply), ERR_BAD_GATEWAY);
}

static void
replies_are_bounded(void **state)
{
	struct http_request q = {
	    .policy = HTTP_TRUSTED, .url = url("/bytes/1000"), .max_reply = 1000};
	struct http_reply reply;

	(void)state;
	assert_int_equal(http_send(a, &q, &reply), 0);
	assert_int_equal(reply.body_len, 1000);
	q.max_reply = 999;
	assert_int_equal(http_send(a, &q, &reply), ERR_BAD_GATEWAY);
	assert_int_equal(get(HTTP_TRUSTED, url("/bytes/65536"), &reply), 0);
	assert_int_equal(reply.body_len, 65536);
	assert_int_equal(get(HTTP_TRUSTED, url("/bytes/65537"), &reply), ERR_BAD_GATEWAY);
}

static void
failures_have_names(void **state)
{
	struct http_request slow = {.policy = HTTP_TRUSTED, .url = url("/slow"), .total_ms = 300};
	int64_t start = clock_steady();
	struct http_reply reply;

	(void)state;
	assert_int_equal(http_send(a, &slow, &reply), ERR_UNAVAILABLE);
	assert_in_range(clock_steady() - start, 250000, 2000000);
	assert_int_equal(get(HTTP_TRUSTED, "http://127.0.0.1:9/", &reply), ERR_UNAVAILABLE);
	assert_int_equal(get(HTTP_TRUSTED, "http://nowhere.invalid/", &reply), ERR_UNAVAILABLE);
	assert_int_equal(get(HTTP_TRUSTED, url("/cut"), &reply), ERR_UNAVAILABLE);
	assert_int_equal(get(HTTP_TRUSTED, url("/garbage"), &reply), ERR_BAD_GATEWAY);
}

static void
certificates_are_verified(void **state)
{
	struct server tls = server_start(true);
	struct http_reply reply;

	(void)state;
	assert_int_equal(
	    get(HTTP_TRUSTED, arena_printf(a, "https://127.0.0.1:%d/", tls.port), &reply),
	    ERR_BAD_GATEWAY);
	server_stop(&tls);
}

static void
malformed_requests(void **state)
{
	static const char *const urls[] = {"", "http://", "127.0.0.1/", "file:///etc/passwd",
	    "gopher://127.0.0.1/", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1/", "http://a b/",
	    "http://127.0.0.1/\r\nX: y", "http://127.0.0.1:99999/", "smtp://127.0.0.1/",
	    "dict://127.0.0.1/"};
	struct http_request q = {.policy = HTTP_TRUSTED, .url = url("/echo")};
	struct http_reply reply;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
		for (int policy = HTTP_PUBLIC; policy <= HTTP_TRUSTED; policy++)
			if (get(policy, urls[i], &reply) != ERR_VALIDATION)
				fail_msg("\"%s\" was accepted", urls[i]);
	assert_int_equal(get(HTTP_TRUSTED, NULL, &reply), ERR_VALIDATION);
	q.headers = (const char *const[]){"X: y\r\nHost: elsewhere", NULL};
	assert_int_equal(http_send(a, &q, &reply), ERR_VALIDATION);
	q.headers = (const char *const[]){"no colon", NULL};
	assert_int_equal(http_send(a, &q, &reply), ERR_VALIDATION);
	q.headers = NULL;
	q.method = "GET / HTTP/1.1\r\nX:";
	assert_int_equal(http_send(a, &q, &reply), ERR_VALIDATION);
	q.method = "";
	assert_int_equal(http_send(a, &q, &reply), ERR_VALIDATION);
	q.method = NULL;
	q.content_type = "text/plain\nX: y";
	assert_int_equal(http_send(a, &q, &reply), ERR_VALIDATION);
}

/* Every way to write an address of this machine, also while a trusted connection to it is open. */
static void
public_requests_stay_outside(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "127.1", "2130706433",
	    "0x7f000001", "0177.0.0.1", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]",
	    "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1", "192.168.1.1",
	    "172.16.0.1", "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fd00::1]", "localhost.",
	    "224.0.0.1"};
	struct http_reply reply;
	int64_t start = clock_steady();
	int err;

	(void)state;
	assert_int_equal(get(HTTP_TRUSTED, url("/echo"), &reply), 0);
	assert_int_equal(get(HTTP_PUBLIC, url("/echo"), &reply), ERR_FORBIDDEN);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		err = get(HTTP_PUBLIC, arena_printf(a, "http://%s:%d/echo", hosts[i], server.port),
		    &reply);
		if (err != ERR_FORBIDDEN && strcmp(hosts[i], "localhost."))
			fail_msg("%s gives %s", hosts[i], err_code(err));
		assert_int_not_equal(err, 0);
	}
	assert_true(clock_steady() - start < 5000000); /* refused, not timed out */
	assert_int_equal(get(HTTP_TRUSTED, url("/echo"), &reply), 0);
}

static bool
is_public(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return http_address_public((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return http_address_public((struct sockaddr *)&v6);
}

/* Both sides of every edge. */
static void
addresses(void **state)
{
	static const char *const outside[] = {"1.0.0.0", "1.1.1.1", "9.255.255.255", "11.0.0.0",
	    "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
	    "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.1",
	    "192.88.100.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
	    "198.51.99.1", "198.51.101.1", "203.0.112.1", "203.0.114.1", "223.255.255.255",
	    "2000::", "2001:200::1", "2001:4860:4860::8888", "2001:db7::1", "2001:db9::1",
	    "2003::1", "2606:4700::1111", "3ffe::1", "3fff:1000::1"};
	static const char *const inside[] = {"0.0.0.0", "0.255.255.255", "10.0.0.0",
	    "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0", "127.255.255.255",
	    "169.254.0.0", "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.1",
	    "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0",
	    "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.0", "239.255.255.255",
	    "240.0.0.0", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:8.8.8.8",
	    "::ffff:127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "1fff::1", "2001::1",
	    "2001:1ff::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "4000::1", "5f00::1",
	    "fc00::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1"};
	struct sockaddr unix_socket = {.sa_family = AF_UNIX};

	(void)state;
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		if (!is_public(outside[i]))
			fail_msg("%s is refused", outside[i]);
	for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++)
		if (is_public(inside[i]))
			fail_msg("%s is let through", inside[i]);
	assert_false(http_address_public(&unix_socket));
}

static void
forms(void **state)
{
	char *form = http_form_add(a, "", "To", "+49 1");

	(void)state;
	assert_string_equal(form, "To=%2B49%201");
	assert_string_equal(http_form_add(a, form, "Body", "a&b=\xc3\xa9\n"),
	    "To=%2B49%201&Body=a%26b%3D%C3%A9%0A");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_are_as_asked),
	    cmocka_unit_test(statuses_are_answers),
	    cmocka_unit_test(redirects_only_when_asked),
	    cmocka_unit_test(replies_are_bounded),
	    cmocka_unit_test(failures_have_names),
	    cmocka_unit_test(certificates_are_verified),
	    cmocka_unit_test(malformed_requests),
	    cmocka_unit_test(public_requests_stay_outside),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(forms),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
