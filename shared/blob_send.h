/*
 * blob_send: a blob as an answer, whole or in parts (RFC 9110, 14), or nothing when the client
 * has it.
 *
 *	return blob_send(r, in->mediaId, "image/png", sum);
 */
#ifndef ROOKERY_BLOB_SEND_H
#define ROOKERY_BLOB_SEND_H

#include <stdbool.h>
#include <stdint.h>

struct req;

/* 200, 206 with one range, or 304.  sum, a text that changes with the bytes, becomes the ETag.
 * Browsers are told to save what they get, and not to show it.  ERR_NOT_FOUND; ERR_RANGE, with the
 * Content-Range it asks for. */
int blob_send(struct req *r, const char *id, const char *type, const char *sum);

enum range { RANGE_NONE, RANGE_PART, RANGE_BAD };

/* What a Range header asks of size bytes.  Several ranges, other units and what is malformed are as
 * no header: the whole may always be sent.  RANGE_BAD when it lies behind the end. */
enum range blob_range(const char *header, int64_t size, int64_t *from, int64_t *len);
/* Is the tag (without quotes) in an If-None-Match header? */
bool blob_has_tag(const char *header, const char *tag);

#endif
