/*
 * The dialect of the surface sentinal, spoken on /v1/ws: flat JSON objects (sentinal_event.h has
 * those that tell events). The whole protocol is in docs/sentinal.md.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "call.h"
#include "clock.h"
#include "command.h"
#include "conn.h"
#include "presence.h"
#include "sentinal_event.h"
#include "sign_in.h"
#include "typing.h"
#include "watch.h"

enum { SECRET_MAX = 4096 };

static const char *const paths[] = {"/v1/ws", "/ws", NULL};

/* ---- the relay's own notices ---------------------------------------------------------------- */

/* What every message of the server has: when it is, and about whom. */
static void
say(struct conn *c, const char *type, const char *user, json_t *more)
{
	struct arena *arena = arena_new();
	json_t *o = json_pack("{s:s, s:s, s:s?}", "type", type, "timestamp",
	    clock_format(arena, clock_now()), "user_id", user);
	char *text;

	json_object_update(o, more);
	text = json_dumps(o, JSON_COMPACT);
	conn_say(c, text, strlen(text));
	free(text);
	json_decref(more);
	json_decref(o);
	arena_free(arena);
}

static void
ready(struct conn *c, const struct ready *r)
{
	char account[UID_TEXT + 1], session[UID_TEXT + 1];

	uid_text(r->account, account);
	uid_text(r->session, session);
	say(c, "ready", account,
	    json_pack("{s:s, s:s, s:b, s:I, s:I}", "session_id", session, "cursor", r->cursor,
		"recovered", r->recovered, "heartbeat_seconds", (json_int_t)r->heartbeat_seconds,
		"expires_in", (json_int_t)r->expires_in));
}

static void
renewed(struct conn *c, long expires_in)
{
	say(c, "renewed", NULL, json_pack("{s:I}", "expires_in", (json_int_t)expires_in));
}

static void
degraded(struct conn *c, const char *reason)
{
	say(c, "degraded", NULL, json_pack("{s:s}", "reason", reason));
}

static void
restored(struct conn *c)
{
	say(c, "restored", NULL, NULL);
}

static void
resync(struct conn *c, const char *cursor)
{
	say(c, "resync", NULL, json_pack("{s:s}", "cursor", cursor));
}

static void
queue_empty(struct conn *c)
{
	say(c, "queue:empty", NULL, NULL);
}

/* In the shape of the surface's errors. */
static void
error(struct conn *c, const char *code, const char *detail)
{
	say(c, "error", NULL,
	    json_pack("{s:b, s:s, s:s}", "success", 0, "error", detail, "code", code));
}

/* The operation's answer beside the id it was asked under; a refusal of what had no id names the
 * command. */
static void
answer(struct conn *c, const struct answer *a)
{
	bool refused = a->status >= 400;
	json_t *o = json_pack("{s:i}", "status", a->status), *body = NULL;

	if (a->body && !a->base64)
		body = json_loadb(a->body, a->body_n, JSON_DECODE_ANY, NULL);
	if (a->id)
		json_object_set_new(o, "id", json_loads(a->id, JSON_DECODE_ANY, NULL));
	if (a->command)
		json_object_set_new(o, "command", json_string(a->command->type));
	if (a->headers)
		json_object_set(o, "headers", (json_t *)a->headers);
	if (refused && json_is_object(body))
		json_object_update(o, body);
	else if (a->body)
		json_object_set_new(
		    o, "body", body ? json_incref(body) : json_stringn(a->body, a->body_n));
	if (a->base64)
		json_object_set_new(o, "encoding", json_string("base64"));
	say(c, refused && !a->id ? "error" : "response", NULL, o);
	json_decref(body);
}

/* ---- credentials ---------------------------------------------------------------------------- */

/* The documented ways: in the query, in the Authorization header, or in the first message.  A token
 * in the query is what the document shows; nobody on the way here writes queries down. */
