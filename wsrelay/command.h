/*
 * command: a dialect's own messages as a table: each becomes a call of an operation, or something
 * the relay does itself.
 *
 *	static const struct command commands[] = {
 *	    {.type = "message.read", .method = "POST",
 *	     .path = "/api/v1/conversations/{conversationId}/read", .body = "seq"},
 *	    {.type = "message.send", .method = "POST", .path = "/api/v1/messages", .body = "*",
 *	     .in_order = true},
 *	    {.type = "typing.start", .local = typing_start, .arg = {"conversationId"}},
 *	};
 *	...
 *	if (!command_run(c, commands, n, type, fields, id))
 *		error(c, "unknown_type", …);
 */
#ifndef WSRELAY_COMMAND_H
#define WSRELAY_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "call.h"

enum { COMMAND_ARGS = 2 };

struct conn;

/* Why a local command was refused; .err 0 when it was not. */
struct command_fault {
	enum err err;
	const char *field, *detail;
};

struct command {
	const char *type; /* what the message calls itself */

	/* An operation of the surface: {name} in the path stands for that field of the message.
	 * body names the fields that go into the body, with blanks between them; "*" is all but
	 * those of the path. NULL: there is no body. */
	const char *method, *path, *body;
	bool in_order; /* one at a time: sends keep the order they were said in */

	/* Or what the relay does itself; arg is how this dialect calls the inputs, in the order
	 * that the function wants them. */
	struct command_fault (*local)(
	    struct conn *c, const struct command *command, const json_t *fields);
	/* The same where it takes a while: it answers by itself, with 204 under that id when it
	 * is done and there is an id. */
	struct command_fault (*lasting)(
	    struct conn *c, const struct command *command, const json_t *fields, const char *id);
	const char *arg[COMMAND_ARGS];
};

/* Carry out a client's message of that type; fields is the object with its inputs.  id is the value
 * that names the answer, or NULL: then only a refusal is answered.  false: the table has no such
 * type. */
bool command_run(struct conn *c, const struct command *table, size_t n, const char *type,
    const json_t *fields, const json_t *id);
/* A request: the fields method, path, headers and body of the message, and id, which it must have.
 * headers and body may be missing. */
void command_request(struct conn *c, const json_t *fields, const json_t *id);

/* What the relay did itself is done; id may be NULL. */
void command_done(struct conn *c, const struct command *command, const char *id);

/* For local commands.  Input number i as an id, or a text; false or NULL when it is not there or is
 * no such thing. */
struct uid;
bool command_uid(const struct command *command, const json_t *fields, int i, struct uid *out);
const char *command_text(const struct command *command, const json_t *fields, int i);

#endif
