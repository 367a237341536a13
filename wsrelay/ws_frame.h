/*
 * ws_frame: WebSocket frames, server side (RFC 6455, sections 5 to 7).  Pure: bytes in, messages
 * out.
 *
 * The parser takes bytes in whatever pieces they arrive and stops at each message or control frame.
 * Text is checked while it arrives, so a message that cannot become UTF-8 fails at the first bad
 * byte. Ownership: the parser owns its message buffer; what p->message points at is valid until the
 * next ws_feed().
 *
 *	while ((got = ws_feed(p, bytes, n, &used)) != WS_MORE) {
 *		bytes += used, n -= used;
 *		if (got == WS_FAULT)
 *			return fail(conn, p->code, p->why);
 *		if (got == WS_MESSAGE)
 *			handle(conn, p->message, p->message_n);
 *		else
 *			control(conn, p->control_op, p->control, p->control_n);
 *	}
 */
#ifndef WSRELAY_WS_FRAME_H
#define WSRELAY_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "utf8.h"

enum ws_op {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

/* Status codes of section 7.4.1 that we send ourselves; 4000 and above are in close_code.h. */
enum ws_code {
	WS_CODE_NORMAL = 1000,
	WS_CODE_PROTOCOL = 1002,
	WS_CODE_DATA = 1003,
	WS_CODE_NONE = 1005, /* never on the wire: a close frame without a code */
	WS_CODE_UTF8 = 1007,
	WS_CODE_TOO_BIG = 1009,
};

enum { WS_RSV1 = 0x40 };

enum ws_got { WS_MORE, WS_MESSAGE, WS_CONTROL, WS_FAULT };

enum { WS_HEAD_MAX = 10, WS_CONTROL_MAX = 125, WS_CLIENT_HEAD_MAX = 14 };

struct ws_parser {
	size_t limit; /* most bytes in a message, also when inflated */
	bool deflate; /* permessage-deflate was negotiated */

	/* The frame under way. */
	uint8_t head[WS_CLIENT_HEAD_MAX], head_n;
	uint8_t op;
	bool fin, in_payload;
	uint8_t mask[4], mask_at;
	uint64_t left; /* payload bytes still to come */

	/* The message under way: frames may be interrupted by control frames. */
	bool fragmented, compressed;
	uint8_t message_op;
	struct utf8 utf8;
	uint8_t *message;
	size_t message_n, message_cap;

	uint8_t control[WS_CONTROL_MAX], control_n, control_op;
	uint16_t close_code; /* of a close frame */

	uint16_t code; /* of a fault, and a sentence for the close frame */
	const char *why;
};

void ws_init(struct ws_parser *p, size_t limit);
void ws_free(struct ws_parser *p);
/* Take bytes until a message or control frame is whole, the frame is faulty, or all n are used. */
enum ws_got ws_feed(struct ws_parser *p, const uint8_t *in, size_t n, size_t *used);
/* Nothing is under way: the parser may be thrown away and made anew. */
bool ws_between(const struct ws_parser *p);

/* Head of an unfragmented, unmasked frame with n bytes of payload; answers its length. */
size_t ws_head(uint8_t out[WS_HEAD_MAX], enum ws_op op, uint64_t n);
/* A whole close frame; the reason is cut to what fits.  Answers its length. */
size_t ws_close(uint8_t out[2 + WS_CONTROL_MAX], uint16_t code, const char *reason);

#endif