static void
opened(struct conn *c, const struct http_request *r)
{
	static char token[SECRET_MAX], resume[SECRET_MAX];
	struct slice bearer = http_bearer(r->authorization);
	ssize_t n = -1;

	if (bearer.n && bearer.n < SECRET_MAX) {
		memcpy(token, bearer.p, bearer.n);
		token[bearer.n] = '\0';
		n = (ssize_t)bearer.n;
	} else {
		n = http_query_get(r->query, "token", token, SECRET_MAX);
	}
	c->wants_presence =
	    true; /* the document knows no subscriptions: those one writes with are told */
	if (n > 0)
		sign_in_token(c, token,
		    http_query_get(r->query, "resume", resume, SECRET_MAX) > 0 ? resume : NULL);
	explicit_bzero(token, sizeof(token));
}

/* {"type": "auth", "token": "Bearer TOKEN"}, also without the word, with "resume", and "queue" for
 * what waits. */
static void
on_auth(struct conn *c, const json_t *o)
{
	const char *token = json_string_value(json_object_get(o, "token"));
	const char *resume = json_string_value(json_object_get(o, "resume"));

	if (c->sign_in || c->state == CONN_REPLAY) {
		error(c, "BUSY", "the sign-in before this one is under way");
		return;
	}
	if (token && !strncasecmp(token, "Bearer ", 7))
		token += 7 + strspn(token + 7, " ");
	if (!token || !*token || strlen(token) >= SECRET_MAX ||
	    (resume && strlen(resume) >= SECRET_MAX)) {
		conn_end(c, CLOSE_BAD_REQUEST, "auth: the token is missing or too long");
		return;
	}
	c->wants_queue |= !c->account && json_is_true(json_object_get(o, "queue"));
	sign_in_token(c, token, resume);
}

/* ---- what clients say ----------------------------------------------------------------------- */

#define SIGNAL(kind)                                                                               \
	{                                                                                          \
		.type = "call:" kind, .method = "POST", .path = "/v1/calls/{call_id}/signals",     \
		.body = "from_id to_id to_device signal_type data", .in_order = true               \
	}

static const struct command commands[] = {
    SIGNAL("offer"),
    SIGNAL("answer"),
    SIGNAL("ice"),
    {.type = "typing:started", .local = typing_start, .arg = {"conversation_id"}},
    {.type = "typing:stopped", .local = typing_stop, .arg = {"conversation_id"}},
    {.type = "presence:online", .local = presence_set, .arg = {"status"}},
    {.type = "presence:offline", .local = presence_set, .arg = {"status"}},
    {.type = "presence:subscribe", .local = watch_subscribe, .arg = {"user_ids"}},
    {.type = "presence:unsubscribe", .local = watch_unsubscribe, .arg = {"user_ids"}},
    {.type = "message:send",
	.method = "POST",
	.path = "/v1/messages",
	.body = "*",
	.in_order = true},
    {.type = "message:read", .method = "POST", .path = "/v1/messages/{message_id}/read"},
    {.type = "message:delivered", .method = "POST", .path = "/v1/messages/{message_id}/delivered"},
};

static void
on_signed_in(struct conn *c, const char *type, json_t *o)
{
	const json_t *id = json_object_get(o, "id");

	if (!strcmp(type, "ping"))
		say(c, "pong", NULL, NULL);
	else if (!strcmp(type, "request"))
		command_request(c, o, id);
	else if (!command_run(c, commands, sizeof(commands) / sizeof(*commands), type, o, id))
		error(c, "UNKNOWN_TYPE", "there is no such message type");
}

static void
message(struct conn *c, const char *text, size_t n)
{
	json_t *o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(o, "type"));

	if (!type && c->state < CONN_REPLAY)
		conn_end(c, CLOSE_BAD_REQUEST, "a JSON object with a type is expected");
	else if (!type)
		error(c, "VALIDATION_ERROR", "a JSON object with a type is expected");
	else if (!strcmp(type, "auth"))
		on_auth(c, o);
	else if (c->state < CONN_REPLAY)
		conn_end(c, CLOSE_BAD_REQUEST, "auth comes first");
	else
		on_signed_in(c, type, o);
	json_decref(o);
}

static const struct dialect sentinal = {
    .surface = "sentinal",
    .paths = paths,
    .protocol = "rookery.v1",
    .event = sentinal_event,
    .ready = ready,
    .renewed = renewed,
    .degraded = degraded,
    .restored = restored,
    .resync = resync,
    .queue_empty = queue_empty,
    .opened = opened,
    .message = message,
    .answer = answer,
};
DIALECT(sentinal)
