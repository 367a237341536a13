/*
 * call: what clients ask of the surface's operations, REST over WebSocket.
 *
 * A connection has at most relay.calls_per_connection calls under way, the relay relay.calls; the
 * rest waits in the order it came, CALL_WAITING at most for a connection.  Calls run beside each
 * other, those marked in_order one at a time.  Each is answered once through the dialect, with the
 * operation's own answer or with an error in the shape of the surface; one whose client has gone is
 * abandoned.
 *
 * Ownership: what a spec names is copied, but for its body, which call_submit() takes over.
 *
 *	call_submit(c, &(struct call_spec){.id = "7", .method = "GET", .path = "/api/v1/devices"});
 */
#ifndef WSRELAY_CALL_H
#define WSRELAY_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "err.h"

enum { CALL_WAITING = 64, CALL_PATH_MAX = 4096, CALL_ID_MAX = 128, CALL_HEADER_MAX = 1024 };

struct command;
struct conn;

struct call_spec {
	const char *id;                /* JSON text that names the answer; NULL: none was given */
	const struct command *command; /* of the dialect; NULL for a request */
	const char *method, *path;     /* path with its query */
	const json_t *headers;         /* an object; NULL for none */
	char *body;                    /* JSON text from malloc(); NULL for none */
	bool in_order;
};

struct answer {
	const char *id;
	const struct command *command;
	int status;
	const json_t *headers; /* object of texts; NULL when there are none */
	const char *body;      /* JSON text; NULL when there is none */
	size_t body_n;
	bool base64; /* the body is a file: it is told as a text in base64 */
};

void call_submit(struct conn *c, const struct call_spec *spec);
/* Answer without calling: detail is NULL for the error's own text, field for none.  Frees the
 * spec's body. */
void call_refuse(struct conn *c, const struct call_spec *spec, enum err err, const char *field,
    const char *detail);
void call_forget(struct conn *c); /* it is being freed */

#endif
