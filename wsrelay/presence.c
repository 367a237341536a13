/* presence: see presence.h.  Who is told is decided in watch.c. */
#include "presence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "arena.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "id.h"
#include "loop.h"
#include "map.h"
#include "metrics.h"
#include "now.h"
#include "pg.h"
#include "stream.h"
#include "watch.h"

enum {
	TICK_MS = 250,
	SWEEP = 100, /* accounts of a dead relay a round */
	SEEN = 256,  /* accounts a statement */
};

/* KEYS: on:ACCOUNT, relay:ID:on; ARGV: ID, ACCOUNT.  Answers on how many relays it was before. */
static const char COME[] = "redis.call('SADD', KEYS[2], ARGV[2])"
			   " local n = redis.call('SCARD', KEYS[1])"
			   " redis.call('SADD', KEYS[1], ARGV[1]) return n";
/* On how many it still is; -1 when it was not there. */
static const char GO[] = "redis.call('SREM', KEYS[2], ARGV[2])"
			 " if redis.call('SREM', KEYS[1], ARGV[1]) == 0 then return -1 end"
			 " return redis.call('SCARD', KEYS[1])";
static const char SEEN_AT[] = "SELECT * FROM presence_seen($1::uuid[], $2::bigint[])";

static const int64_t LONG_AGO = INT64_MIN / 2;

struct leaving { /* its last connection has gone; it may come back */
	struct leaving *next;
	struct account *account;
	int64_t at;   /* loop_now() */
	int64_t seen; /* ms since 1970 */
};

struct question { /* to Redis, about one account */
	struct uid account;
	int64_t seen;
};

static struct {
	char relay[ID_SIZE]; /* who we are to Redis: new whenever the connection is */
	bool registered;
	struct leaving *leaving, **leaving_tail; /* in the order they left */
	struct {
		struct uid account;
		int64_t at;
	} seen[SEEN];
	int n_seen;
	bool telling; /* the database is being told */
	int64_t renewed;
	struct timer tick;
} presence = {.leaving_tail = &presence.leaving};

/* ---- saying so to all ----------------------------------------------------------------------- */

static void
announce(struct uid account, bool online, int64_t seen)
{
	struct arena *arena = arena_new();
	char id[UID_TEXT + 1], payload[160];
	struct now_event ev = {.type = online ? "presence.online" : "presence.offline",
	    .account = &account,
	    .payload = payload};

	uid_text(account, id);
	if (online)
		snprintf(payload, sizeof(payload), "{\"userId\":\"%s\"}", id);
	else
		snprintf(payload, sizeof(payload), "{\"userId\":\"%s\",\"lastSeenAt\":\"%s\"}", id,
		    clock_format(arena, seen * 1000));
	now_publish(&ev);
	arena_free(arena);
}

void
presence_heard(const struct rt_event *ev)
{
	if (ev->n_to == 1 && !strcmp(ev->type, "presence.online"))
		watch_heard(ev->to[0], true, ev);
	else if (ev->n_to == 1 && !strcmp(ev->type, "presence.offline"))
		watch_heard(ev->to[0], false, ev);
}

/* ---- last seen ------------------------------------------------------------------------------ */

static void
note_seen(struct uid account, int64_t at)
{
	if (presence.n_seen == SEEN)
		return; /* the database is far behind; the next time will be noted */
	presence.seen[presence.n_seen].account = account;
	presence.seen[presence.n_seen++].at = at;
}

static void
on_seen(void *unused, const PGresult *res)
{
	(void)unused;
	(void)res; /* what a failure lost is noted the next time */
	presence.telling = false;
}

void
presence_flush(void)
{
	static char ids[2 + SEEN * (UID_TEXT + 1)], times[2 + SEEN * 21];
	int a = 0, b = 0;

	if (!presence.n_seen || presence.telling || !pg_up())
		return;
	for (int i = 0; i < presence.n_seen; i++) {
		ids[a++] = i ? ',' : '{';
		uid_text(presence.seen[i].account, ids + a);
		a += UID_TEXT;
		b += sprintf(times + b, "%c%" PRId64, i ? ',' : '{', presence.seen[i].at);
	}
	strcpy(ids + a, "}");
	strcpy(times + b, "}");
	presence.n_seen = 0;
	presence.telling = true;
	pg_query(SEEN_AT, 2, (const char *[]){ids, times}, on_seen, NULL);
}

/* ---- Redis ---------------------------------------------------------------------------------- */

static struct question *
question(struct uid account, int64_t seen)
{
	struct question *q = must_alloc(sizeof(*q));

	*q = (struct question){account, seen};
	return q;
}

static bool
ask(void (*done)(void *ctx, const redisReply *reply), struct question *q, const char *script,
    const char *relay)
{
	char account[UID_TEXT + 1];
	bool sent;

	uid_text(q->account, account);
	sent = rds_command(stream_commands(), done, q, "EVAL %s 2 on:%s relay:%s:on %s %s", script,
	    account, relay, relay, account);
	if (!sent)
		free(q);
	return sent;
}

static void
on_came(void *ctx, const redisReply *reply)
{
	struct question *q = ctx;

	if (!reply)
		presence.registered = false; /* nobody knows what Redis has heard */
	else if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 0)
		announce(q->account, true, 0);
	free(q);
}

static void
on_gone(void *ctx, const redisReply *reply)
{
	struct question *q = ctx;

	if (!reply) {
		presence.registered = false;
	} else if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 0) {
		announce(q->account, false, q->seen);
		note_seen(q->account, q->seen);
	}
	free(q);
}

