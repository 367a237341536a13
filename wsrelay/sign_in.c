/* sign_in: see sign_in.h. */
#include "sign_in.h"

#include <endian.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "arena.h"
#include "conf.h"
#include "conn.h"
#include "limits.h"
#include "log.h"
#include "map.h"
#include "metrics.h"
#include "pg.h"
#include "recent.h"
#include "replay.h"
#include "stream.h"
#include "token.h"
#include "wheel.h"

enum { BATCH = 512, HASH_TEXT = 64 };

static const char SESSIONS[] =
    "SELECT s.id, s.account_id, extract(epoch FROM s.expires_at)::bigint FROM session s"
    " JOIN account a ON a.id = s.account_id LEFT JOIN device d ON d.id = s.device_id"
    " WHERE s.id = ANY ($1::uuid[]) AND s.revoked_at IS NULL AND s.expires_at > now()"
    " AND a.deleted_at IS NULL AND d.revoked_at IS NULL";

struct sign_in {
	struct sign_in *next;
	struct conn *conn; /* NULL when it has gone */
	struct uid account, session, device;
	int64_t expires; /* seconds since 1970; 0: with the session */
	char ticket[HASH_TEXT + 1], nonce[HASH_TEXT + 1]; /* hashes; empty for a token */
	bool found, asked;                                /* asked: an answer is under way */
	int64_t since_ms;                                 /* loop_now() */
	char *resume;
};

struct queue {
	struct sign_in *head, **tail;
};

static struct {
	struct queue redis, database, stream; /* waiting to be asked there */
	struct sign_in *asked[BATCH];         /* with the database now */
	int n_asked;
	struct recent revoked;
} sign_in = {.revoked.limit = 65536};

static void
enqueue(struct queue *q, struct sign_in *s)
{
	s->asked = false;
	s->next = NULL;
	*q->tail = s;
	q->tail = &s->next;
}

