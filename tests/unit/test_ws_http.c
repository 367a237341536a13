/* The handshake: requests that are answered, requests that are refused, and what is read from them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "wsrelay/ws_http.h"

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define GOOD "GET /ws?a=1&resume=x%2Ey HTTP/1.1\r\nHost: chat.example\r\n" REST KEY

static struct http_request r;

static ssize_t
parse(const char *text)
{
	return ws_http_parse(text, strlen(text), &r);
}

static int
status_of(const char *text)
{
	ssize_t n = parse(text);

	return n < 0 ? (int)-n : n == 0 ? 0 : ws_http_upgrade(&r);
}

static void
takes_a_handshake(void **state)
{
	char accept[HTTP_ACCEPT_SIZE], value[16];

	(void)state;
	assert_int_equal(parse(GOOD "\r\nmore"), strlen(GOOD "\r\n"));
	assert_int_equal(ws_http_upgrade(&r), 101);
	assert_true(slice_is(r.path, "/ws"));
	assert_true(slice_is(r.host, "chat.example"));
	ws_http_accept(r.key, accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455, section 1.3 */
	assert_int_equal(http_query_get(r.query, "resume", value, sizeof(value)), 3);
	assert_string_equal(value, "x.y");
	assert_int_equal(http_query_get(r.query, "ticket", value, sizeof(value)), -1);
	assert_int_equal(
	    status_of(
		"GET /ws HTTP/1.1\r\nhost:h\r\nUPGRADE: foo, WebSocket\r\n"
		"connection: keep-alive, Upgrade\r\nsec-websocket-version: 13\r\n" KEY "\r\n"),
	    101);
}

static void
waits_for_the_whole_head(void **state)
{
	const char *text = GOOD "\r\n";

	(void)state;
	for (size_t n = 0; n < strlen(text); n++)
		assert_int_equal(ws_http_parse(text, n, &r), 0);
	assert_true(ws_http_parse(text, strlen(text), &r) > 0);
}

