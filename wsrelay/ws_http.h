/*
 * ws_http: the head of an HTTP/1.1 request, and what makes it a WebSocket handshake (RFC 6455,
 * section 4.2). Pure: text in, slices out.
 *
 * Ownership: slices point into the caller's buffer.
 *
 *	n = ws_http_parse(buffer, have, &r);       // 0: more is needed; negative: answer that
 * status if (n > 0 && (status = ws_http_upgrade(&r)) == 101) ws_http_accept(r.key, accept);
 */
#ifndef WSRELAY_WS_HTTP_H
#define WSRELAY_WS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	HTTP_HEAD_MAX = 16 * 1024,
	HTTP_ACCEPT_SIZE = 29,
	HTTP_PROTOCOL_LINES = 4,
	HTTP_EXTENSION_LINES = 4
};

struct slice {
	const char *p; /* NULL: not there */
	size_t n;
};

struct http_request {
	struct slice method, path, query; /* query without the '?' */
	struct slice host, origin, authorization, key, version, upgrade, connection, forwarded;
	struct slice
	    protocol[HTTP_PROTOCOL_LINES]; /* Sec-WebSocket-Protocol may come in several lines */
	int protocols;
	struct slice extension[HTTP_EXTENSION_LINES]; /* the same */
	int extensions;
	bool http11, has_body;
};

/* Bytes of the head when it is whole, 0 when more is needed, or minus an HTTP status. */
ssize_t ws_http_parse(const char *buf, size_t n, struct http_request *out);
/* 101 when the request is a handshake we can answer, 0 when it does not ask for WebSocket, else the
 * status of the refusal: 400, 405 or 426 (which owes a Sec-WebSocket-Version header). */
int ws_http_upgrade(const struct http_request *r);
/* Value of Sec-WebSocket-Accept for a key. */
void ws_http_accept(struct slice key, char out[HTTP_ACCEPT_SIZE]);

/* Next item of a comma-separated list, without blanks around it; false at the end. */
bool http_list_next(struct slice *rest, struct slice *item);
/* A parameter of the query, percent-decoded and NUL-terminated: its length, or -1 when it is not
 * there, is malformed, holds a NUL or does not fit. */
ssize_t http_query_get(struct slice query, const char *name, char *out, size_t size);
/* "Bearer TOKEN" -> TOKEN; an empty slice for anything else. */
struct slice http_bearer(struct slice authorization);
bool slice_is(struct slice s, const char *text);            /* the same bytes */
bool slice_is_word(struct slice s, const char *lower_case); /* the same but for case */
/* May a page of that Origin connect?  Yes when there is none (not a browser), when it names our own
 * host, or when it is in allowed: origins separated by blanks or commas, "*" is every one. */
bool http_origin_allowed(struct slice origin, struct slice host, const char *allowed);

#endif
