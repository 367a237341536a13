/* typing: see typing.h. */
#include "typing.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "budget.h"
#include "conf.h"
#include "conn.h"
#include "loop.h"
#include "map.h"
#include "metrics.h"
#include "now.h"
#include "pg.h"

enum {
	BATCH = 64,
	MOST_PLACES = 16, /* conversations a connection types in, or has typed in lately */
	GRANT_MS = 60000,
	TICK_MS = 250,
};

static const char ASK[] = "SELECT n, member_version, hidden_from, display_name"
			  " FROM typing_may($1::uuid[], $2::uuid[], $3::integer)";

struct room { /* a conversation somebody here types in, or has typed in lately */
	struct uid id;
	struct typer *typers;
};

struct typer {             /* a connection in a conversation */
	struct conn *conn; /* NULL: it has gone while the database is asked */
	struct room *room;
	struct typer *next_of_conn, *next_of_room, *next_wanted;
	const struct command *command;
	bool wanted, asked; /* about to be asked for; with the database */
	bool stale;         /* what the database answers now may be of before a change */
	bool typing;        /* others have been told */
	bool wishes;        /* to be, as soon as it is known that it may */
	bool moved;         /* others may see it now */
	int64_t granted;    /* until then what follows is known; 0: it is not */
	int64_t version;
	char *but, *name;
	int64_t ends, told;
};

struct typing { /* of a connection */
	struct typer *typers;
	int n;
};

static struct {
	struct map rooms;
	struct typer *wanted, **tail;
	struct typer *asked[BATCH];
	int n_asked, active;
	struct timer tick;
} all = {.tail = &all.wanted};

/* ---- telling -------------------------------------------------------------------------------- */

static void
publish(struct typer *t, const char *type)
{
	char account[UID_TEXT + 1], conversation[UID_TEXT + 1], device[UID_TEXT + 1];
	struct conn *c = t->conn;
	struct now_event ev = {.type = type, .conversation = &t->room->id, .version = t->version};
	json_t *o;
	char *payload;

	uid_text(c->account->id, account);
	uid_text(c->device, device);
	uid_text(t->room->id, conversation);
	o = json_pack("{s:s,s:s,s:s,s:I}", "conversationId", conversation, "userId", account,
	    "deviceId", device, "expiresInSeconds", (json_int_t)conf_int("typing.expire"));
	if (t->name)
		json_object_set_new(o, "displayName", json_string(t->name));
	payload = json_dumps(o, JSON_COMPACT);
	ev.but = t->but;
	ev.payload = payload;
	now_publish(&ev);
	free(payload);
	json_decref(o);
	t->told = loop_now();
}

static void
set_typing(struct typer *t, bool typing)
{
	all.active += typing - t->typing;
	t->typing = typing;
	if (all.active && !all.tick.due)
		loop_timer(&all.tick, TICK_MS);
}

static void
end(struct typer *t)
{
	t->wishes = false;
	if (!t->typing)
		return;
	set_typing(t, false);
	if (t->granted) /* otherwise it is not known who may see it; they see it expire */
		publish(t, "typing.stopped");
}

static void
tell(struct typer *t)
{
	int64_t lasts = conf_int("typing.expire") * 1000;

	t->ends = loop_now() + lasts;
	if (t->typing && loop_now() - t->told < lasts / 2)
		return;
	if (!budget_spend(t->conn->account->id, BUDGET_TYPING, 1))
		return;
	set_typing(t, true);
	publish(t, "typing.started");
}

/* ---- who may -------------------------------------------------------------------------------- */

static void
want(struct typer *t)
{
	if (t->wanted || t->asked)
		return;
	t->wanted = true;
	t->next_wanted = NULL;
	*all.tail = t;
	all.tail = &t->next_wanted;
}

static void
free_texts(struct typer *t)
{
	free(t->but);
	free(t->name);
	t->but = t->name = NULL;
}

/* Who is not told: the account itself, and those that the database names. */
static char *
own_and(struct uid account, const char *others)
{
	char *but = must_alloc(UID_TEXT + strlen(others) + 2);

	uid_text(account, but);
	if (*others)
		sprintf(but + UID_TEXT, ",%s", others);
	return but;
}

static char *
copy_value(const PGresult *res, int row, int column)
{
	const char *text = PQgetvalue(res, row, column);

	return *text ? strcpy(must_alloc(strlen(text) + 1), text) : NULL;
}

