/*
 * The native dialect, spoken on /api/v1/ws and /ws of the whatsapp surface: JSON objects {"type",
 * "data"}. The whole protocol is in docs/relay.md.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "buf.h"
#include "command.h"
#include "conn.h"
#include "presence.h"
#include "queue.h"
#include "sign_in.h"
#include "typing.h"
#include "watch.h"

enum { SECRET_MAX = 4096 };

static const char *const paths[] = {"/api/v1/ws", "/ws", NULL};

/* ---- what we say ---------------------------------------------------------------------------- */

#define ADD(f, text) frame_add(f, text, sizeof(text) - 1)

/* Type, id and cursor hold nothing that JSON would want escaped (rt_event.c, cursor.c). */
static struct frame *
event(const struct rt_event *ev, const char *body, size_t body_n, const char *cursor, size_t n)
{
	struct frame *f = frame_new(64 + ev->type_n + UID_TEXT + n + ev->payload_n + body_n);
	char id[UID_TEXT + 1];

	uid_text(ev->id, id);
	ADD(f, "{\"type\":\"");
	frame_add(f, ev->type, ev->type_n);
	ADD(f, "\",\"id\":\"");
	frame_add(f, id, UID_TEXT);
	if (n)
		ADD(f, "\",\"cursor\":\"");
	frame_add(f, cursor, n);
	ADD(f, "\",\"data\":");
	frame_add(f, ev->payload, ev->payload_n - (body ? 1 : 0));
	if (body) { /* both are objects with members */
		ADD(f, ",");
		frame_add(f, body + 1, body_n - 1);
	}
	ADD(f, "}");
	frame_finish(f);
	return f;
}

static void say(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct conn *c, const char *fmt, ...)
{
	char text[CURSOR_TEXT + 512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(text))
		conn_say(c, text, (size_t)n);
}

static void
ready(struct conn *c, const struct ready *r)
{
	char account[UID_TEXT + 1], session[UID_TEXT + 1];

	uid_text(r->account, account);
	uid_text(r->session, session);
	say(c,
	    "{\"type\":\"ready\",\"data\":{\"cursor\":\"%s\",\"sessionId\":\"%s\",\"accountId\":\"%"
	    "s\","
	    "\"recovered\":%s,\"heartbeatSeconds\":%ld,\"expiresInSeconds\":%ld,\"retryMs\":%u}}",
	    r->cursor, session, account, r->recovered ? "true" : "false", r->heartbeat_seconds,
	    r->expires_in, r->retry_ms);
}

static void
renewed(struct conn *c, long expires_in)
{
	say(c, "{\"type\":\"renewed\",\"data\":{\"expiresInSeconds\":%ld}}", expires_in);
}

static void
degraded(struct conn *c, const char *reason)
{
	say(c, "{\"type\":\"degraded\",\"data\":{\"reason\":\"%s\"}}", reason);
}

static void
restored(struct conn *c)
{
	say(c, "{\"type\":\"restored\"}");
}

static void
resync(struct conn *c, const char *cursor)
{
	say(c, "{\"type\":\"resync\",\"data\":{\"cursor\":\"%s\"}}", cursor);
}

static void
queue_empty(struct conn *c)
{
	say(c, "{\"type\":\"queue.empty\"}");
}

static void
error(struct conn *c, const char *code, const char *detail)
{
	say(c, "{\"type\":\"error\",\"data\":{\"code\":\"%s\",\"detail\":\"%s\"}}", code, detail);
}

/* {"type":"response","id","status","headers","body"}; a refusal of what had no id names the command
 * instead. */
static void
answer(struct conn *c, const struct answer *a)
{
	struct arena *arena = arena_new();
	struct buf b = buf_new(arena);
	char *headers = a->headers ? json_dumps(a->headers, JSON_COMPACT) : NULL;
	const char *quote = a->base64 ? "\"" : "";

	buf_printf(&b, "{\"type\":\"response\",\"id\":%s,\"status\":%d", a->id ? a->id : "null",
	    a->status);
	if (!a->id && a->command)
		buf_printf(&b, ",\"command\":\"%s\"", a->command->type);
	if (headers)
		buf_printf(&b, ",\"headers\":%s", headers);
	if (a->base64)
		buf_puts(&b, ",\"encoding\":\"base64\"");
	if (a->body) {
		buf_printf(&b, ",\"body\":%s", quote);
		buf_put(&b, a->body, a->body_n);
		buf_puts(&b, quote);
	}
	buf_putc(&b, '}');
	conn_say(c, b.p, b.n);
	free(headers);
	arena_free(arena);
}

/* ---- credentials ---------------------------------------------------------------------------- */

struct credentials {
	char token[SECRET_MAX], ticket[SECRET_MAX], nonce[SECRET_MAX], resume[CURSOR_TEXT];
};

