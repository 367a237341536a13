/* watch: see watch.h. */
#include "watch.h"

#include <endian.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "arena.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "map.h"
#include "now.h"
#include "pg.h"
#include "stream.h"
#include "typing.h"

enum {
	BATCH = 256,
	PARTNERS = 64,
	SETTLE_MS = 2000, /* in which relays tell Redis again whom they have */
};

/* Last seen as milliseconds since 1970, 0 for never. */
static const char ASK[] = "SELECT n, coalesce((extract(epoch FROM last_seen_at) * 1000)::bigint, 0)"
			  " FROM presence_may($1::uuid[], $2::uuid[])";
static const char ASK_PARTNERS[] =
    "SELECT n, account_id FROM presence_partners($1::uuid[], $2::integer)";

struct target { /* an account that somebody here follows */
	struct uid id;
	struct pair *pairs;
	bool known, online; /* as Redis or an event said */
	bool asking;        /* Redis is being asked */
	uint64_t heard;     /* events about it; an older answer of Redis says nothing */
};

enum told { NOTHING, ONLINE, OFFLINE };

struct pair {              /* a connection follows an account */
	struct conn *conn; /* NULL: it has gone while the database is asked */
	struct target *target;
	struct pair *next_of_conn, *next_of_target, *next_wanted;
	bool wanted, asked, stale; /* to be asked; with the database; its answer will be old */
	bool allowed;
	enum told told;
	int64_t seen; /* ms since 1970 */
};

struct watcher { /* of a connection */
	struct conn *conn;
	struct pair *pairs;
	int n;
	bool begun; /* its partners were asked for */
	struct watcher *next_wanting;
	bool wanting;
};

static struct {
	struct map targets;
	struct pair *wanted, **tail;
	struct pair *asked[BATCH];
	int n_asked;
	struct watcher *wanting; /* their partners */
	struct conn *partners_of[PARTNERS];
	int n_partners;
	struct timer settling;
	bool settled_once; /* at the start there is nothing to wait for */
} all = {.tail = &all.wanted};

/* ---- telling -------------------------------------------------------------------------------- */

static void
say(struct pair *p, bool online, const struct rt_event *ev, struct now_shared *shared)
{
	now_tell(p->conn, ev, shared);
	p->told = online ? ONLINE : OFFLINE;
}

/* An event of our own, for one client: how it stands with the account. */
static void
say_state(struct pair *p, bool online, int64_t seen)
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
static void
settle(struct pair *p)
{
	struct target *t = p->target;

	if (p->conn && p->allowed && t->known && p->told != (t->online ? ONLINE : OFFLINE))
		say_state(p, t->online, p->seen);
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
		settle(p);
	free(q);
}

static void
ask_redis(struct target *t)
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
		ask_redis(t);
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

/* ---- the database: may it know? ------------------------------------------------------------- */

static void
want(struct pair *p)
{
	p->stale = p->asked;
	if (p->wanted || p->asked)
		return;
	p->wanted = true;
	p->next_wanted = NULL;
	*all.tail = p;
	all.tail = &p->next_wanted;
}

/* Until the database has answered nothing is told. */
static void
doubt(struct pair *p)
{
	p->allowed = false;
	want(p);
}

static void drop(struct pair *p);

static void
answered(struct pair *p, bool known, bool may, int64_t seen)
{
	p->asked = false;
	if (!p->conn) {
		drop(p);
		return;
	}
	if (!known || p->stale) {
		p->stale = false;
		want(p);
		return;
	}
	p->allowed = may;
	p->seen = seen;
	if (may) {
		ask_redis(p->target);
		settle(p);
	} else if (p->told == ONLINE) {
		say_state(p, false, 0); /* no more is known of it */
		p->told = NOTHING;
	}
}

static void
on_rows(void *unused, const PGresult *res)
{
	bool may[BATCH] = {false};
	int64_t seen[BATCH] = {0};
	int asked = all.n_asked;
	uint64_t n;

	(void)unused;
	all.n_asked = 0;
	for (int row = 0; res && row < PQntuples(res); row++) {
		memcpy(&n, PQgetvalue(res, row, 0), sizeof(n));
		n = be64toh(n);
		if (n < 1 || n > (uint64_t)asked)
			continue;
		may[n - 1] = true;
		memcpy(&seen[n - 1], PQgetvalue(res, row, 1), sizeof(*seen));
		seen[n - 1] = (int64_t)be64toh((uint64_t)seen[n - 1]);
	}
	for (int i = 0; i < asked; i++)
		answered(all.asked[i], res != NULL, may[i], seen[i]);
}

