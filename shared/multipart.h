/*
 * multipart: a parser of multipart/form-data (RFC 7578, RFC 2046), fed in pieces of any size.
 *
 * Nothing of a part's content is kept: it is handed on as it comes, and the caller puts it where it
 * belongs.  Parser and part heads live in the arena; pointers handed to data() are valid during
 * the call.
 *
 *	struct multipart_handler h = {.part = begin, .data = store, .end = finish, .context = form};
 *	struct multipart *m = multipart_new(r->arena, r->content_type, &limits, &h);
 *
 *	if (!m)
 *		return ERR_MEDIA_TYPE;
 *	while ((n = read(…)) > 0 && !err)
 *		err = multipart_feed(m, piece, n);
 *	if (!err)
 *		err = multipart_finish(m);
 *
 * Strict where leniency would make two readers see different parts: lines end in CRLF, every part
 * has a name, nothing but blanks follows a boundary.  Content-Transfer-Encoding other than 7bit,
 * 8bit and binary is refused (RFC 7578, 4.7).
 */
#ifndef ROOKERY_MULTIPART_H
#define ROOKERY_MULTIPART_H

#include <stddef.h>
#include <stdint.h>
#include "arena.h"

struct multipart_part {
	const char *name;
	/* As the client wrote it, decoded to UTF-8: it may hold slashes, dots and control
	 * characters and names no file of ours.  NULL when the part is a plain field. */
	const char *filename;
	const char *content_type; /* NULL when none is named */
};

/* All in bytes but parts; 0 is none at all, so every limit wants a value. */
struct multipart_limits {
	int parts;
	size_t head;   /* headers of one part, and what stands before the first */
	int64_t field; /* content of a part without file name */
	int64_t file;  /* content of a part with one */
	int64_t total; /* everything fed */
};

/* Each returns 0, or an error that multipart_feed() passes on.  Calls come as part, data*, end for
 * one part after the other. */
struct multipart_handler {
	int (*part)(void *context, const struct multipart_part *part);
	int (*data)(void *context, const void *p, size_t n);
	int (*end)(void *context);
	void *context;
};

struct multipart;

/* NULL unless content_type is multipart/form-data with a boundary of 1 to 70 permitted characters.
 * limits and handler are copied. */
struct multipart *multipart_new(struct arena *a, const char *content_type,
    const struct multipart_limits *limits, const struct multipart_handler *handler);
/* 0; ERR_BAD_REQUEST when malformed, ERR_TOO_LARGE over a limit, or a handler's error.  After an
 * error the same is returned for ever. */
int multipart_feed(struct multipart *m, const void *p, size_t n);
/* 0 when the closing boundary was seen, else ERR_BAD_REQUEST or the earlier error. */
int multipart_finish(struct multipart *m);

#endif
