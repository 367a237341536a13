/* ws_frame: see ws_frame.h. */
#include "ws_frame.h"

#include <stdlib.h>
#include <string.h>
#include "deflate.h"
#include "map.h"

void
ws_init(struct ws_parser *p, size_t limit)
{
	memset(p, 0, sizeof(*p));
	p->limit = limit;
}

void
ws_free(struct ws_parser *p)
{
	free(p->message);
	p->message = NULL;
	p->message_n = p->message_cap = 0;
}

bool
ws_between(const struct ws_parser *p)
{
	return p->head_n == 0 && !p->in_payload && !p->fragmented;
}

static enum ws_got
fault(struct ws_parser *p, enum ws_code code, const char *why)
{
	p->code = (uint16_t)code;
	p->why = why;
	return WS_FAULT;
}

static bool
is_control(uint8_t op)
{
	return op >= WS_CLOSE;
}

/* ---- the head ---------------------------------------------------------------------------- */

static size_t
head_size(const struct ws_parser *p)
{
	uint8_t length;

	if (p->head_n < 2)
		return 2;
	length = p->head[1] & 0x7f;
	return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
}

/* What the first two bytes alone forbid. */
static enum ws_got
check_start(struct ws_parser *p)
{
	uint8_t op = p->head[0] & 0x0f, length = p->head[1] & 0x7f;
	bool fin = p->head[0] & 0x80;

	if (p->head[0] & 0x70 & ~(p->deflate && (op == WS_TEXT || op == WS_BINARY) ? WS_RSV1 : 0))
		return fault(p, WS_CODE_PROTOCOL, "reserved bit set");
	if (op > WS_BINARY && (op < WS_CLOSE || op > WS_PONG))
		return fault(p, WS_CODE_PROTOCOL, "unknown opcode");
	if (!(p->head[1] & 0x80))
		return fault(p, WS_CODE_PROTOCOL, "frame is not masked");
	if (is_control(op) && (!fin || length > WS_CONTROL_MAX))
		return fault(p, WS_CODE_PROTOCOL, "control frame is fragmented or too long");
	if (op == WS_CONTINUATION && !p->fragmented)
		return fault(p, WS_CODE_PROTOCOL, "continuation of nothing");
	if ((op == WS_TEXT || op == WS_BINARY) && p->fragmented)
		return fault(p, WS_CODE_PROTOCOL, "new message inside a fragmented one");
	return WS_MORE;
}