static void
take_row(struct typer *t, const PGresult *res, int row)
{
	uint32_t version;

	memcpy(&version, PQgetvalue(res, row, 1), sizeof(version));
	free_texts(t);
	t->moved = t->version != (int64_t)be32toh(version);
	t->version = (int64_t)be32toh(version);
	t->but = t->conn ? own_and(t->conn->account->id, PQgetvalue(res, row, 2)) : NULL;
	t->name = copy_value(res, row, 3);
	t->granted = loop_now() + GRANT_MS;
}

static void
forbid(struct typer *t)
{
	const struct call_spec spec = {.command = t->command};

	set_typing(t, false); /* who may still see it knows when it expires */
	if (t->wishes && t->command)
		call_refuse(t->conn, &spec, ERR_FORBIDDEN, t->command->arg[0],
		    "You cannot be seen typing there");
	t->wishes = false;
}

static void drop(struct typer *t);

static void
answered(struct typer *t, bool known)
{
	t->asked = false;
	if (!t->conn) {
		drop(t);
	} else if (t->stale) {
		t->stale = false;
		t->granted = 0;
		want(t);
	} else if (known && !t->granted) {
		forbid(t);
	} else if (t->wishes && t->granted) {
		t->wishes = false;
		tell(t);
	} else if (t->typing && t->granted && t->moved) {
		publish(t, "typing.started");
	}
}

static void
on_rows(void *unused, const PGresult *res)
{
	uint64_t n;
	int asked = all.n_asked;

	(void)unused;
	all.n_asked = 0;
	for (int row = 0; res && row < PQntuples(res); row++) {
		memcpy(&n, PQgetvalue(res, row, 0), sizeof(n));
		n = be64toh(n);
		if (n >= 1 && n <= (uint64_t)asked)
			take_row(all.asked[n - 1], res, row);
	}
	for (int i = 0; i < asked; i++)
		answered(all.asked[i], res != NULL);
}

static int
put_id(char *out, int n, struct uid id, int i)
{
	out[n++] = i ? ',' : '{';
	uid_text(id, out + n);
	return n + UID_TEXT;
}

void
typing_flush(void)
{
	static char accounts[2 + BATCH * (UID_TEXT + 1)], rooms[sizeof(accounts)];
	char most[24];
	int a = 0, r = 0;

	if (!all.wanted || all.n_asked || !pg_up())
		return;
	while (all.wanted && all.n_asked < BATCH) {
		struct typer *t = all.wanted;

		if (!(all.wanted = t->next_wanted))
			all.tail = &all.wanted;
		t->wanted = false;
		t->asked = true;
		t->granted = 0;
		a = put_id(accounts, a, t->conn->account->id, all.n_asked);
		r = put_id(rooms, r, t->room->id, all.n_asked);
		all.asked[all.n_asked++] = t;
	}
	strcpy(accounts + a, "}");
	strcpy(rooms + r, "}");
	metrics->typing_lookups += (uint64_t)all.n_asked;
	snprintf(most, sizeof(most), "%lld", (long long)conf_int("typing.members"));
	pg_query(ASK, 3, (const char *[]){accounts, rooms, most}, on_rows, NULL);
}

/* ---- who types where ------------------------------------------------------------------------ */

static void
drop(struct typer *t)
{
	struct typer **at = &t->room->typers;

	while (*at != t)
		at = &(*at)->next_of_room;
	*at = t->next_of_room;
	if (!t->room->typers) {
		map_remove(&all.rooms, t->room->id);
		free(t->room);
	}
	if (t->wanted) {
		for (at = &all.wanted; *at != t;)
			at = &(*at)->next_wanted;
		if (!(*at = t->next_wanted))
			all.tail = at;
	}
	free_texts(t);
	free(t);
}

/* Its connection lets go of it; what is with the database goes when the answer comes. */
static void
leave(struct typer *t)
{
	struct typing *own = t->conn->typing;
	struct typer **at = &own->typers;

	if (t->conn->leaving)
		set_typing(t, false); /* it goes on typing in another process */
	else
		end(t);
	while (*at != t)
		at = &(*at)->next_of_conn;
	*at = t->next_of_conn;
	own->n--;
	t->conn = NULL;
	if (!t->asked)
		drop(t);
}

void
typing_forget(struct conn *c)
{
	if (!c->typing)
		return;
	while (c->typing->typers)
		leave(c->typing->typers);
	free(c->typing);
	c->typing = NULL;
}