static struct sign_in *
dequeue(struct queue *q)
{
	struct sign_in *s = q->head;

	if (!s)
		return NULL;
	q->head = s->next;
	if (!q->head)
		q->tail = &q->head;
	return s;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

static struct sign_in *
new_sign_in(struct conn *c, const char *resume)
{
	struct sign_in *s = must_zalloc(sizeof(*s));

	s->conn = c;
	s->since_ms = loop_now();
	s->resume = resume ? strcpy(must_alloc(strlen(resume) + 1), resume) : NULL;
	c->sign_in = s;
	if (c->state == CONN_OPEN)
		c->state = CONN_SIGNING;
	return s;
}

static void
free_sign_in(struct sign_in *s)
{
	if (s->conn)
		s->conn->sign_in = NULL;
	free(s->resume);
	free(s);
}

void
sign_in_forget(struct conn *c)
{
	if (!c->sign_in)
		return;
	c->sign_in->conn = NULL; /* freed when its turn comes */
	c->sign_in = NULL;
}

static void
note_failure(struct sign_in *s, const char *reason)
{
	metrics->sign_ins_failed++;
	log_debug("sign-in refused", "why", reason);
	free_sign_in(s);
}

static void
fail(struct sign_in *s, unsigned code, const char *reason)
{
	struct conn *c = s->conn;

	note_failure(s, reason);
	conn_end(c, code, reason);
}

void
sign_in_revoked(struct uid session)
{
	recent_add(&sign_in.revoked, session);
}

bool
sign_in_was_revoked(struct uid session)
{
	return sign_in.revoked.size && recent_has(&sign_in.revoked, session);
}

static bool
claims_to_ids(const struct token_claims *claims, struct sign_in *s)
{
	return uid_parse(claims->account, strlen(claims->account), &s->account) &&
	       uid_parse(claims->session, strlen(claims->session), &s->session) &&
	       uid_parse(claims->device, strlen(claims->device), &s->device);
}

void
sign_in_token(struct conn *c, const char *token, const char *resume)
{
	struct token_claims claims;
	struct sign_in *s;

	if (c->sign_in || c->state == CONN_CLOSING)
		return; /* one at a time; the dialect has said so */
	s = new_sign_in(c, resume);
	if (!token_verify(token, &claims) || !claims_to_ids(&claims, s)) {
		fail(s, CLOSE_TOKEN, "token invalid or expired");
		return;
	}
	s->expires = claims.expires;
	enqueue(&sign_in.redis, s);
}

void
sign_in_ticket(struct conn *c, const char *ticket, const char *nonce, const char *resume)
{
	struct arena *a;
	struct sign_in *s;

	if (c->sign_in || c->state == CONN_CLOSING)
		return;
	a = arena_new();
	s = new_sign_in(c, resume);
	strncpy(s->ticket, token_hash(a, ticket), HASH_TEXT);
	strncpy(s->nonce, token_hash(a, nonce), HASH_TEXT);
	arena_free(a);
	enqueue(&sign_in.redis, s);
}

/* ---- into another process -------------------------------------------------------------------- */

bool
sign_in_asked(const struct conn *c)
{
	return c->sign_in && c->sign_in->asked;
}

void
sign_in_pack(const struct conn *c, struct pack *p)
{
	const struct sign_in *s = c->sign_in;

	pack_uid(p, s->account);
	pack_uid(p, s->session);
	pack_uid(p, s->device);
	pack_u64(p, (uint64_t)s->expires);
	pack_raw(p, s->ticket, sizeof(s->ticket));
	pack_raw(p, s->nonce, sizeof(s->nonce));
	pack_bytes(p, s->resume, s->resume ? strlen(s->resume) + 1 : 0);
}

/* It is asked from the beginning, but for a ticket that was taken already. */
void
sign_in_read(struct conn *c, struct unpack *u)
{
	struct sign_in *s = new_sign_in(c, NULL);
	const uint8_t *resume;
	size_t n;

	s->account = unpack_uid(u);
	s->session = unpack_uid(u);
	s->device = unpack_uid(u);
	s->expires = (int64_t)unpack_u64(u);
	unpack_raw(u, s->ticket, sizeof(s->ticket));
	unpack_raw(u, s->nonce, sizeof(s->nonce));
	resume = unpack_bytes(u, &n);
	if (n && !resume[n - 1])
		s->resume = memcpy(must_alloc(n), resume, n);
	enqueue(&sign_in.redis, s);
}

/* ---- everything is known --------------------------------------------------------------------- */

static void
set_end(struct conn *c, int64_t expires)
{
	int64_t left = expires * 1000 - loop_wall(), at = loop_now() + (left > 0 ? left : 0);

	c->ends = (uint32_t)(at / 1000 < UINT32_MAX ? (at + 999) / 1000 : UINT32_MAX);
	wheel_again(c); /* it stands where its time to sign in would have ended */
}

static void
renew(struct sign_in *s)
{
	struct conn *c = s->conn;

	if (!uid_same(c->session, s->session) || !uid_same(c->account->id, s->account)) {
		fail(s, CLOSE_FORBIDDEN, "token of another session");
		return;
	}
	set_end(c, s->expires);
	free_sign_in(s);
	dialect_at(c->dialect)->renewed(c, conn_expires_in(c));
}

static void
admit(struct sign_in *s)
{
	struct conn *c = s->conn;
	const char *full;
	uint64_t key;
	struct account *a;
	char *resume = s->resume;
	int64_t since = s->since_ms;

	if (recent_has(&sign_in.revoked, s->session)) {
		fail(s, CLOSE_FORBIDDEN, "session revoked");
		return;
	}
	if (c->account) {
		renew(s);
		return;
	}
	key = limits_account(c->dialect, s->account);
	full = limits_account_full(c->dialect, key);
	if (full) {
		note_failure(s, full);
		conn_refuse(c, CLOSE_TOO_MANY, full, key);
		return;
	}
	a = account_get(s->account);
	metrics->sign_ins++;
	conn_join(c, a, true);
	account_put(a);
	c->session = s->session;
	c->device = s->device;
	set_end(c, s->expires);
	s->resume = NULL;
	free_sign_in(s);
	replay_begin(c, resume, resume ? strlen(resume) : 0, since);
	free(resume);
}

/* ---- the database ---------------------------------------------------------------------------- */

static void
take_row(const PGresult *res, int row)
{
	struct uid session = uid_from_bytes(PQgetvalue(res, row, 0));
	struct uid account = uid_from_bytes(PQgetvalue(res, row, 1));
	uint64_t expires;

	memcpy(&expires, PQgetvalue(res, row, 2), sizeof(expires));
	for (int i = 0; i < sign_in.n_asked; i++) {
		struct sign_in *s = sign_in.asked[i];

		if (!uid_same(s->session, session) || !uid_same(s->account, account))
			continue;
		s->found = true;
		if (!s->expires)
			s->expires = (int64_t)be64toh(expires);
	}
}

static void
on_sessions(void *ctx, const PGresult *res)
{
	int n = sign_in.n_asked;

	(void)ctx;
	for (int i = 0; res && i < PQntuples(res); i++)
		take_row(res, i);
	sign_in.n_asked = 0;
	for (int i = 0; i < n; i++) {
		struct sign_in *s = sign_in.asked[i];

		if (!s->conn)
			free_sign_in(s);
		else if (!res)
			enqueue(&sign_in.database, s);
		else if (!s->found)
			fail(s, CLOSE_FORBIDDEN, "session has ended");
		else
			enqueue(&sign_in.stream, s);
	}
}

static void
ask_database(void)
{
	static char ids[2 + BATCH * (UID_TEXT + 1)];
	struct sign_in *s;
	size_t n = 0;

	if (sign_in.n_asked || !sign_in.database.head || !pg_up())
		return;
	while (sign_in.n_asked < BATCH && (s = dequeue(&sign_in.database))) {
		if (!s->conn) {
			free_sign_in(s);
			continue;
		}
		ids[n++] = sign_in.n_asked ? ',' : '{';
		uid_text(s->session, ids + n);
		n += UID_TEXT;
		s->asked = true;
		sign_in.asked[sign_in.n_asked++] = s;
	}
	strcpy(ids + n, "}");
	if (sign_in.n_asked)
		pg_query(SESSIONS, 1, (const char *[]){ids}, on_sessions, NULL);
}

/* ---- Redis ----------------------------------------------------------------------------------- */

static void
on_revoked(void *ctx, const redisReply *reply)
{
	struct sign_in *s = ctx;

	if (!s->conn)
		free_sign_in(s);
	else if (!reply)
		enqueue(&sign_in.redis, s); /* Redis went away: ask again when it is back */
	else if (reply->type != REDIS_REPLY_INTEGER)
		fail(s, CLOSE_GOING_AWAY, "cannot sign in at the moment");
	else if (reply->integer)
		fail(s, CLOSE_FORBIDDEN, "session revoked");
	else
		enqueue(&sign_in.database, s);
}

static bool
read_id(const json_t *o, const char *name, struct uid *out)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text && uid_parse(text, strlen(text), out);
}

