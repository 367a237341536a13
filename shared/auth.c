/* auth: see auth.h. */
#include "auth.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "cache.h"
#include "conf.h"
#include "core_sql.h"
#include "db.h"
#include "fcgi.h"
#include "id.h"
#include "log.h"
#include "password.h"
#include "req.h"
#include "surface.h"
#include "token.h"

/* Replies of one request in the shared pipeline. */
struct asked {
	int revoked, count; /* reply indices, -1 when not asked */
	int64_t limit, window, reset;
};

static const char *
bearer(struct req *r)
{
	const char *header = req_header(r, "Authorization");

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	header += 7;
	return header + strspn(header, " ");
}

static bool
is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 || !*address;
}

static int
unauthorized(struct req *r, const char *why)
{
	resp_header(r, "WWW-Authenticate", "Bearer realm=\"rookery\"%s",
	    why ? ", error=\"invalid_token\"" : "");
	return why ? req_fail(r, ERR_UNAUTHORIZED, NULL, "%s", why) : ERR_UNAUTHORIZED;
}

/* The operator: calls from this machine that came through no other proxy, or the operator's token.
 */
static int
check_operator(struct req *r, const char *token)
{
	const char *secret = conf_str("operator.token");

	if (token && *secret && password_equal(token, secret))
		return 0;
	if (!token && is_loopback(r->remote) && !req_header(r, "X-Forwarded-For"))
		return 0;
	return token ? unauthorized(r, "not the operator's token") : ERR_FORBIDDEN;
}

static const char *
vouched(struct req *r, const char *name)
{
	const char *given = fcgi_param(r->wire, name);
	char id[ID_SIZE];

	return given && id_parse(given, id) ? arena_strdup(r->arena, id) : NULL;
}

/* The relay verified the token when its client signed in, and says whose it was.  A web server
 * makes of a client's headers HTTP_* only, and it need not be the relay's user: see
 * docs/decisions/vouched-callers.md. */
static int
identify_vouched(struct req *r)
{
	if (!fcgi_peer_is_own(r->wire))
		return unauthorized(r, NULL);
	if (r->op->auth == AUTH_OPERATOR)
		return ERR_FORBIDDEN;
	r->me = vouched(r, "ROOKERY_ACCOUNT");
	r->session = vouched(r, "ROOKERY_SESSION");
	r->device = vouched(r, "ROOKERY_DEVICE");
	return r->me && r->session && r->device ? 0 : unauthorized(r, NULL);
}

static int
identify(struct req *r)
{
	const char *token = bearer(r);
	struct token_claims claims;

	if (fcgi_param(r->wire, "ROOKERY_ACCOUNT"))
		return identify_vouched(r);
	if (r->op->auth == AUTH_OPERATOR)
		return check_operator(r, token);
	if (r->op->auth == AUTH_NONE || (r->op->auth == AUTH_OPTIONAL && !token))
		return 0;
	if (!token)
		return unauthorized(r, NULL);
	if (!token_verify(token, &claims))
		return unauthorized(r, "the access token is invalid or has expired");
	r->me = arena_strdup(r->arena, claims.account);
	r->device = arena_strdup(r->arena, claims.device);
	r->session = arena_strdup(r->arena, claims.session);
	return 0;
}

static void
ask(struct req *r, struct asked *a, time_t now)
{
	const char *class = r->op->limit;

	*a = (struct asked){.revoked = -1, .count = -1};
	if (r->session) /* a key named twice counts twice: see judge_session() */
		a->revoked = cache_cmd("EXISTS rev:%s rev:%s rev:all", r->session, r->session);
	if (!conf_limit(class, &a->limit, &a->window))
		return;
	a->reset = a->window - now % a->window;
	a->count = cache_cmd(
	    "INCR rl:%s:%s:%lld", class, r->me ? r->me : r->remote, (long long)(now / a->window));
	cache_cmd("EXPIRE rl:%s:%s:%lld %lld", class, r->me ? r->me : r->remote,
	    (long long)(now / a->window), (long long)a->window + 1);
}

/* Without Redis, or without its marks, the sessions table decides. */
static int
judge_by_database(struct req *r)
{
	struct db_res *res;
	int err;

	if (!r->session)
		return 0;
	if ((err = sql_session_live(r, &res)))
		return err;
	return db_rows(res) ? 0 : unauthorized(r, "the session has ended");
}

/* Ended sessions have a mark of their own, and rev:all says that none is missing: Redis may have
 * come back without its data, and the jobs daemon marks them again in its own time. */
static int
judge_session(struct req *r, const struct asked *a)
{
	enum { ALL_MARKED = 1, MARKED = 2 };
	int64_t marks = a->revoked < 0 ? ALL_MARKED : cache_int(a->revoked);

	if (marks >= MARKED)
		return unauthorized(r, "the session has ended");
	return marks == ALL_MARKED ? 0 : judge_by_database(r);
}

static int
judge(struct req *r, const struct asked *a)
{
	int64_t used;
	int err = judge_session(r, a);

	if (err)
		return err;
	if (a->count < 0)
		return 0;
	used = cache_int(a->count);
	resp_header(r, "RateLimit-Limit", "%lld", (long long)a->limit);
	resp_header(
	    r, "RateLimit-Remaining", "%lld", (long long)(used < a->limit ? a->limit - used : 0));
	resp_header(r, "RateLimit-Reset", "%lld", (long long)a->reset);
	if (used <= a->limit)
		return 0;
	r->retry_after = a->reset;
	return ERR_RATE_LIMITED;
}

void
auth_check(struct req **r, int n)
{
	struct asked asked[64] = {0};
	time_t now = time(NULL);
	int waiting = 0;
	bool cached;

	cache_begin();
	for (int i = 0; i < n; i++) {
		if (r[i]->err || (r[i]->err = identify(r[i])))
			continue;
		ask(r[i], &asked[i], now);
		waiting++;
	}
	cached = waiting && cache_flush() == 0;
	for (int i = 0; i < n; i++) {
		if (!r[i]->err)
			r[i]->err = cached ? judge(r[i], &asked[i]) : judge_by_database(r[i]);
	}
}

void
auth_revoke(struct req *r, const char *const *sessions, int n)
{
	int64_t seconds = surface_longest_token() + 60;

	if (n == 0)
		return;
	cache_begin();
	for (int i = 0; i < n; i++)
		cache_cmd("SET rev:%s 1 EX %lld", sessions[i], (long long)seconds);
	if (cache_flush()) /* jobs marks every revoked session again when Redis is back */
		log_warn("revocations not cached", "count", req_printf(r, "%d", n), "request",
		    r->request_id);
}