static struct typer *
find(const struct conn *c, struct uid conversation)
{
	struct typer *t = c->typing ? c->typing->typers : NULL;

	while (t && !uid_same(t->room->id, conversation))
		t = t->next_of_conn;
	return t;
}

/* The one that was begun first stands last. */
static struct typer *
oldest_of(const struct conn *c)
{
	struct typer *t = c->typing->typers;

	while (t->next_of_conn)
		t = t->next_of_conn;
	return t;
}

static struct typer *
enter(struct conn *c, struct uid conversation)
{
	struct room *room = map_get(&all.rooms, conversation);
	struct typer *t;

	if (!c->typing)
		c->typing = must_zalloc(sizeof(*c->typing));
	if (c->typing->n == MOST_PLACES)
		leave(oldest_of(c));
	if (!room) {
		room = must_zalloc(sizeof(*room));
		room->id = conversation;
		map_put(&all.rooms, room);
	}
	t = must_zalloc(sizeof(*t));
	*t = (struct typer){.conn = c,
	    .room = room,
	    .next_of_conn = c->typing->typers,
	    .next_of_room = room->typers};
	c->typing->typers = room->typers = t;
	c->typing->n++;
	return t;
}

struct command_fault
typing_start(struct conn *c, const struct command *command, const json_t *fields)
{
	struct uid conversation;
	struct typer *t;

	if (!command_uid(command, fields, 0, &conversation))
		return (struct command_fault){
		    ERR_VALIDATION, command->arg[0], "must be a conversation's id"};
	if (c->state != CONN_LIVE)
		return (struct command_fault){0};
	t = find(c, conversation);
	if (!t)
		t = enter(c, conversation);
	t->command = command;
	if (t->granted > loop_now() && !t->asked) {
		tell(t);
	} else {
		t->wishes = true;
		want(t);
	}
	return (struct command_fault){0};
}

struct command_fault
typing_stop(struct conn *c, const struct command *command, const json_t *fields)
{
	struct uid conversation;
	struct typer *t;

	if (!command_uid(command, fields, 0, &conversation))
		return (struct command_fault){
		    ERR_VALIDATION, command->arg[0], "must be a conversation's id"};
	if ((t = find(c, conversation)))
		end(t);
	return (struct command_fault){0};
}

int
typing_places(const struct conn *c, struct uid *out, int most)
{
	int n = 0;

	for (struct typer *t = c->typing ? c->typing->typers : NULL; t && n < most;
	     t = t->next_of_conn)
		if (t->typing)
			out[n++] = t->room->id;
	return n;
}

void
typing_resume(struct conn *c, struct uid conversation)
{
	struct typer *t = enter(c, conversation);

	t->wishes = true;
	want(t);
}

/* ---- what changes --------------------------------------------------------------------------- */

/* What is known of it may be wrong: nothing is told until the database has been asked again. */
static void
doubt(struct typer *t)
{
	t->granted = 0;
	t->stale = t->asked;
	if (t->typing)
		want(t);
}

void
typing_heard(const struct rt_event *ev)
{
	struct room *room;
	struct typer *t, *next;

	if (!all.rooms.used || !ev->has_conversation ||
	    !(room = map_get(&all.rooms, ev->conversation)))
		return;
	for (t = room->typers; t; t = next) {
		next = t->next_of_room;
		if (!t->conn)
			continue;
		if (ev->seq && ev->has_except && uid_same(ev->except, t->conn->device))
			end(t); /* it has said what it was typing */
		else if (ev->version >= 0 && ev->version != t->version)
			doubt(t);
	}
}

static void
doubt_of(const struct account *a)
{
	for (struct conn *c = a ? a->conns : NULL; c; c = c->next_of_account)
		for (struct typer *t = c->typing ? c->typing->typers : NULL; t; t = t->next_of_conn)
			doubt(t);
}

void
typing_relation(struct uid a, struct uid b)
{
	doubt_of(account_find(a));
	doubt_of(account_find(b));
}

static void
on_tick(struct timer *timer)
{
	size_t i = 0;
	struct room *room;

	while ((room = map_next(&all.rooms, &i)))
		for (struct typer *t = room->typers; t; t = t->next_of_room)
			if (t->conn && t->typing && t->ends <= loop_now())
				end(t);
	if (all.active)
		loop_timer(timer, TICK_MS);
}

void
typing_begin(void)
{
	all.tick.fire = on_tick;
}
