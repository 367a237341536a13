/*
 * deflate: permessage-deflate (RFC 7692) without context takeover in either direction.
 *
 * Nothing is kept between messages, so a connection costs no memory for it, and one compressed
 * frame serves all who negotiated the same: a wide window (32 KiB), or a narrow one (512 bytes) for
 * those who offered less than the widest.  One compressor of each kind and one decompressor serve
 * the process. Pure: bytes in, bytes out.
 *
 *	how = deflate_offer(&request, text, sizeof(text));     // the handshake
 *	f = deflate_frame(f, how, &grown);                     // to be sent instead of f
 *	n = deflate_open(in, n, out, limit);                   // a message that came with RSV1
 */
#ifndef WSRELAY_DEFLATE_H
#define WSRELAY_DEFLATE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct frame;
struct http_request;

enum deflate_how { DEFLATE_NOT, DEFLATE_WIDE, DEFLATE_NARROW };

enum { DEFLATE_ANSWER = 128 };

/* The first offer that can be taken, and the value of Sec-WebSocket-Extensions that says so; empty
 * when there is none (section 7.1). */
enum deflate_how deflate_offer(const struct http_request *r, char out[DEFLATE_ANSWER]);

/* Payloads below that stay as they are. */
void deflate_set_least(size_t bytes);
/* The frame compressed, if it is large enough and becomes shorter; else itself.
 * It belongs to f, and is made once.  grown: what f holds more since. */
struct frame *deflate_frame(struct frame *f, enum deflate_how how, size_t *grown);
/* A frame with that text, compressed; NULL when it is too small or that is not shorter.  The
 * caller's. */
struct frame *deflate_text(const char *text, size_t n, enum deflate_how how);

enum { DEFLATE_BROKEN = -1, DEFLATE_TOO_BIG = -2 };

/* Inflate a message (section 7.2.2) of n bytes, behind which there is room for four more.  Answers
 * its length and a buffer of the caller's with a NUL behind it, or what is wrong; no more than
 * limit bytes are ever made. */
ssize_t deflate_open(uint8_t *in, size_t n, size_t limit, uint8_t **out);

#endif