static void
refuses(void **state)
{
	static const struct {
		int status;
		const char *text;
	} cases[] = {
	    {0, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"},
	    {0, "GET /metrics HTTP/1.0\r\n\r\n"},
	    {405, "POST /ws HTTP/1.1\r\nHost: h\r\n" REST KEY "\r\n"},
	    {400, "GET /ws HTTP/1.0\r\nHost: h\r\n" REST KEY "\r\n"},
	    {400, "GET /ws HTTP/1.1\r\n" REST KEY "\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\n" REST "\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\n" REST "Sec-WebSocket-Key: short\r\n\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\n" REST
		  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTEy\r\n\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\n" REST KEY "Content-Length: 3\r\n\r\nabc"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\n" REST KEY "Transfer-Encoding: chunked\r\n\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\n" REST KEY KEY "\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\nHost: i\r\n" REST KEY "\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: close\r\n"
		  "Sec-WebSocket-Version: 13\r\n" KEY "\r\n"},
	    {426, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		  "Sec-WebSocket-Version: 8\r\n" KEY "\r\n"},
	    {400, "GET ws HTTP/1.1\r\nHost: h\r\n\r\n"},
	    {400, "GET  /ws HTTP/1.1\r\nHost: h\r\n\r\n"},
	    {400, "GET /ws\x01 HTTP/1.1\r\nHost: h\r\n\r\n"},
	    {505, "GET /ws HTTP/2.0\r\nHost: h\r\n\r\n"},
	    {505, "GET /ws HTTP/1.7\r\nHost: h\r\n\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost : h\r\n\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nno colon\r\n\r\n"},
	    {400, "GET /ws HTTP/1.1\nHost: h\r\n\r\n"},
	    {400, "GET /ws HTTP/1.1\r\nHost: h\x01\r\n\r\n"},
	    {400, "\r\n\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (status_of(cases[i].text) != cases[i].status)
			fail_msg("%d, not %d: %s", status_of(cases[i].text), cases[i].status,
			    cases[i].text);
}

static void
bounds_the_head(void **state)
{
	static char text[HTTP_HEAD_MAX + 100];
	size_t n = (size_t)snprintf(text, sizeof(text), "GET /ws HTTP/1.1\r\nX: ");

	(void)state;
	memset(text + n, 'x', sizeof(text) - n);
	assert_int_equal(ws_http_parse(text, HTTP_HEAD_MAX - 1, &r), 0);
	assert_int_equal(ws_http_parse(text, HTTP_HEAD_MAX, &r), -431);
	memcpy(text + HTTP_HEAD_MAX + 10, "\r\n\r\n", 4);
	assert_int_equal(ws_http_parse(text, HTTP_HEAD_MAX + 14, &r), -431);
}

static void
reads_lists(void **state)
{
	struct slice rest = {" a ,, b\t,c", 10}, item;

	(void)state;
	assert_true(http_list_next(&rest, &item) && slice_is(item, "a"));
	assert_true(http_list_next(&rest, &item) && slice_is(item, "b"));
	assert_true(http_list_next(&rest, &item) && slice_is(item, "c"));
	assert_false(http_list_next(&rest, &item));
	assert_true(parse(GOOD "Sec-WebSocket-Protocol: rookery.v1, token.a.b.c\r\n"
			       "Sec-WebSocket-Protocol: resume.x\r\n\r\n") > 0);
	assert_int_equal(r.protocols, 2);
	assert_int_equal(parse(GOOD "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n"
				    "Sec-WebSocket-Protocol: c\r\nSec-WebSocket-Protocol: d\r\n"
				    "Sec-WebSocket-Protocol: e\r\n\r\n"),
	    -400);
}

static void
reads_queries_and_bearers(void **state)
{
	static const char query[] = "ticket=%41b%20&nonce=%zz&empty=&cut=%4&nul=%00";
	struct slice q = {query, sizeof(query) - 1};
	char out[8];

	(void)state;
	assert_int_equal(http_query_get(q, "ticket", out, sizeof(out)), 3);
	assert_string_equal(out, "Ab ");
	assert_int_equal(http_query_get(q, "ticket", out, 3), -1);
	assert_int_equal(http_query_get(q, "nonce", out, sizeof(out)), -1);
	assert_int_equal(http_query_get(q, "empty", out, sizeof(out)), 0);
	assert_int_equal(http_query_get(q, "cut", out, sizeof(out)), -1);
	assert_int_equal(http_query_get(q, "nul", out, sizeof(out)), -1);
	assert_true(slice_is(http_bearer((struct slice){"bEARER  x.y", 11}), "x.y"));
	assert_null(http_bearer((struct slice){"Basic xyz", 9}).p);
	assert_null(http_bearer((struct slice){NULL, 0}).p);
}

static bool
allowed(const char *origin, const char *host, const char *list)
{
	return http_origin_allowed((struct slice){origin, origin ? strlen(origin) : 0},
	    (struct slice){host, strlen(host)}, list);
}

static void
judges_origins(void **state)
{
	(void)state;
	assert_true(allowed(NULL, "h", ""));
	assert_true(allowed("https://chat.example", "chat.example", ""));
	assert_true(allowed("http://CHAT.example:8080", "chat.example:8080", ""));
	assert_false(allowed("http://chat.example", "chat.example:8080", ""));
	assert_false(allowed("https://evil.example", "chat.example", ""));
	assert_false(allowed("null", "chat.example", ""));
	assert_false(allowed("https://chat.example.evil", "chat.example", ""));
	assert_true(allowed("https://app.example", "h", "https://x, https://app.example"));
	assert_true(allowed("https://app.example", "h", "https://x https://app.example"));
	assert_false(allowed("https://app.example", "h", "https://app.example.org"));
	assert_true(allowed("null", "h", "*"));
	assert_false(allowed("", "", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_a_handshake),
	    cmocka_unit_test(waits_for_the_whole_head),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(bounds_the_head),
	    cmocka_unit_test(reads_lists),
	    cmocka_unit_test(reads_queries_and_bearers),
	    cmocka_unit_test(judges_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