/* {"sub","sid","did","nonce"} and, where the issuer wants it, "exp". */
static bool
read_ticket(const redisReply *reply, struct sign_in *s)
{
	json_t *o = json_loadb(reply->str, reply->len, 0, NULL);
	const char *nonce = json_string_value(json_object_get(o, "nonce"));
	bool good;

	good = read_id(o, "sub", &s->account) && read_id(o, "sid", &s->session) && nonce &&
	       strlen(nonce) == strlen(s->nonce) && !sodium_memcmp(nonce, s->nonce, strlen(nonce));
	read_id(o, "did", &s->device); /* a browser session may have none */
	s->expires = json_integer_value(json_object_get(o, "exp"));
	json_decref(o);
	return good;
}

static void
on_ticket(void *ctx, const redisReply *reply)
{
	struct sign_in *s = ctx;

	if (!s->conn) {
		free_sign_in(s);
	} else if (!reply) {
		fail(s, CLOSE_GOING_AWAY,
		    "cannot sign in at the moment"); /* is the ticket used up? */
	} else if (reply->type != REDIS_REPLY_STRING || !read_ticket(reply, s)) {
		fail(s, CLOSE_TOKEN, "ticket invalid, used or expired");
	} else {
		s->ticket[0] = '\0';
		enqueue(&sign_in.redis, s);
	}
}

static void
ask_redis(void)
{
	char session[UID_TEXT + 1];
	struct sign_in *s;
	bool sent;

	while (stream_commands()->up && (s = dequeue(&sign_in.redis))) {
		if (!s->conn) {
			free_sign_in(s);
			continue;
		}
		uid_text(s->session, session);
		sent =
		    s->ticket[0]
			? rds_command(stream_commands(), on_ticket, s, "GETDEL wst:%s", s->ticket)
			: rds_command(stream_commands(), on_revoked, s, "EXISTS rev:%s", session);
		if (!sent) {
			enqueue(&sign_in.redis, s);
			return;
		}
		s->asked = true;
	}
}

void
sign_in_flush(void)
{
	struct sign_in *s;

	ask_redis();
	ask_database();
	while (stream_live() && (s = dequeue(&sign_in.stream))) {
		if (s->conn)
			admit(s);
		else
			free_sign_in(s);
	}
}

void
sign_in_start(void)
{
	sign_in.redis.tail = &sign_in.redis.head;
	sign_in.database.tail = &sign_in.database.head;
	sign_in.stream.tail = &sign_in.stream.head;
}
