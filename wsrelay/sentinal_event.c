/* sentinal_event: see sentinal_event.h. */
#include "sentinal_event.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "clock.h"
#include "loop.h"

enum { NAME_SIZE = 64 };

/* ---- names ---------------------------------------------------------------------------------- */

/* "senderDeviceId" -> "sender_device_id" */
static void
snake(const char *name, char out[NAME_SIZE])
{
	size_t n = 0;

	for (; *name && n + 2 < NAME_SIZE; name++) {
		if (isupper((unsigned char)*name))
			out[n++] = '_';
		out[n++] = (char)tolower((unsigned char)*name);
	}
	out[n] = '\0';
}

static json_t *snake_names(const json_t *value);

static json_t *
snake_object(const json_t *object)
{
	json_t *out = json_object(), *member;
	char own[NAME_SIZE];
	const char *name;

	json_object_foreach ((json_t *)object, name, member) {
		snake(name, own);
		json_object_set_new(out, own, snake_names(member));
	}
	return out;
}

static json_t *
snake_names(const json_t *value)
{
	json_t *out, *item;
	size_t i;

	if (json_is_object(value))
		return snake_object(value);
	if (!json_is_array(value))
		return json_incref((json_t *)value);
	out = json_array();
	json_array_foreach ((json_t *)value, i, item)
		json_array_append_new(out, snake_names(item));
	return out;
}

static void
rename_member(json_t *o, const char *from, const char *to)
{
	json_t *value = json_object_get(o, from);

	if (!value)
		return;
	json_object_set(o, to, value);
	json_object_del(o, from);
}

static void
copy_member(json_t *o, const char *from, const char *to)
{
	json_t *value = json_object_get(o, from);

	if (value)
		json_object_set(o, to, value);
}

/* ---- the documented events ------------------------------------------------------------------ */

/* content is the ciphertext for this device; a device that was given none learns that there is a
 * message. */
static void
message_new(json_t *o)
{
	rename_member(o, "type", "message_type");
	rename_member(o, "seq", "sequence_number");
	rename_member(o, "quoted_message_id", "reply_to_id");
	rename_member(o, "ciphertext", "content");
	if (!json_object_get(o, "content"))
		json_object_set_new(o, "content", json_string(""));
}

static void
message_read(json_t *o)
{
	rename_member(o, "seq", "sequence_number");
	copy_member(o, "user_id", "reader_id");
}

/* One event may tell of several messages; the last one stands for them. */
static void
message_delivered(json_t *o)
{
	json_t *ids = json_object_get(o, "message_ids");

	rename_member(o, "seq", "sequence_number");
	copy_member(o, "user_id", "recipient_id");
	if (json_array_size(ids))
		json_object_set(o, "message_id", json_array_get(ids, json_array_size(ids) - 1));
}

static void
message_edited(json_t *o)
{
	message_new(o);
	if (!*json_string_value(json_object_get(o, "content")))
		json_object_del(o, "content"); /* sealed: to be fetched */
}

static void
typing_started(json_t *o)
{
	json_object_set_new(o, "is_typing", json_true());
}

static void
typing_stopped(json_t *o)
{
	json_object_set_new(o, "is_typing", json_false());
}

static void
presence_online(json_t *o)
{
	json_object_set_new(o, "is_online", json_true());
	json_object_set_new(o, "status", json_string("online"));
}

static void
presence_offline(json_t *o)
{
	json_object_set_new(o, "is_online", json_false());
	json_object_set_new(o, "status", json_string("offline"));
}

