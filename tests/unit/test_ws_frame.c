/* WebSocket frames: what a server must take, what it must refuse, in whatever pieces it arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "wsrelay/ws_frame.h"

enum { LIMIT = 70000, ROOM = 200000 };

static uint8_t bytes[ROOM];
static size_t n_bytes;

static void
start(void)
{
	n_bytes = 0;
}

/* Append a client's frame: first byte as given, length in the given form (0: the shortest). */
static void
frame_form(uint8_t first, const void *payload, size_t n, int form)
{
	static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
	uint8_t *p = bytes + n_bytes;
	int extra;

	if (!form)
		form = n < 126 ? 1 : n <= 0xffff ? 126 : 127;
	extra = form == 126 ? 2 : form == 127 ? 8 : 0;
	*p++ = first;
	*p++ = (uint8_t)(0x80 | (extra ? form : (int)n));
	for (int i = extra - 1; i >= 0; i--)
		*p++ = (uint8_t)((uint64_t)n >> (8 * i));
	memcpy(p, mask, 4);
	p += 4;
	for (size_t i = 0; i < n; i++)
		*p++ = ((const uint8_t *)payload)[i] ^ mask[i & 3];
	n_bytes = (size_t)(p - bytes);
}

static void
frame(uint8_t first, const char *payload)
{
	frame_form(first, payload, strlen(payload), 0);
}

/* Feed everything in pieces of the given size; the last event that was not WS_MORE, or WS_MORE. */
static enum ws_got
feed(struct ws_parser *p, size_t piece)
{
	enum ws_got got, last = WS_MORE;
	size_t at = 0, used;

	while (at < n_bytes) {
		size_t end = at + piece < n_bytes ? at + piece : n_bytes;

		while (at < end) {
			got = ws_feed(p, bytes + at, end - at, &used);
			at += used;
			if (got == WS_FAULT)
				return got;
			if (got != WS_MORE)
				last = got;
		}
	}
	return last;
}

static void
expect(enum ws_got want, unsigned code)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64, ROOM};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct ws_parser p;
		enum ws_got got;

		ws_init(&p, LIMIT);
		got = feed(&p, pieces[i]);
		if (got != want || (want == WS_FAULT && p.code != code))
			fail_msg("pieces of %zu: got %d (%u, %s), not %d (%u)", pieces[i], got,
			    p.code, p.why ? p.why : "", want, code);
		ws_free(&p);
	}
}

static void
takes_messages(void **state)
{
	struct ws_parser p;

	(void)state;
	ws_init(&p, LIMIT);
	start();
	frame(0x81, "hello");
	assert_int_equal(feed(&p, 1), WS_MESSAGE);
	assert_int_equal(p.message_op, WS_TEXT);
	assert_int_equal(p.message_n, 5);
	assert_string_equal((char *)p.message, "hello");
	assert_true(ws_between(&p));
	start();
	frame(0x82, "");
	assert_int_equal(feed(&p, 1), WS_MESSAGE);
	assert_int_equal(p.message_op, WS_BINARY);
	assert_int_equal(p.message_n, 0);
	ws_free(&p);
}

static void
joins_fragments_around_control_frames(void **state)
{
	struct ws_parser p;
	size_t used, at = 0;

	(void)state;
	ws_init(&p, LIMIT);
	start();
	frame(0x01, "ab");
	frame(0x89, "ping");
	frame(0x00, "");
	frame(0x80, "cd");
	assert_int_equal(ws_feed(&p, bytes, n_bytes, &used), WS_CONTROL);
	assert_int_equal(p.control_op, WS_PING);
	assert_int_equal(p.control_n, 4);
	assert_memory_equal(p.control, "ping", 4);
	assert_false(ws_between(&p));
	at += used;
	assert_int_equal(ws_feed(&p, bytes + at, n_bytes - at, &used), WS_MESSAGE);
	assert_string_equal((char *)p.message, "abcd");
	assert_int_equal(at + used, n_bytes);
	ws_free(&p);
}

static void
takes_every_length(void **state)
{
	static const size_t lengths[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 65537, LIMIT};
	static uint8_t payload[LIMIT];

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct ws_parser p;

		memset(payload, 'a' + (int)i, sizeof(payload));
		ws_init(&p, LIMIT);
		start();
		frame_form(0x82, payload, lengths[i], 0);
		assert_int_equal(feed(&p, 997), WS_MESSAGE);
		assert_int_equal(p.message_n, lengths[i]);
		assert_memory_equal(p.message, payload, lengths[i]);
		ws_free(&p);
	}
}

