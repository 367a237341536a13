/* watch: see watch.h. */
#include "watch.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "arena.h"
#include "budget.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "map.h"
#include "now.h"
#include "stream.h"
#include "typing.h"
#include "watch_state.h"

enum { SETTLE_MS = 2000 /* in which relays tell Redis again whom they have */ };

static struct {
	struct map targets;
	struct timer settling;
	bool settled_once; /* at the start there is nothing to wait for */
} all;

/* ---- telling -------------------------------------------------------------------------------- */

static void
say(struct pair *p, bool online, const struct rt_event *ev, struct now_shared *shared)
{
	now_tell(p->conn, ev, shared);
	p->told = online ? ONLINE : OFFLINE;
}

/* An event of our own, for one client: how it stands with the account. */
void
watch_say_state(struct pair *p, bool online, int64_t seen)
{
	struct arena *arena = arena_new();
	struct now_shared shared = {0};
	char id[UID_TEXT + 1], text[160];
	struct rt_event ev = {.type = online ? "presence.online" : "presence.offline",
	    .id = p->target->id,
	    .payload = text};

	uid_text(p->target->id, id);
	if (seen && !online)
		snprintf(text, sizeof(text), "{\"userId\":\"%s\",\"lastSeenAt\":\"%s\"}", id,
		    clock_format(arena, seen * 1000));
	else
		snprintf(text, sizeof(text), "{\"userId\":\"%s\"}", id);
	ev.type_n = (uint32_t)strlen(ev.type);
	ev.payload_n = (uint32_t)strlen(text);
	say(p, online, &ev, &shared);
	now_shared_free(&shared);
	arena_free(arena);
}

/* Tell what is known, unless it was told. */
void
watch_settle(struct pair *p)
{
	struct target *t = p->target;

	if (p->conn && p->allowed && t->known && p->told != (t->online ? ONLINE : OFFLINE))
		watch_say_state(p, t->online, p->seen);
}

void
watch_heard(struct uid account, bool online, const struct rt_event *ev)
{
	struct target *t = map_get(&all.targets, account);
	struct now_shared shared = {0};

	if (!t)
		return;
	t->known = true;
	t->online = online;
	t->heard++;
	for (struct pair *p = t->pairs; p; p = p->next_of_target) {
		if (!online)
			p->seen = (int64_t)ev->pos.ms;
		if (p->conn && p->allowed && p->told != (online ? ONLINE : OFFLINE))
			say(p, online, ev, &shared);
	}
	now_shared_free(&shared);
}

/* ---- Redis: is it online? ------------------------------------------------------------------- */

struct question {
	struct uid target;
	uint64_t heard;
};

static void
on_count(void *ctx, const redisReply *reply)
{
	struct question *q = ctx;
	struct target *t = map_get(&all.targets, q->target);

	if (t)
		t->asking = false;
	if (t && reply && reply->type == REDIS_REPLY_INTEGER && t->heard == q->heard) {
		t->known = true;
		t->online = reply->integer > 0;
	}
	for (struct pair *p = t ? t->pairs : NULL; p; p = p->next_of_target)
		watch_settle(p);
	free(q);
}

void
watch_ask_redis(struct target *t)
{
	struct question *q;
	char id[UID_TEXT + 1];

	if (t->known || t->asking || all.settling.due)
		return;
	q = must_alloc(sizeof(*q));
	*q = (struct question){t->id, t->heard};
	uid_text(t->id, id);
	t->asking = rds_command(stream_commands(), on_count, q, "SCARD on:%s", id);
	if (!t->asking)
		free(q);
}

static void
on_settled(struct timer *timer)
{
	struct target *t;
	size_t i = 0;

	(void)timer;
	while ((t = map_next(&all.targets, &i)))
		watch_ask_redis(t);
}

void
watch_ask_again(void)
{
	struct target *t;
	size_t i = 0;

	while ((t = map_next(&all.targets, &i))) {
		t->known = false;
		t->heard++;
	}
	all.settling.fire = on_settled;
	loop_timer(&all.settling, all.settled_once ? SETTLE_MS : 0);
	all.settled_once = true;
}

/* When Redis is back all relays tell it first whom they have. */
void
watch_redis_changed(void)
{
	static bool was_up;
	bool up = now_up();

	if (up && !was_up)
		watch_ask_again();
	was_up = up;
}

/* Until the database has answered nothing is told. */
static void
doubt(struct pair *p)
{
	p->allowed = false;
	watch_want(p);
}

/* ---- pairs ---------------------------------------------------------------------------------- */

void
watch_drop(struct pair *p)
{
	struct pair **at = &p->target->pairs;

	while (*at != p)
		at = &(*at)->next_of_target;
	*at = p->next_of_target;
	if (!p->target->pairs) {
		map_remove(&all.targets, p->target->id);
		free(p->target);
	}
	watch_ask_forget(p);
	free(p);
}

static void
leave(struct pair *p)
{
	struct watcher *w = p->conn->watcher;
	struct pair **at = &w->pairs;

	while (*at != p)
		at = &(*at)->next_of_conn;
	*at = p->next_of_conn;
	w->n--;
	p->conn = NULL;
	if (!p->asked)
		watch_drop(p);
}

struct watcher *
watch_of(struct conn *c)
{
	if (!c->watcher) {
		c->watcher = must_zalloc(sizeof(*c->watcher));
		c->watcher->conn = c;
	}
	return c->watcher;
}

