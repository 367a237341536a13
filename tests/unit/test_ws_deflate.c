/* permessage-deflate: offers, the examples of RFC 7692, what must be refused, and what is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>
#include "wsrelay/deflate.h"
#include "wsrelay/frame.h"
#include "wsrelay/ws_frame.h"
#include "wsrelay/ws_http.h"

enum { LIMIT = 65536, RSV1 = 0x40, FIN = 0x80 };

/* ---- offers ---------------------------------------------------------------------------------- */

#define BOTH "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

static void
answers_offers(void **state)
{
	static const struct {
		const char *offer, *answer;
		enum deflate_how how;
	} cases[] = {
	    {"permessage-deflate", BOTH, DEFLATE_WIDE},
	    {"Permessage-Deflate", BOTH, DEFLATE_WIDE},
	    {"permessage-deflate; client_max_window_bits", BOTH, DEFLATE_WIDE},
	    {"permessage-deflate;client_max_window_bits=8", BOTH, DEFLATE_WIDE},
	    {"permessage-deflate; server_max_window_bits=15", BOTH, DEFLATE_WIDE},
	    {"permessage-deflate; server_max_window_bits=\"15\"", BOTH, DEFLATE_WIDE},
	    {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", BOTH,
		DEFLATE_WIDE},
	    {"permessage-deflate; server_max_window_bits=9", BOTH "; server_max_window_bits=9",
		DEFLATE_NARROW},
	    {"permessage-deflate; server_max_window_bits=14", BOTH "; server_max_window_bits=9",
		DEFLATE_NARROW},
	    /* We have no window that small: the next offer counts. */
	    {"permessage-deflate; server_max_window_bits=8", "", DEFLATE_NOT},
	    {"permessage-deflate; server_max_window_bits=8, permessage-deflate", BOTH,
		DEFLATE_WIDE},
	    {"x-unheard-of, permessage-deflate; unheard=of, permessage-deflate", BOTH,
		DEFLATE_WIDE},
	    {"permessage-deflate; server_max_window_bits=16", "", DEFLATE_NOT},
	    {"permessage-deflate; server_max_window_bits=7", "", DEFLATE_NOT},
	    {"permessage-deflate; server_max_window_bits=010", "", DEFLATE_NOT},
	    {"permessage-deflate; server_max_window_bits", "", DEFLATE_NOT},
	    {"permessage-deflate; client_max_window_bits=99", "", DEFLATE_NOT},
	    {"permessage-deflate; server_no_context_takeover=1", "", DEFLATE_NOT},
	    {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", "",
		DEFLATE_NOT},
	    {"permessage-deflate;", "", DEFLATE_NOT},
	    {"permessage-deflat", "", DEFLATE_NOT},
	    {"", "", DEFLATE_NOT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct http_request r = {
		    .extension = {{cases[i].offer, strlen(cases[i].offer)}}, .extensions = 1};
		char out[DEFLATE_ANSWER];

		assert_int_equal(deflate_offer(&r, out), cases[i].how);
		assert_string_equal(out, cases[i].answer);
	}
}

/* ---- messages that come -----------------------------------------------------------------------
 */

static uint8_t bytes[4 * LIMIT];
static size_t n_bytes;

static void
frame(uint8_t first, const void *payload, size_t n)
{
	uint8_t *p = bytes + n_bytes;

	*p++ = first;
	*p++ = (uint8_t)(0x80 | (n < 126 ? n : n < 65536 ? 126 : 127));
	for (int i = n < 126 ? 0 : n < 65536 ? 2 : 8; i-- > 0;)
		*p++ = (uint8_t)((uint64_t)n >> (8 * i));
	memcpy(p, "\1\2\3\4", 4);
	p += 4;
	for (size_t i = 0; i < n; i++)
		*p++ = (uint8_t)(((const uint8_t *)payload)[i] ^ (1 + (i & 3)));
	n_bytes = (size_t)(p - bytes);
}

/* The outcome of all bytes, cut into pieces: the last message, or the code of a fault. */
static unsigned
outcome(bool negotiated, size_t piece, char *text, size_t *n)
{
	struct ws_parser p;
	unsigned code = 0;
	size_t at = 0, used;

	ws_init(&p, LIMIT);
	p.deflate = negotiated;
	while (at < n_bytes && !code) {
		size_t end = at + piece < n_bytes ? at + piece : n_bytes;

		while (at < end && !code) {
			enum ws_got got = ws_feed(&p, bytes + at, end - at, &used);

			at += used;
			if (got == WS_FAULT)
				code = p.code;
			if (got == WS_MESSAGE) {
				memcpy(text, p.message, p.message_n + 1);
				*n = p.message_n;
			}
		}
	}
	ws_free(&p);
	return code;
}

static void
expect(const char *want)
{
	static char text[LIMIT + 1];
	size_t n = 0;

	for (size_t piece = 1; piece < 20; piece += 6) {
		*text = '\0';
		assert_int_equal(outcome(true, piece, text, &n), 0);
		assert_int_equal(n, strlen(want));
		assert_string_equal(text, want);
	}
	n_bytes = 0;
}

static void
expect_fault(bool negotiated, unsigned code)
{
	static char text[LIMIT + 1];
	size_t n;

	assert_int_equal(outcome(negotiated, 1, text, &n), code);
	assert_int_equal(outcome(negotiated, sizeof(bytes), text, &n), code);
	n_bytes = 0;
}

static const uint8_t hello[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};

static void
reads_the_examples_of_the_rfc(void **state)
{
	static const uint8_t stored[] = {
	    0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00};
	static const uint8_t final[] = {0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00};
	static const uint8_t two[] = {
	    0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00};

	(void)state;
	frame(FIN | RSV1 | WS_TEXT, hello, sizeof(hello));
	expect("Hello");
	frame(RSV1 | WS_TEXT, hello, 3);
	frame(FIN | WS_PING, "between", 7);
	frame(FIN | WS_CONTINUATION, hello + 3, sizeof(hello) - 3);
	expect("Hello");
	frame(FIN | RSV1 | WS_TEXT, stored, sizeof(stored));
	expect("Hello");
	frame(FIN | RSV1 | WS_TEXT, final, sizeof(final));
	expect("Hello");
	frame(FIN | RSV1 | WS_TEXT, two, sizeof(two));
	expect("Hello");
	frame(FIN | RSV1 | WS_TEXT, "\0", 1);
	expect("");
	frame(FIN | RSV1 | WS_TEXT, "", 0);
	expect("");
	frame(FIN | RSV1 | WS_TEXT, hello, sizeof(hello)); /* nothing is kept in between */
	frame(FIN | WS_TEXT, "plain", 5);
	expect("plain");
}

static void
refuses_what_is_wrong(void **state)
{
	(void)state;
	frame(FIN | RSV1 | WS_TEXT, hello, sizeof(hello));
	expect_fault(false, WS_CODE_PROTOCOL);
	frame(RSV1 | WS_TEXT, hello, 3);
	frame(FIN | RSV1 | WS_CONTINUATION, hello + 3, sizeof(hello) - 3);
	expect_fault(true, WS_CODE_PROTOCOL);
	frame(FIN | RSV1 | WS_PING, "x", 1);
	expect_fault(true, WS_CODE_PROTOCOL);
	frame(FIN | 0x20 | WS_TEXT, "x", 1);
	expect_fault(true, WS_CODE_PROTOCOL);
	frame(FIN | RSV1 | WS_TEXT, "\xff\xff\xff", 3); /* no such block */
	expect_fault(true, WS_CODE_UTF8);
	frame(FIN | RSV1 | WS_TEXT, hello, 4); /* the rest is missing */
	expect_fault(true, WS_CODE_UTF8);
}

/* A client's message of n bytes of c. */
static void
compressed(char c, size_t n)
{
	static uint8_t plain[64 * LIMIT], packed[2 * LIMIT];
	z_stream z = {.next_in = plain, .avail_in = (uInt)n, .next_out = packed};

	memset(plain, c, n);
	z.avail_out = sizeof(packed);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	frame(FIN | RSV1 | WS_TEXT, packed, sizeof(packed) - z.avail_out - 4);
	deflateEnd(&z);
}

static void
bounds_what_it_inflates(void **state)
{
	static char text[LIMIT + 1];
	size_t n = 0;

	(void)state;
	compressed('x', LIMIT);
	assert_int_equal(outcome(true, sizeof(bytes), text, &n), 0);
	assert_int_equal(n, LIMIT);
	n_bytes = 0;
	compressed('x', LIMIT + 1);
	expect_fault(true, WS_CODE_TOO_BIG);
	compressed('x', 64 * LIMIT);
	expect_fault(true, WS_CODE_TOO_BIG);
	compressed('\xff', 100);
	expect_fault(true, WS_CODE_UTF8);
}

/* ---- messages that go ------------------------------------------------------------------------ */

/* What a client makes of a frame. */
static void
receive(const struct frame *f, int bits, const char *want)
{
	static uint8_t in[LIMIT], out[LIMIT];
	const uint8_t *p = frame_bytes(f);
	size_t n = frame_size(f), head = (p[1] & 0x7f) < 126 ? 2 : (p[1] & 0x7f) == 126 ? 4 : 10;
	z_stream z = {.next_in = in, .next_out = out, .avail_out = sizeof(out)};

	assert_int_equal(p[0], FIN | RSV1 | WS_TEXT);
	memcpy(in, p + head, n - head);
	memcpy(in + n - head, "\0\0\xff\xff", 4);
	z.avail_in = (uInt)(n - head + 4);
	assert_int_equal(inflateInit2(&z, -bits), Z_OK);
	assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
	assert_int_equal(sizeof(out) - z.avail_out, strlen(want));
	assert_memory_equal(out, want, strlen(want));
	inflateEnd(&z);
}

static struct frame *
text_frame(const char *text)
{
	struct frame *f = frame_new(strlen(text));

	frame_add(f, text, strlen(text));
	frame_finish(f);
	return f;
}

static void
shares_one_compressed_frame(void **state)
{
	static char text[20001], noise[2001];
	struct frame *f, *wide, *narrow;
	size_t grown;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) /* repeats itself after 10,000 bytes */
		text[i] = (char)('a' + (i % 10000 * 7919 >> 3) % 23);
	for (size_t i = 0; i < sizeof(noise) - 1; i++)
		noise[i] = (char)(1 + random() % 255);
	deflate_set_least(100);
	f = text_frame(text);
	assert_ptr_equal(deflate_frame(f, DEFLATE_NOT, &grown), f);
	wide = deflate_frame(f, DEFLATE_WIDE, &grown);
	assert_int_equal(grown, frame_size(wide));
	assert_ptr_equal(deflate_frame(f, DEFLATE_WIDE, &grown), wide);
	assert_int_equal(grown, 0);
	narrow = deflate_frame(f, DEFLATE_NARROW, &grown);
	assert_true(narrow != wide && frame_size(wide) < frame_size(f));
	receive(wide, 15, text);
	receive(narrow, 9, text);
	frame_put(f);

	f = text_frame(noise); /* does not shrink: it goes as it is */
	assert_ptr_equal(deflate_frame(f, DEFLATE_WIDE, &grown), f);
	assert_ptr_equal(deflate_frame(f, DEFLATE_NARROW, &grown), f);
	frame_put(f);
	f = text_frame("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"); /* too small */
	assert_ptr_equal(deflate_frame(f, DEFLATE_WIDE, &grown), f);
	frame_put(f);

	assert_null(deflate_text("short", 5, DEFLATE_WIDE));
	f = deflate_text(text, strlen(text), DEFLATE_NARROW);
	receive(f, 9, text);
	frame_put(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_offers),
	    cmocka_unit_test(reads_the_examples_of_the_rfc),
	    cmocka_unit_test(refuses_what_is_wrong),
	    cmocka_unit_test(bounds_what_it_inflates),
	    cmocka_unit_test(shares_one_compressed_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
