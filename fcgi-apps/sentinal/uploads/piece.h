/*
 * piece: the Content-Range of a request (RFC 9110, 14.4 and 14.5): which bytes of a file come now.
 *
 *	struct piece g;
 *
 *	if (!piece_parse(req_header(r, "Content-Range"), &g))
 *		return req_fail(r, ERR_VALIDATION, "Content-Range", "is malformed");
 */
#ifndef SENTINAL_UPLOADS_PIECE_H
#define SENTINAL_UPLOADS_PIECE_H

#include <stdbool.h>
#include <stdint.h>

struct piece {
	bool asks;     /* an asterisk instead of bytes: how far is it? */
	int64_t from;  /* first byte */
	int64_t last;  /* last byte, not before the first one */
	int64_t total; /* bytes of the file, -1 when not told */
};

/* "bytes 0-99/1000", "bytes 100-199/" and an asterisk, or "bytes" asterisk "/1000".  False when it
 * is none of these. */
bool piece_parse(const char *text, struct piece *out);

#endif