static uint64_t
big_endian(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static enum ws_got
check_length(struct ws_parser *p, uint8_t form)
{
	/* Section 5.2: the shortest form must be used, and the topmost bit of 64 must be 0. */
	if ((form == 126 && p->left < 126) || (form == 127 && (p->left <= 0xffff || p->left >> 63)))
		return fault(p, WS_CODE_PROTOCOL, "length is not in its shortest form");
	if (!is_control(p->op) && p->left > p->limit - p->message_n)
		return fault(p, WS_CODE_TOO_BIG, "message is too big");
	return WS_MORE;
}

/* The head is whole: p->left and the mask, and the start of a message or control frame. */
static enum ws_got
read_head(struct ws_parser *p)
{
	uint8_t form = p->head[1] & 0x7f;
	int extra = form == 126 ? 2 : form == 127 ? 8 : 0;

	p->op = p->head[0] & 0x0f;
	p->fin = p->head[0] & 0x80;
	p->left = extra ? big_endian(p->head + 2, extra) : form;
	memcpy(p->mask, p->head + 2 + extra, sizeof(p->mask));
	p->mask_at = 0;
	p->head_n = 0;
	p->in_payload = true;
	if (is_control(p->op)) {
		p->control_n = 0;
		p->control_op = p->op;
	} else if (p->op != WS_CONTINUATION) {
		p->message_n = 0;
		p->message_op = p->op;
		p->compressed = p->head[0] & WS_RSV1;
		p->utf8 = (struct utf8){0};
	}
	return check_length(p, form);
}

static enum ws_got
feed_head(struct ws_parser *p, const uint8_t *in, size_t n, size_t *used)
{
	while (p->head_n < head_size(p)) {
		if (*used == n)
			return WS_MORE;
		p->head[p->head_n++] = in[(*used)++];
		if (p->head_n == 2 && check_start(p) == WS_FAULT)
			return WS_FAULT;
	}
	return read_head(p);
}

/* ---- the payload ------------------------------------------------------------------------- */

static void
unmask(struct ws_parser *p, uint8_t *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = in[i] ^ p->mask[(p->mask_at + i) & 3];
	p->mask_at = (uint8_t)((p->mask_at + n) & 3);
	p->left -= n;
}

static void
make_room(struct ws_parser *p, size_t n)
{
	size_t cap = p->message_cap ? p->message_cap : 256;

	if (p->message && p->message_n + n < p->message_cap)
		return;
	while (cap < p->message_n + n + 1)
		cap *= 2;
	p->message = must_realloc(p->message, cap);
	p->message_cap = cap;
}

static enum ws_got
check_text(struct ws_parser *p, const uint8_t *text, size_t n)
{
	if (p->message_op == WS_TEXT && !utf8_feed(&p->utf8, text, n))
		return fault(p, WS_CODE_UTF8, "text is not UTF-8");
	return WS_MORE;
}

/* What came compressed becomes the message. */
static enum ws_got
inflate_message(struct ws_parser *p)
{
	uint8_t *plain = NULL;
	ssize_t n;

	make_room(p, 4);
	n = deflate_open(p->message, p->message_n, p->limit, &plain);
	if (n == DEFLATE_TOO_BIG)
		return fault(p, WS_CODE_TOO_BIG, "message is too big when inflated");
	if (n < 0)
		return fault(p, WS_CODE_UTF8, "message cannot be inflated");
	free(p->message);
	p->message = plain;
	p->message_n = (size_t)n;
	p->message_cap = (size_t)n + 1;
	return check_text(p, plain, (size_t)n);
}

static enum ws_got
feed_message(struct ws_parser *p, const uint8_t *in, size_t n)
{
	uint8_t *to;

	make_room(p, n); /* what arrived, not what the head promises */
	to = p->message + p->message_n;
	unmask(p, to, in, n);
	p->message_n += n;
	return p->compressed ? WS_MORE : check_text(p, to, n);
}

/* Section 7.4: codes a peer may send. */
static bool
close_code_valid(unsigned code)
{
	if (code >= 1000 && code <= 1014)
		return code < 1004 || code > 1006;
	return code >= 3000 && code <= 4999;
}

static enum ws_got
close_received(struct ws_parser *p)
{
	p->close_code = WS_CODE_NONE;
	if (p->control_n == 0)
		return WS_CONTROL;
	if (p->control_n == 1)
		return fault(p, WS_CODE_PROTOCOL, "close frame with half a code");
	p->close_code = (uint16_t)big_endian(p->control, 2);
	if (!close_code_valid(p->close_code))
		return fault(p, WS_CODE_PROTOCOL, "close code is not allowed");
	if (!utf8_valid(p->control + 2, p->control_n - 2u))
		return fault(p, WS_CODE_UTF8, "close reason is not UTF-8");
	return WS_CONTROL;
}

static enum ws_got
frame_done(struct ws_parser *p)
{
	p->in_payload = false;
	if (is_control(p->op))
		return p->op == WS_CLOSE ? close_received(p) : WS_CONTROL;
	p->fragmented = !p->fin;
	if (!p->fin)
		return WS_MORE;
	if (p->compressed && inflate_message(p) == WS_FAULT)
		return WS_FAULT;
	if (p->message_op == WS_TEXT && !utf8_whole(&p->utf8))
		return fault(p, WS_CODE_UTF8, "text ends inside a character");
	make_room(p, 0);
	p->message[p->message_n] = '\0';
	return WS_MESSAGE;
}

static enum ws_got
feed_payload(struct ws_parser *p, const uint8_t *in, size_t n, size_t *used)
{
	size_t take = n - *used;

	if (take > p->left)
		take = (size_t)p->left;
	if (take && is_control(p->op)) {
		unmask(p, p->control + p->control_n, in + *used, take);
		p->control_n = (uint8_t)(p->control_n + take);
	} else if (take && feed_message(p, in + *used, take) == WS_FAULT) {
		return WS_FAULT;
	}
	*used += take;
	return p->left ? WS_MORE : frame_done(p);
}

enum ws_got
ws_feed(struct ws_parser *p, const uint8_t *in, size_t n, size_t *used)
{
	enum ws_got got;

	*used = 0;
	if (ws_between(p))
		p->message_n = 0; /* what was handed out has been seen */
	for (;;) {
		if (!p->in_payload) {
			if (*used == n)
				return WS_MORE;
			if ((got = feed_head(p, in, n, used)) != WS_MORE)
				return got;
			if (!p->in_payload)
				return WS_MORE;
		}
		got = feed_payload(p, in, n, used);
		if (got != WS_MORE || p->in_payload)
			return got;
	}
}

/* ---- what we send ------------------------------------------------------------------------ */

size_t
ws_head(uint8_t out[WS_HEAD_MAX], enum ws_op op, uint64_t n)
{
	int extra = n < 126 ? 0 : n <= 0xffff ? 2 : 8;

	out[0] = (uint8_t)(0x80 | op);
	out[1] = (uint8_t)(extra == 0 ? n : extra == 2 ? 126 : 127);
	for (int i = 0; i < extra; i++)
		out[2 + i] = (uint8_t)(n >> (8 * (extra - 1 - i)));
	return 2 + (size_t)extra;
}

size_t
ws_close(uint8_t out[2 + WS_CONTROL_MAX], uint16_t code, const char *reason)
{
	size_t n = strlen(reason);

	if (n > WS_CONTROL_MAX - 2)
		n = WS_CONTROL_MAX - 2;
	out[0] = 0x80 | WS_CLOSE;
	out[1] = (uint8_t)(2 + n);
	out[2] = (uint8_t)(code >> 8);
	out[3] = (uint8_t)code;
	memcpy(out + 4, reason, n);
	return 4 + n;
}