static int
put_id(char *out, int n, struct uid id, int i)
{
	out[n++] = i ? ',' : '{';
	uid_text(id, out + n);
	return n + UID_TEXT;
}

static void
ask_pairs(void)
{
	static char watchers[2 + BATCH * (UID_TEXT + 1)], targets[sizeof(watchers)];
	int w = 0, t = 0;

	if (!all.wanted || all.n_asked)
		return;
	while (all.wanted && all.n_asked < BATCH) {
		struct pair *p = all.wanted;

		if (!(all.wanted = p->next_wanted))
			all.tail = &all.wanted;
		p->wanted = false;
		p->asked = true;
		w = put_id(watchers, w, p->conn->account->id, all.n_asked);
		t = put_id(targets, t, p->target->id, all.n_asked);
		all.asked[all.n_asked++] = p;
	}
	strcpy(watchers + w, "}");
	strcpy(targets + t, "}");
	pg_query(ASK, 2, (const char *[]){watchers, targets}, on_rows, NULL);
}

/* ---- pairs ---------------------------------------------------------------------------------- */

static void
drop(struct pair *p)
{
	struct pair **at = &p->target->pairs;

	while (*at != p)
		at = &(*at)->next_of_target;
	*at = p->next_of_target;
	if (!p->target->pairs) {
		map_remove(&all.targets, p->target->id);
		free(p->target);
	}
	if (p->wanted) {
		for (at = &all.wanted; *at != p;)
			at = &(*at)->next_wanted;
		if (!(*at = p->next_wanted))
			all.tail = at;
	}
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
		drop(p);
}

static struct watcher *
watcher_of(struct conn *c)
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
static void
follow(struct conn *c, struct uid id)
{
	struct watcher *w = watcher_of(c);
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
	want(p);
}

void
watch_forget(struct conn *c)
{
	struct watcher *w = c->watcher, **at;

	for (int i = 0; i < all.n_partners; i++)
		if (all.partners_of[i] == c)
			all.partners_of[i] = NULL;
	if (!w)
		return;
	while (w->pairs)
		leave(w->pairs);
	if (w->wanting) {
		for (at = &all.wanting; *at != w;)
			at = &(*at)->next_wanting;
		*at = w->next_wanting;
	}
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
	for (size_t i = 0; i < json_array_size(list); i++)
		follow(c, id_at(list, i));
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

/* ---- partners ------------------------------------------------------------------------------- */

void
watch_partners(struct conn *c)
{
	struct watcher *w = watcher_of(c);

	if (w->begun)
		return;
	w->begun = w->wanting = true;
	w->next_wanting = all.wanting;
	all.wanting = w;
}

static void
on_partners(void *unused, const PGresult *res)
{
	int asked = all.n_partners;
	uint64_t n;

	(void)unused;
	for (int row = 0; res && row < PQntuples(res); row++) {
		struct conn *c;

		memcpy(&n, PQgetvalue(res, row, 0), sizeof(n));
		n = be64toh(n);
		c = n >= 1 && n <= (uint64_t)asked ? all.partners_of[n - 1] : NULL;
		if (c && c->watcher->n < conf_int("presence.watch"))
			follow(c, uid_from_bytes(PQgetvalue(res, row, 1)));
	}
	all.n_partners = 0;
	for (int i = 0; !res && i < asked; i++) {
		struct conn *c = all.partners_of[i];

		if (!c)
			continue;
		c->watcher->begun = false; /* once more */
		watch_partners(c);
	}
}

static void
ask_partners(void)
{
	static char accounts[2 + PARTNERS * (UID_TEXT + 1)];
	char most[24];
	int a = 0, n = 0;

	if (!all.wanting || all.n_partners)
		return;
	while (all.wanting && n < PARTNERS) {
		struct watcher *w = all.wanting;

		all.wanting = w->next_wanting;
		w->wanting = false;
		a = put_id(accounts, a, w->conn->account->id, n);
		all.partners_of[n++] = w->conn;
	}
	all.n_partners = n;
	strcpy(accounts + a, "}");
	snprintf(most, sizeof(most), "%lld", (long long)conf_int("presence.watch"));
	pg_query(ASK_PARTNERS, 2, (const char *[]){accounts, most}, on_partners, NULL);
}

void
watch_flush(void)
{
	if (!pg_up())
		return;
	ask_partners();
	ask_pairs();
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
	watcher_of(c)->begun = true; /* its partners are among them, if it asked */
	for (int i = 0; i < n; i++) {
		follow(c, list[i].account);
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