static void
say_online(const struct account *a)
{
	if (presence.registered) /* otherwise say_all() will */
		ask(on_came, question(a->id, 0), COME, presence.relay);
}

static void
say_all(struct conn *c, void *unused)
{
	(void)unused;
	if (c->account && c->account->n_present && c == c->account->conns)
		say_online(c->account);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void
arrive(struct account *a)
{
	if (a->n_present++ || a->leaving)
		return; /* nobody has noticed that it was away */
	say_online(a);
}

static void
depart(struct account *a)
{
	struct leaving *l;

	if (--a->n_present || a->leaving)
		return;
	a->leaving = true;
	a->refs++;
	l = must_zalloc(sizeof(*l));
	*l = (struct leaving){.account = a, .at = loop_now(), .seen = loop_wall()};
	*presence.leaving_tail = l;
	presence.leaving_tail = &l->next;
}

void
presence_came(struct conn *c)
{
	if (!c->away)
		arrive(c->account);
}

void
presence_left(struct conn *c)
{
	if (c->account && !c->away)
		depart(c->account);
}

struct command_fault
presence_set(struct conn *c, const struct command *command, const json_t *fields)
{
	const char *status = command_text(command, fields, 0);
	bool away = status && (!strcmp(status, "away") || !strcmp(status, "offline"));

	if (!status || (!away && strcmp(status, "online") != 0))
		return (struct command_fault){
		    ERR_VALIDATION, command->arg[0], "must be online, away or offline"};
	if (away == c->away)
		return (struct command_fault){0};
	c->away = away;
	if (away)
		depart(c->account);
	else
		arrive(c->account);
	return (struct command_fault){0};
}

/* Those whose time to come back is over. */
static void
let_go(void)
{
	int64_t grace = conf_int("presence.grace") * 1000;
	struct leaving *l;

	while ((l = presence.leaving) && l->at + grace <= loop_now()) {
		struct account *a = l->account;

		if (!(presence.leaving = l->next))
			presence.leaving_tail = &presence.leaving;
		a->leaving = false;
		if (!a->n_present && presence.registered)
			ask(on_gone, question(a->id, l->seen), GO, presence.relay);
		account_put(a);
		free(l);
	}
}

/* ---- relays that live and die --------------------------------------------------------------- */

static char dead[ID_SIZE]; /* whose accounts are being taken away */

static void
on_account_of_dead(const redisReply *r)
{
	struct uid account;
	int64_t seen = loop_wall() - conf_int("presence.expire") * 1000;

	if (r->type == REDIS_REPLY_STRING && uid_parse(r->str, r->len, &account))
		ask(on_gone, question(account, seen), GO, dead);
}

static void
on_nothing(void *unused, const redisReply *reply)
{
	(void)unused;
	(void)reply;
}

static void
on_accounts_of_dead(void *unused, const redisReply *reply)
{
	(void)unused;
	if (!reply || reply->type != REDIS_REPLY_ARRAY || !*dead)
		return;
	for (size_t i = 0; i < reply->elements; i++)
		on_account_of_dead(reply->element[i]);
	if (!reply->elements)
		rds_command(stream_commands(), on_nothing, NULL, "ZREM relays %s", dead);
	else
		presence.renewed = LONG_AGO; /* there may be more */
}

static void
on_dead(void *unused, const redisReply *reply)
{
	(void)unused;
	*dead = '\0';
	if (!reply || reply->type != REDIS_REPLY_ARRAY || !reply->elements ||
	    reply->element[0]->type != REDIS_REPLY_STRING || reply->element[0]->len >= ID_SIZE)
		return;
	memcpy(dead, reply->element[0]->str, reply->element[0]->len + 1);
	rds_command(stream_commands(), on_accounts_of_dead, NULL, "SRANDMEMBER relay:%s:on %d",
	    dead, SWEEP);
}

/* Renewed: 1 means that we were believed dead, or are new, or that Redis has lost what it knew. */
static void
on_renewed(void *unused, const redisReply *reply)
{
	(void)unused;
	if (reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == 1)
		conn_each(say_all, NULL);
}

static void
renew(void)
{
	int64_t lasts = conf_int("presence.expire") * 1000, now = loop_wall();

	if (!presence.registered || loop_now() - presence.renewed < lasts / 3)
		return;
	presence.renewed = loop_now();
	rds_command(stream_commands(), on_renewed, NULL, "ZADD relays %" PRId64 " %s", now + lasts,
	    presence.relay);
	rds_command(stream_commands(), on_dead, NULL,
	    "ZRANGEBYSCORE relays -inf %" PRId64 " LIMIT 0 1", now);
}

/* A connection to Redis that broke may have lost what was said last: begin under another name, and
 * let the old one die. */
void
presence_redis_changed(void)
{
	if (!stream_commands()->up) {
		presence.registered = false;
	} else if (!presence.registered) {
		presence.registered = true;
		id_new(presence.relay);
		presence.renewed = LONG_AGO;
	}
	watch_redis_changed();
}

static void
on_tick(struct timer *t)
{
	loop_timer(t, TICK_MS);
	presence_redis_changed();
	let_go();
	renew();
}

void
presence_start(void)
{
	presence.tick.fire = on_tick;
	loop_timer(&presence.tick, TICK_MS);
}

void
presence_handed_over(void)
{
	if (!presence.registered)
		return;
	rds_command(stream_commands(), on_nothing, NULL, "ZADD relays 0 %s", presence.relay);
	rds_flush(); /* there is no next turn */
}