static struct pair *
find(const struct conn *c, struct uid target)
{
	struct pair *p = c->watcher ? c->watcher->pairs : NULL;

	while (p && !uid_same(p->target->id, target))
		p = p->next_of_conn;
	return p;
}

/* Whoever follows already is told anew. */
void
watch_follow(struct conn *c, struct uid id)
{
	struct watcher *w = watch_of(c);
	struct pair *p = find(c, id);
	struct target *t;

	if (p) {
		p->told = NOTHING;
		doubt(p);
		return;
	}
	if (!(t = map_get(&all.targets, id))) {
		t = must_zalloc(sizeof(*t));
		t->id = id;
		map_put(&all.targets, t);
	}
	p = must_zalloc(sizeof(*p));
	*p = (struct pair){
	    .conn = c, .target = t, .next_of_conn = w->pairs, .next_of_target = t->pairs};
	w->pairs = t->pairs = p;
	w->n++;
	watch_want(p);
}

void
watch_forget(struct conn *c)
{
	struct watcher *w = c->watcher;

	watch_partners_forget(c);
	if (!w)
		return;
	while (w->pairs)
		leave(w->pairs);
	free(w);
	c->watcher = NULL;
}

/* ---- what clients say ----------------------------------------------------------------------- */

static bool
all_ids(const json_t *list)
{
	struct uid id;
	json_t *one;
	size_t i;

	json_array_foreach ((json_t *)list, i, one) {
		const char *text = json_string_value(one);

		if (!text || !uid_parse(text, strlen(text), &id))
			return false;
	}
	return json_array_size(list) > 0;
}

static struct uid
id_at(const json_t *list, size_t i)
{
	const char *text = json_string_value(json_array_get(list, i));
	struct uid id;

	uid_parse(text, strlen(text), &id);
	return id;
}

/* How many of them it does not follow yet. */
static size_t
new_among(const struct conn *c, const json_t *list)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		n += !find(c, id_at(list, i));
	return n;
}

struct command_fault
watch_subscribe(struct conn *c, const struct command *command, const json_t *fields)
{
	const json_t *list = json_object_get(fields, command->arg[0]);
	size_t have = c->watcher ? (size_t)c->watcher->n : 0;
	size_t most = (size_t)conf_int("presence.watch");

	if (!all_ids(list))
		return (struct command_fault){
		    ERR_VALIDATION, command->arg[0], "must be a list of accounts' ids"};
	if (json_array_size(list) > most || have + new_among(c, list) > most)
		return (struct command_fault){
		    ERR_UNPROCESSABLE, command->arg[0], "are more than a connection may follow"};
	if (!budget_spend(c->account->id, BUDGET_PRESENCE, (int64_t)json_array_size(list)))
		return (struct command_fault){ERR_RATE_LIMITED, NULL, "Too many in a short time"};
	for (size_t i = 0; i < json_array_size(list); i++)
		watch_follow(c, id_at(list, i));
	return (struct command_fault){0};
}

struct command_fault
watch_unsubscribe(struct conn *c, const struct command *command, const json_t *fields)
{
	const json_t *list = json_object_get(fields, command->arg[0]);

	if (!all_ids(list))
		return (struct command_fault){
		    ERR_VALIDATION, command->arg[0], "must be a list of accounts' ids"};
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct pair *p = find(c, id_at(list, i));

		if (p)
			leave(p);
	}
	return (struct command_fault){0};
}

int
watch_list(const struct conn *c, struct watch_told *out, int most)
{
	int n = 0;

	for (struct pair *p = c->watcher ? c->watcher->pairs : NULL; p && n < most;
	     p = p->next_of_conn)
		out[n++] = (struct watch_told){p->target->id, (uint8_t)p->told};
	return n;
}

void
watch_resume(struct conn *c, const struct watch_told *list, int n)
{
	watch_of(c)->begun = true; /* its partners are among them, if it asked */
	for (int i = 0; i < n; i++) {
		watch_follow(c, list[i].account);
		find(c, list[i].account)->told = (enum told)list[i].told;
	}
}

/* ---- what changes between people ------------------------------------------------------------ */

/* Whatever a is told of b. */
static void
doubt_between(struct uid a, struct uid b)
{
	struct target *t = map_get(&all.targets, b);

	for (struct pair *p = t ? t->pairs : NULL; p; p = p->next_of_target)
		if (p->conn && uid_same(p->conn->account->id, a))
			doubt(p);
}

static void
doubt_target(struct uid id)
{
	struct target *t = map_get(&all.targets, id);

	for (struct pair *p = t ? t->pairs : NULL; p; p = p->next_of_target)
		if (p->conn)
			doubt(p);
}

/* contact.blocked, contact.unblocked, contact.added, …: between who is told and "contactId". */
static void
on_contact(const struct rt_event *ev)
{
	json_t *payload = json_loadb(ev->payload, ev->payload_n, 0, NULL);
	const char *text = json_string_value(json_object_get(payload, "contactId"));
	struct uid other;

	if (text && uid_parse(text, strlen(text), &other)) {
		doubt_between(ev->to[0], other);
		doubt_between(other, ev->to[0]);
		typing_relation(ev->to[0], other);
	}
	json_decref(payload);
}

void
watch_relation(const struct rt_event *ev)
{
	if (!ev->n_to)
		return;
	if (!strncmp(ev->type, "contact.", 8))
		on_contact(ev);
	else if (!strcmp(ev->type, "privacy.presence"))
		doubt_target(ev->to[0]);
}
