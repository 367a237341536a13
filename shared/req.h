/*
 * req: one request as handlers see it.
 *
 * Ownership: everything reachable from struct req lives in req->arena, which the requests of one batch
 * share, and dies when their replies have been flushed.  Handlers return 0 after a resp_*() call, or an error of err.h; the runtime renders
 * and logs it.
 *
 *	int
 *	blocks_create(struct req *r, const struct blocks_create_in *in)
 *	{
 *		struct db_res *row;
 *		int err;
 *
 *		if ((err = sql_block_insert(r, &row, in->contactId, in->reason)))
 *			return err;
 *		return resp_row(r, 201, row);
 *	}
 */
#ifndef ROOKERY_REQ_H
#define ROOKERY_REQ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "arena.h"
#include "buf.h"
#include "contract.h"
#include "err.h"

struct db_res;
struct fcgi_conn;

struct event;

struct req_event { /* published after the handler succeeded, see event.h */
	struct req_event *next;
	const struct event *event;
};

struct req {
	struct arena *arena;
	const struct family *family;
	const struct op *op;

	/* The caller; NULL where the operation takes no token.  Canonical UUIDs. */
	const char *me, *device, *session;
	const char *request_id; /* from X-Request-ID when sane, else made; answered as header */
	const char *remote;     /* client address as text, from the web server */
	const char *method, *path, *query_string, *content_type;
	int64_t content_length;

	const char *input; /* the JSON body as it came, for idempotency */
	size_t input_len;

	/* A raw body: streamed to an unlinked file, its descriptor closed with the arena. */
	int body_fd;
	int64_t body_size;
	struct req_file *files; /* of a multipart body, see req_file() */

	/* Reply under construction. */
	int status;
	struct buf headers; /* "Name: value\r\n" lines */
	const char *body;
	size_t body_len;
	int send_fd; /* file to stream as the body instead, or -1 */
	int64_t send_from, send_len;

	/* Error details set by req_fail(). */
	const char *err_field, *err_detail;
	int64_t retry_after; /* seconds; with ERR_RATE_LIMITED and ERR_UNAVAILABLE */
	json_t *err_extra;   /* members added to the error body (RFC 9457 extensions) */

	struct req_event *events, **events_tail;
	struct fcgi_conn *wire;
	int64_t started_us;
	int err; /* set by batch handlers per item */
	bool replied;
};

/* Request header by its name ("If-None-Match"), or NULL. */
const char *req_header(struct req *r, const char *name);

/* A file that came in a multipart body, on disk without a name; nothing of it is in memory. */
struct req_file {
	struct req_file *next;
	const char *field;
	const char *name; /* as the client wrote it: names no file of ours */
	const char *type; /* media type the client claims, or NULL */
	int fd;           /* at its beginning; closed with the arena */
	int64_t size;
};

/* The first file of that field, or NULL. */
const struct req_file *req_file(struct req *r, const char *field);

/* Return err after noting which field (may be NULL) is wrong and why.
 * "return req_fail(r, ERR_VALIDATION, \"memberIds\", \"more than %d members\", max);" */
int req_fail(struct req *r, enum err err, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Add a member to the error body: messageId of the first message in a 409, and the like. */
void req_fail_extra(struct req *r, const char *name, json_t *value);

/* A fresh UUIDv7 as text in the arena. */
const char *req_newid(struct req *r);
const char *req_printf(struct req *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- replies ---------------------------------------------------------------------------- */

void resp_header(struct req *r, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* body may be NULL: no content.  Where the contract has an envelope, body is what data holds. */
int resp_json(struct req *r, int status, json_t *body);
/* The single row's columns as a JSON object; columns that begin with _ are not shown.  ERR_NOT_FOUND when
 * there is no row. */
int resp_row(struct req *r, int status, struct db_res *res);
int resp_bytes(struct req *r, int status, const char *type, const void *p, size_t n);
/* Stream len bytes of fd from offset from; the descriptor is closed with the arena. */
int resp_file(struct req *r, int status, const char *type, int fd, int64_t from, int64_t len);

#endif
