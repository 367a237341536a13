/*
 * fcgi_wire: FastCGI records as a web server speaks them (FastCGI 1.0, role of a responder, one
 * request a connection).  Pure: bytes in, bytes out.
 *
 * Ownership: a request's bytes and an answer's bytes are allocated here and freed with
 * fcgi_out_free() and fcgi_in_free().
 *
 *	struct fcgi_out out = {0};
 *
 *	fcgi_out_param(&out, "REQUEST_METHOD", "GET", 3);
 *	fcgi_out_finish(&out, body, n);                    // out.p, out.n go onto the socket
 *
 *	struct fcgi_in in = {.limit = 1 << 18};
 *
 *	got = fcgi_in_feed(&in, bytes, n);                 // until it is not FCGI_IN_MORE
 *	if (got == FCGI_IN_DONE && fcgi_in_reply(&in, &reply))
 *		...
 */
#ifndef WSRELAY_FCGI_WIRE_H
#define WSRELAY_FCGI_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fcgi_out {
	uint8_t *p;
	size_t n, cap;
	size_t params; /* where the record of the parameters begins */
};

/* Name and value of n bytes; all parameters together have at most 65,535 bytes, and false is
 * answered when one does not fit. */
bool fcgi_out_param(struct fcgi_out *out, const char *name, const void *value, size_t n);
/* No more parameters: the body, and the end. */
void fcgi_out_finish(struct fcgi_out *out, const void *body, size_t n);
void fcgi_out_free(struct fcgi_out *out);

enum fcgi_in_got {
	FCGI_IN_MORE,
	FCGI_IN_DONE,
	FCGI_IN_BROKEN,    /* these are not records of an answer */
	FCGI_IN_TOO_LARGE, /* the answer has more than .limit bytes */
};

struct fcgi_in {
	size_t limit;
	uint8_t head[8], head_n;
	uint32_t left, padding; /* of the record under way */
	uint8_t *text; /* what the app has written: head, empty line, body; NUL-terminated */
	size_t n, cap;
};

struct fcgi_reply {
	int status;
	const char *head, *body; /* within the answer; lines of the head end with LF or CR LF */
	size_t head_n, body_n;
};

enum fcgi_in_got fcgi_in_feed(struct fcgi_in *in, const uint8_t *p, size_t n);
/* The finished answer taken apart; false when its head is malformed, or when the body has not the
 * length that the head tells: then its app was interrupted. */
bool fcgi_in_reply(const struct fcgi_in *in, struct fcgi_reply *out);
/* Value of a header of the answer, without blanks around it; NULL when it is not there. */
const char *fcgi_reply_header(const struct fcgi_reply *r, const char *name, size_t *n);
void fcgi_in_free(struct fcgi_in *in);

#endif
