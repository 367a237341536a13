/*
 * media: what kind of file a media type is of.  Bytes are never looked at: clients encrypt them.
 *
 *	const char *mime = media_type(r, in->content_type);
 *	if (mime && size > conf_int(req_printf(r, "%s.max", media_kind(mime))))
 *		return req_fail(r, ERR_TOO_LARGE, "file_size", "is more than such a file may have");
 */
#ifndef ROOKERY_CORE_MEDIA_H
#define ROOKERY_CORE_MEDIA_H

#include <stdbool.h>

struct req;

#define MEDIA_OPAQUE "application/octet-stream" /* what ciphertext is sent as */

/* "Image/PNG; x=y" is image/png, in the arena; NULL when it is no media type (RFC 9110, 8.3.1). */
const char *media_type(struct req *r, const char *text);
/* Kinds have a setting KIND.max and are those of the table media: image, video, audio, document. */
const char *media_kind(const char *type);
/* Documents have any type. */
bool media_type_fits(const char *type, const char *kind);

#endif