static bool
copy(char *out, size_t size, struct slice s)
{
	if (s.n >= size || memchr(s.p, '\0', s.n))
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

/* "token.SECRET" among the subprotocols that are offered. */
static bool
read_item(struct slice item, struct credentials *out)
{
	const struct {
		const char *prefix;
		char *place;
		size_t size;
	} known[] = {{"token.", out->token, SECRET_MAX}, {"ticket.", out->ticket, SECRET_MAX},
	    {"nonce.", out->nonce, SECRET_MAX}, {"resume.", out->resume, CURSOR_TEXT}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t n = strlen(known[i].prefix);

		if (item.n > n && !memcmp(item.p, known[i].prefix, n))
			return copy(
			    known[i].place, known[i].size, (struct slice){item.p + n, item.n - n});
	}
	return true;
}

static bool
read_request(const struct http_request *r, struct credentials *out)
{
	struct slice bearer = http_bearer(r->authorization), rest, item;

	memset(out, 0, sizeof(*out));
	if (bearer.n && !copy(out->token, SECRET_MAX, bearer))
		return false;
	for (int i = 0; i < r->protocols; i++)
		for (rest = r->protocol[i]; http_list_next(&rest, &item);)
			if (!read_item(item, out))
				return false;
	/* The query is written to logs on the way: only what serves once, and what is no secret,
	 * comes in it. */
	if (!*out->ticket && http_query_get(r->query, "ticket", out->ticket, SECRET_MAX) > 0)
		http_query_get(r->query, "nonce", out->nonce, SECRET_MAX);
	if (!*out->resume)
		http_query_get(r->query, "resume", out->resume, CURSOR_TEXT);
	return true;
}

static void
sign_in(struct conn *c, const struct credentials *with)
{
	const char *resume = *with->resume ? with->resume : NULL;

	if (*with->token)
		sign_in_token(c, with->token, resume);
	else if (*with->ticket)
		sign_in_ticket(c, with->ticket, with->nonce, resume);
}

static void
opened(struct conn *c, const struct http_request *r)
{
	static struct credentials with; /* too large for the stack of a deep call */

	if (read_request(r, &with))
		sign_in(c, &with);
	else
		conn_end(c, CLOSE_BAD_REQUEST, "credentials are too long");
	explicit_bzero(&with, sizeof(with));
}

/* ---- what clients say ----------------------------------------------------------------------- */

static bool
read_text(const json_t *o, const char *name, char *out, size_t size)
{
	const json_t *value = json_object_get(o, name);

	out[0] = '\0';
	if (!value || json_is_null(value))
		return true;
	return json_is_string(value) &&
	       copy(out, size, (struct slice){json_string_value(value), json_string_length(value)});
}

/* {"type":"auth","token"} or {"type":"auth","ticket","nonce"}, either with "resume", "queue" for
 * what waits for the device, "presence" for that of the people it wrote with last. */
static void
on_auth(struct conn *c, const json_t *o)
{
	static struct credentials with;

	if (c->sign_in || c->state == CONN_REPLAY) {
		error(c, "busy", "the sign-in before this one is under way");
		return;
	}
	if (!read_text(o, "token", with.token, SECRET_MAX) ||
	    !read_text(o, "ticket", with.ticket, SECRET_MAX) ||
	    !read_text(o, "nonce", with.nonce, SECRET_MAX) ||
	    !read_text(
		o, json_object_get(o, "resume") ? "resume" : "cursor", with.resume, CURSOR_TEXT))
		conn_end(c, CLOSE_BAD_REQUEST, "auth: not texts, or too long");
	else if (!*with.token && !*with.ticket)
		conn_end(c, CLOSE_BAD_REQUEST, "auth: token or ticket is missing");
	else {
		c->wants_queue |= !c->account && json_is_true(json_object_get(o, "queue"));
		c->wants_presence |= !c->account && json_is_true(json_object_get(o, "presence"));
		sign_in(c, &with);
	}
	explicit_bzero(&with, sizeof(with));
}

static const struct command commands[] = {
    {.type = "message.send",
	.method = "POST",
	.path = "/api/v1/messages",
	.body = "*",
	.in_order = true},
    {.type = "typing.start", .local = typing_start, .arg = {"conversationId"}},
    {.type = "typing.stop", .local = typing_stop, .arg = {"conversationId"}},
    {.type = "presence.set", .local = presence_set, .arg = {"status"}},
    {.type = "presence.subscribe", .local = watch_subscribe, .arg = {"userIds"}},
    {.type = "presence.unsubscribe", .local = watch_unsubscribe, .arg = {"userIds"}},
    {.type = "ack", .lasting = queue_ack, .arg = {"messageIds", "messageId"}},
    {.type = "message.edit", .method = "PUT", .path = "/api/v1/messages/{messageId}", .body = "*"},
    {.type = "message.read",
	.method = "POST",
	.path = "/api/v1/conversations/{conversationId}/read",
	.body = "seq"},
    {.type = "reaction.add",
	.method = "POST",
	.path = "/api/v1/messages/{messageId}/reactions",
	.body = "*"},
    {.type = "reaction.remove",
	.method = "DELETE",
	.path = "/api/v1/messages/{messageId}/reactions/{reactionId}"},
};

/* Commands have their inputs in "data", as events have what they tell. */
static void
on_signed_in(struct conn *c, const char *type, const json_t *o)
{
	const json_t *data = json_object_get(o, "data"), *id = json_object_get(o, "id");

	if (!strcmp(type, "ping"))
		say(c, "{\"type\":\"pong\"}");
	else if (!strcmp(type, "request"))
		command_request(c, o, id);
	else if (!command_run(c, commands, sizeof(commands) / sizeof(*commands), type, data, id))
		error(c, "unknown_type", "no such message type");
}

static void
message(struct conn *c, const char *text, size_t n)
{
	json_t *o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(o, "type"));

	if (!type) {
		if (c->state < CONN_REPLAY)
			conn_end(c, CLOSE_BAD_REQUEST, "a JSON object with a type is expected");
		else
			error(c, "bad_message", "a JSON object with a type is expected");
	} else if (!strcmp(type, "auth")) {
		on_auth(c, o);
	} else if (c->state < CONN_REPLAY) {
		conn_end(c, CLOSE_BAD_REQUEST, "auth comes first");
	} else {
		on_signed_in(c, type, o);
	}
	json_decref(o);
}

static const struct dialect whatsapp = {
    .surface = "whatsapp",
    .paths = paths,
    .protocol = "rookery.v1",
    .event = event,
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
DIALECT(whatsapp)
