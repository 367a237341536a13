/*
 * Fuzz target of the relay's parsers: the first byte chooses between the request's head, frames and
 * cursors, how the input is cut into pieces, and whether it may be compressed.  However it is cut,
 * the outcome must be the same.
 */
#include <stdlib.h>
#include <string.h>
#include "wsrelay/cursor.h"
#include "wsrelay/deflate.h"
#include "wsrelay/ws_frame.h"
#include "wsrelay/ws_http.h"

enum { LIMIT = 4096 };

struct outcome {
	unsigned messages, controls, code;
	uint64_t sum;
};

static void
add(struct outcome *o, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		o->sum = o->sum * 31 + p[i];
}

static struct outcome
frames(const uint8_t *data, size_t n, size_t piece, bool deflate)
{
	struct outcome o = {0};
	struct ws_parser p;
	size_t at = 0, used;

	ws_init(&p, LIMIT);
	p.deflate = deflate;
	while (at < n && !o.code) {
		size_t end = n - at < piece ? n : at + piece;

		while (at < end && !o.code) {
			enum ws_got got = ws_feed(&p, data + at, end - at, &used);

			at += used;
			if (got == WS_MESSAGE) {
				o.messages++;
				if (p.message_n > LIMIT || p.message[p.message_n])
					abort();
				if (p.message_op == WS_TEXT && !utf8_valid(p.message, p.message_n))
					abort();
				add(&o, p.message, p.message_n);
			} else if (got == WS_CONTROL) {
				o.controls++;
				add(&o, p.control, p.control_n);
			} else if (got == WS_FAULT) {
				o.code = p.code;
			} else if (!used) {
				abort(); /* it must not stand still */
			}
		}
	}
	ws_free(&p);
	return o;
}

static void
fuzz_frames(const uint8_t *data, size_t n, size_t piece, bool deflate)
{
	struct outcome whole = frames(data, n, n ? n : 1, deflate),
		       cut = frames(data, n, piece, deflate);

	if (whole.messages != cut.messages || whole.controls != cut.controls ||
	    whole.code != cut.code || whole.sum != cut.sum)
		abort();
}

static void
fuzz_http(const char *text, size_t n)
{
	char accept[HTTP_ACCEPT_SIZE], value[64];
	struct http_request r;
	char answer[DEFLATE_ANSWER];
	struct slice rest, item;
	ssize_t head = ws_http_parse(text, n, &r);

	if (head <= 0)
		return;
	deflate_offer(&r, answer);
	if ((size_t)head > n)
		abort();
	if (ws_http_upgrade(&r) == 101)
		ws_http_accept(r.key, accept);
	for (int i = 0; i < r.protocols; i++)
		for (rest = r.protocol[i]; http_list_next(&rest, &item);)
			if (!item.n)
				abort();
	http_query_get(r.query, "ticket", value, sizeof(value));
	http_bearer(r.authorization);
	http_origin_allowed(r.origin, r.host, "https://a.example *.b");
}

static void
fuzz_cursor(const char *text, size_t n)
{
	struct cursor_set set, back;
	struct epoch epoch;
	char again[CURSOR_TEXT];
	char *mine;

	epoch_derive("fuzz", 4, &epoch);
	mine = malloc(n + EPOCH_TEXT + 1);
	memcpy(mine, epoch.name, EPOCH_TEXT);
	memcpy(mine + EPOCH_TEXT, text, n);
	if (!cursor_parse(mine, n + EPOCH_TEXT, &epoch, &set)) {
		size_t len = cursor_format(&set, NULL, &epoch, again);

		if (!len || cursor_parse(again, len, &epoch, &back) || back.parts != set.parts)
			abort();
		cursor_set_low(&set);
	}
	free(mine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n)
		return 0;
	switch (data[0] & 3) {
	case 0:
		fuzz_http((const char *)data + 1, n - 1);
		break;
	case 1:
		fuzz_cursor((const char *)data + 1, n - 1);
		break;
	default:
		fuzz_frames(data + 1, n - 1, 1 + (data[0] >> 3), data[0] & 4);
	}
	return 0;
}