static void
refuses_what_is_too_big(void **state)
{
	static uint8_t payload[LIMIT + 1];

	(void)state;
	start();
	frame_form(0x82, payload, LIMIT + 1, 0);
	expect(WS_FAULT, WS_CODE_TOO_BIG);
	start();
	frame_form(0x02, payload, LIMIT - 1, 0);
	frame_form(0x80, payload, 2, 0);
	expect(WS_FAULT, WS_CODE_TOO_BIG);
	/* A head alone is enough to know. */
	start();
	memcpy(bytes, (uint8_t[]){0x82, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14);
	n_bytes = 14;
	expect(WS_FAULT, WS_CODE_TOO_BIG);
}

static void
refuses_broken_frames(void **state)
{
	char long_control[127];

	(void)state;
	for (int bit = 0x10; bit <= 0x40; bit <<= 1) {
		start();
		frame((uint8_t)(0x81 | bit), "x");
		expect(WS_FAULT, WS_CODE_PROTOCOL);
	}
	for (uint8_t op = 0; op < 16; op++) {
		if (op == 1 || op == 2 || (op >= 8 && op <= 10))
			continue;
		start();
		frame(0x80 | op, "x"); /* 0: a continuation of nothing */
		expect(WS_FAULT, WS_CODE_PROTOCOL);
	}
	start();
	frame(0x01, "a");
	frame(0x81, "b");
	expect(WS_FAULT, WS_CODE_PROTOCOL);
	start();
	frame(0x09, "fragmented ping");
	expect(WS_FAULT, WS_CODE_PROTOCOL);
	memset(long_control, 'x', 126);
	long_control[126] = '\0';
	start();
	frame(0x89, long_control);
	expect(WS_FAULT, WS_CODE_PROTOCOL);
	start();
	memcpy(bytes, "\x81\x01x", 3); /* no mask */
	n_bytes = 3;
	expect(WS_FAULT, WS_CODE_PROTOCOL);
}

static void
refuses_long_forms_of_short_lengths(void **state)
{
	uint8_t payload[300] = {0};

	(void)state;
	start();
	frame_form(0x82, payload, 125, 126);
	expect(WS_FAULT, WS_CODE_PROTOCOL);
	start();
	frame_form(0x82, payload, 300, 127);
	expect(WS_FAULT, WS_CODE_PROTOCOL);
	start();
	memcpy(bytes, (uint8_t[]){0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14);
	n_bytes = 14;
	expect(WS_FAULT, WS_CODE_PROTOCOL);
}

static void
judges_utf8(void **state)
{
	static const char *const good[] = {"κόσμε", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf",
	    "\xee\x80\x80", "plain text that is longer than eight bytes", "12345678\xc3\xa4"};
	static const char *const bad[] = {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf",
	    "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe",
	    "\xce", "12345678\xff", "a\xe2\x82"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		start();
		frame(0x81, good[i]);
		expect(WS_MESSAGE, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		start();
		frame(0x81, bad[i]);
		expect(WS_FAULT, WS_CODE_UTF8);
		start();
		frame(0x82, bad[i]); /* binary is not looked at */
		expect(WS_MESSAGE, 0);
	}
	/* A character may be split over fragments. */
	start();
	frame(0x01, "\xce");
	frame(0x89, "");
	frame(0x80, "\xba");
	expect(WS_MESSAGE, 0);
}

static void
fails_fast_on_bad_text(void **state)
{
	struct ws_parser p;
	size_t used;

	(void)state;
	ws_init(&p, LIMIT);
	start();
	frame(0x01, "ab\xff");
	assert_int_equal(
	    ws_feed(&p, bytes, n_bytes, &used), WS_FAULT); /* though the message goes on */
	assert_int_equal(p.code, WS_CODE_UTF8);
	ws_free(&p);
	ws_init(&p, LIMIT);
	start();
	frame(0x81, "\xed\xa0 and more to come");
	assert_int_equal(
	    ws_feed(&p, bytes, 8, &used), WS_FAULT); /* though the frame is not whole */
	ws_free(&p);
}

static void
judges_close_frames(void **state)
{
	static const unsigned good[] = {
	    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1014, 3000, 3999, 4000, 4999};
	static const unsigned bad[] = {
	    0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535};
	uint8_t payload[16];
	struct ws_parser p;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		memcpy(payload, (uint8_t[]){(uint8_t)(good[i] >> 8), (uint8_t)good[i]}, 2);
		ws_init(&p, LIMIT);
		start();
		frame_form(0x88, payload, 2, 0);
		assert_int_equal(feed(&p, 1), WS_CONTROL);
		assert_int_equal(p.close_code, good[i]);
		ws_free(&p);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		memcpy(payload, (uint8_t[]){(uint8_t)(bad[i] >> 8), (uint8_t)bad[i]}, 2);
		start();
		frame_form(0x88, payload, 2, 0);
		expect(WS_FAULT, WS_CODE_PROTOCOL);
	}
	start();
	frame(0x88, "");
	expect(WS_CONTROL, 0);
	start();
	frame(0x88, "x");
	expect(WS_FAULT, WS_CODE_PROTOCOL);
	start();
	frame(0x88, "\x03\xe8\xff");
	expect(WS_FAULT, WS_CODE_UTF8);
}

static void
writes_heads(void **state)
{
	uint8_t out[WS_HEAD_MAX], close[2 + WS_CONTROL_MAX];
	char reason[300];

	(void)state;
	assert_int_equal(ws_head(out, WS_TEXT, 125), 2);
	assert_memory_equal(out, "\x81\x7d", 2);
	assert_int_equal(ws_head(out, WS_TEXT, 126), 4);
	assert_memory_equal(out, "\x81\x7e\x00\x7e", 4);
	assert_int_equal(ws_head(out, WS_BINARY, 65535), 4);
	assert_memory_equal(out, "\x82\x7e\xff\xff", 4);
	assert_int_equal(ws_head(out, WS_TEXT, 65536), 10);
	assert_memory_equal(out, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
	memset(reason, 'r', sizeof(reason));
	reason[299] = '\0';
	assert_int_equal(ws_close(close, 4403, reason), 127);
	assert_memory_equal(close, "\x88\x7d\x11\x33rrr", 7);
	assert_int_equal(ws_close(close, 1000, ""), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_messages),
	    cmocka_unit_test(joins_fragments_around_control_frames),
	    cmocka_unit_test(takes_every_length),
	    cmocka_unit_test(refuses_what_is_too_big),
	    cmocka_unit_test(refuses_broken_frames),
	    cmocka_unit_test(refuses_long_forms_of_short_lengths),
	    cmocka_unit_test(judges_utf8),
	    cmocka_unit_test(fails_fast_on_bad_text),
	    cmocka_unit_test(judges_close_frames),
	    cmocka_unit_test(writes_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
