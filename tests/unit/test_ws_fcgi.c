/* FastCGI as the relay speaks it: what a request looks like, and what is made of an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "wsrelay/fcgi_wire.h"

enum { BEGIN = 1, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, STDERR = 7 };

/* ---- requests ------------------------------------------------------------------------------- */

/* The record at p must be of that type; answers its content's length. */
static size_t
record(const uint8_t *p, uint8_t type)
{
	assert_int_equal(p[0], 1);
	assert_int_equal(p[1], type);
	assert_int_equal(p[2] << 8 | p[3], 1);
	assert_int_equal(p[6], 0);
	return (size_t)(p[4] << 8 | p[5]);
}

static void
a_request_has_its_records_in_order(void **state)
{
	static const uint8_t params[] = "\x01\x02"
					"AXY\x02\x00"
					"BB";
	struct fcgi_out out = {0};
	const uint8_t *p;
	size_t n;

	(void)state;
	assert_true(fcgi_out_param(&out, "A", "XY", 2));
	assert_true(fcgi_out_param(&out, "BB", NULL, 0));
	fcgi_out_finish(&out, "hello", 5);
	p = out.p;
	assert_int_equal(record(p, BEGIN), 8);
	assert_int_equal(p[9], 1);  /* a responder */
	assert_int_equal(p[10], 0); /* that closes afterwards */
	p += 16;
	n = record(p, PARAMS);
	assert_int_equal(n, sizeof(params) - 1);
	assert_memory_equal(p + 8, params, n);
	p += 8 + n;
	assert_int_equal(record(p, PARAMS), 0);
	p += 8;
	assert_int_equal(record(p, STDIN), 5);
	assert_memory_equal(p + 8, "hello", 5);
	p += 13;
	assert_int_equal(record(p, STDIN), 0);
	assert_int_equal(p + 8 - out.p, out.n);
	fcgi_out_free(&out);
}

static void
long_values_have_long_lengths(void **state)
{
	char value[300];
	struct fcgi_out out = {0};
	const uint8_t *p;

	(void)state;
	memset(value, 'v', sizeof(value));
	assert_true(fcgi_out_param(&out, "N", value, sizeof(value)));
	fcgi_out_finish(&out, NULL, 0);
	p = out.p + 16;
	assert_int_equal(record(p, PARAMS), 1 + 4 + 1 + 300);
	assert_memory_equal(p + 8, "\x01\x80\x00\x01\x2cNv", 7);
	assert_int_equal(record(p + 8 + 306 + 8, STDIN), 0);
	fcgi_out_free(&out);
}

static void
parameters_that_do_not_fit_are_refused(void **state)
{
	static char value[70000];
	struct fcgi_out out = {0};

	(void)state;
	assert_false(fcgi_out_param(&out, "N", value, sizeof(value)));
	assert_true(fcgi_out_param(&out, "N", value, 65000));
	assert_false(fcgi_out_param(&out, "N", value, 600));
	assert_true(fcgi_out_param(&out, "N", value, 65535 - 65006 - 6));
	assert_false(fcgi_out_param(&out, "", NULL, 0));
	fcgi_out_finish(&out, NULL, 0);
	assert_int_equal(record(out.p + 16, PARAMS), 65535);
	fcgi_out_free(&out);
}

static void
a_large_body_takes_several_records(void **state)
{
	static uint8_t body[200000];
	struct fcgi_out out = {0};
	const uint8_t *p;
	size_t n, sum = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7);
	fcgi_out_finish(&out, body, sizeof(body));
	for (p = out.p + 16 + 16; (n = record(p, STDIN)); p += 8 + n) {
		assert_memory_equal(p + 8, body + sum, n);
		sum += n;
	}
	assert_int_equal(sum, sizeof(body));
	assert_int_equal(p + 8 - out.p, out.n);
	fcgi_out_free(&out);
}

/* ---- answers -------------------------------------------------------------------------------- */

static uint8_t wire[4096];
static size_t wire_n;

static void
put(uint8_t type, const char *content, uint8_t padding)
{
	size_t n = strlen(content);
	const uint8_t head[8] = {1, type, 0, 1, (uint8_t)(n >> 8), (uint8_t)n, padding, 0};

	memcpy(wire + wire_n, head, 8);
	memcpy(wire + wire_n + 8, content, n);
	memset(wire + wire_n + 8 + n, 'p', padding);
	wire_n += 8 + n + padding;
}