/* Reasons are in lower case here and in upper case in answers; the document has it so. */
static void
call_ended(json_t *o)
{
	char reason[NAME_SIZE];
	const char *given = json_string_value(json_object_get(o, "reason"));

	snprintf(reason, sizeof(reason), "%s", given ? given : "completed");
	for (char *p = reason; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	json_object_set_new(o, "reason", json_string(reason));
	if (!json_object_get(o, "duration_seconds"))
		json_object_set_new(o, "duration_seconds", json_integer(0));
	if (!json_object_get(o, "ended_by"))
		json_object_set_new(o, "ended_by", json_null());
}

static const struct rule {
	const char *type;        /* canonical */
	const char *name;        /* here; NULL: the same with colons */
	const char *user, *time; /* members that become user_id and timestamp */
	void (*adapt)(json_t *o);
} rules[] = {
    {"message.new", NULL, "sender_id", "created_at", message_new},
    {"message.edited", NULL, "sender_id", "edited_at", message_edited},
    {"message.read", NULL, "user_id", "read_at", message_read},
    {"message.delivered", NULL, "user_id", "delivered_at", message_delivered},
    {"typing.started", NULL, "user_id", NULL, typing_started},
    {"typing.stopped", NULL, "user_id", NULL, typing_stopped},
    {"presence.online", NULL, "user_id", NULL, presence_online},
    {"presence.offline", NULL, "user_id", NULL, presence_offline},
    {"call.ended", NULL, "ended_by", "ended_at", call_ended},
};

/* Who did it, in events that say it in various ways. */
static const char *const doers[] = {"user_id", "by", "from_id", "initiator_id", "owner_id", NULL};

static const struct rule *
rule_for(const char *type)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (!strcmp(rules[i].type, type))
			return &rules[i];
	return NULL;
}

/* Signals are one event for the core and three types here: call:offer, call:answer, call:ice. */
static void
set_type(json_t *o, const struct rt_event *ev, const struct rule *rule)
{
	char name[2 * NAME_SIZE];
	const char *signal = json_string_value(json_object_get(o, "signal_type"));

	if (rule && rule->name)
		snprintf(name, sizeof(name), "%s", rule->name);
	else if (signal && !strcmp(ev->type, "call.signal"))
		snprintf(name, sizeof(name), "call:%s", signal);
	else
		snprintf(name, sizeof(name), "%s", ev->type);
	for (char *p = name; *p; p++)
		if (*p == '.')
			*p = ':';
	json_object_set_new(o, "type", json_string(name));
}

static void
set_user(json_t *o, const struct rule *rule)
{
	const json_t *user = rule ? json_object_get(o, rule->user) : NULL;

	for (int i = 0; !user && doers[i]; i++)
		user = json_object_get(o, doers[i]);
	json_object_set_new(
	    o, "user_id", json_is_string(user) ? json_incref((json_t *)user) : json_null());
}

static void
set_time(json_t *o, const struct rt_event *ev, const struct rule *rule)
{
	json_t *time = rule && rule->time ? json_object_get(o, rule->time) : NULL;
	struct arena *arena;
	int64_t now;

	if (!time)
		time = json_object_get(o, "created_at");
	if (json_is_string(time)) {
		json_object_set(o, "timestamp", time);
		return;
	}
	arena = arena_new();
	now = ev->pos.ms ? (int64_t)ev->pos.ms : loop_wall(); /* not all come from the stream */
	json_object_set_new(o, "timestamp", json_string(clock_format(arena, now * 1000)));
	arena_free(arena);
}

static void
set_ids(json_t *o, const struct rt_event *ev, const char *cursor, size_t n)
{
	char id[UID_TEXT + 1];

	uid_text(ev->id, id);
	json_object_set_new(o, "event_id", json_string(id));
	if (n)
		json_object_set_new(o, "cursor", json_stringn(cursor, n));
	if (!ev->has_conversation || json_object_get(o, "conversation_id"))
		return;
	uid_text(ev->conversation, id);
	json_object_set_new(o, "conversation_id", json_string(id));
}

static struct frame *
frame_of(const json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0;
	struct frame *f = frame_new(n);

	frame_add(f, text, n);
	frame_finish(f);
	free(text);
	return f;
}

struct frame *
sentinal_event(
    const struct rt_event *ev, const char *body, size_t body_n, const char *cursor, size_t n)
{
	json_t *payload = json_loadb(ev->payload, ev->payload_n, 0, NULL), *own, *o;
	const struct rule *rule = rule_for(ev->type);
	struct frame *f;

	own = body ? json_loadb(body, body_n, 0, NULL) : NULL;
	json_object_update(payload, own);
	o = snake_names(payload);
	if (!json_is_object(o)) { /* not JSON after all: nobody but ourselves writes events */
		json_decref(o);
		o = json_object();
	}
	if (rule && rule->adapt)
		rule->adapt(o);
	set_user(o, rule);
	set_time(o, ev, rule);
	set_type(o, ev, rule);
	set_ids(o, ev, cursor, n);
	f = frame_of(o);
	json_decref(o);
	json_decref(own);
	json_decref(payload);
	return f;
}