/* Feed what was put in pieces of that size. */
static enum fcgi_in_got
feed(struct fcgi_in *in, size_t piece)
{
	enum fcgi_in_got got = FCGI_IN_MORE;

	for (size_t at = 0; at < wire_n && got == FCGI_IN_MORE; at += piece)
		got = fcgi_in_feed(in, wire + at, wire_n - at < piece ? wire_n - at : piece);
	return got;
}

static void
an_answer_is_the_same_however_it_is_cut(void **state)
{
	struct fcgi_reply r;
	const char *value;
	size_t n;

	(void)state;
	wire_n = 0;
	put(STDOUT, "Status: 404 Not Found\r\nX-Long:  a b \r\n", 3);
	put(STDERR, "a complaint that nobody is told", 1);
	put(STDOUT, "Content-Length: 5\r\n\r\nhe", 0);
	put(STDOUT, "llo", 7);
	put(STDOUT, "", 0);
	put(END, "\0\0\0\0\0\0\0\0", 0);
	for (size_t piece = 1; piece <= wire_n; piece++) {
		struct fcgi_in in = {.limit = 100};

		assert_int_equal(feed(&in, piece), FCGI_IN_DONE);
		assert_true(fcgi_in_reply(&in, &r));
		assert_int_equal(r.status, 404);
		assert_int_equal(r.body_n, 5);
		assert_memory_equal(r.body, "hello", 5);
		assert_non_null(value = fcgi_reply_header(&r, "x-long", &n));
		assert_int_equal(n, 3);
		assert_memory_equal(value, "a b", 3);
		assert_null(fcgi_reply_header(&r, "X-Lon", &n));
		assert_null(fcgi_reply_header(&r, "hello", &n));
		fcgi_in_free(&in);
	}
}

static void
what_is_no_answer_is_not_taken_for_one(void **state)
{
	static const char *const bad[] = {"", "no empty line\r\n", "Status: 99\r\n\r\n",
	    "Status: x\r\n\r\n", "Status: 1000\r\n\r\n", "Status: 99999999999999999999\r\n\r\n",
	    "Content-Length: 3\r\n\r\nab", "Content-Length: 1\r\n\r\nab",
	    "Content-Length: -1\r\n\r\n"};
	struct fcgi_reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct fcgi_in in = {.limit = 100};

		wire_n = 0;
		put(STDOUT, bad[i], 0);
		put(END, "", 0);
		assert_int_equal(feed(&in, 7), FCGI_IN_DONE);
		assert_false(fcgi_in_reply(&in, &r));
		fcgi_in_free(&in);
	}
}

static void
heads_may_be_short(void **state)
{
	struct fcgi_in in = {.limit = 100};
	struct fcgi_reply r;

	(void)state;
	wire_n = 0;
	put(STDOUT, "A: b\n\nbody", 0);
	put(END, "", 0);
	assert_int_equal(feed(&in, 100), FCGI_IN_DONE);
	assert_true(fcgi_in_reply(&in, &r));
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body_n, 4);
	fcgi_in_free(&in);
}

static void
records_of_another_kind_end_it(void **state)
{
	static const uint8_t heads[][8] = {{2, STDOUT, 0, 1}, {1, STDOUT, 0, 2}, {1, STDOUT, 1, 1},
	    {1, STDIN, 0, 1}, {1, 11, 0, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		struct fcgi_in in = {.limit = 100};

		assert_int_equal(fcgi_in_feed(&in, heads[i], 8), FCGI_IN_BROKEN);
		fcgi_in_free(&in);
	}
}

static void
answers_are_bounded(void **state)
{
	struct fcgi_in in = {.limit = 20};

	(void)state;
	wire_n = 0;
	put(STDOUT, "0123456789", 0);
	put(STDERR, "this does not count, however long it is", 0);
	put(STDOUT, "0123456789", 0);
	assert_int_equal(feed(&in, 3), FCGI_IN_MORE);
	put(STDOUT, "x", 0);
	assert_int_equal(fcgi_in_feed(&in, wire + wire_n - 9, 9), FCGI_IN_TOO_LARGE);
	fcgi_in_free(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_has_its_records_in_order),
	    cmocka_unit_test(long_values_have_long_lengths),
	    cmocka_unit_test(parameters_that_do_not_fit_are_refused),
	    cmocka_unit_test(a_large_body_takes_several_records),
	    cmocka_unit_test(an_answer_is_the_same_however_it_is_cut),
	    cmocka_unit_test(what_is_no_answer_is_not_taken_for_one),
	    cmocka_unit_test(heads_may_be_short),
	    cmocka_unit_test(records_of_another_kind_end_it),
	    cmocka_unit_test(answers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
