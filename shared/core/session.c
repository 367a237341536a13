/* session: see session.h. */
#include "session.h"

#include <string.h>

#include "auth.h"
#include "conf.h"
#include "core_sql.h"
#include "db.h"
#include "event.h"
#include "req.h"
#include "surface.h"
#include "token.h"

enum { REFRESH_BYTES = 32, USER_AGENT_MAX = 400 };

static const struct surface *
surface_of(struct req *r)
{
	return surface_named(r->family->surface);
}

static int
issue(struct req *r, struct session_tokens *t)
{
	t->expires_in = conf_int(surface_of(r)->token_lifetime);
	t->access = token_issue(r->arena, t->account, t->session, t->device, t->expires_in);
	return t->access ? 0 : ERR_INTERNAL;
}

static const char *
user_agent(struct req *r)
{
	const char *agent = req_header(r, "User-Agent");

	return agent ? req_printf(r, "%.*s", USER_AGENT_MAX, agent) : NULL;
}

int
session_open(struct req *r, const char *account, const char *device, struct session_tokens *out)
{
	struct db_res *res;
	int err;

	*out = (struct session_tokens){
	    .account = account,
	    .device = device,
	    .session = req_newid(r),
	    .refresh = token_random(r->arena, REFRESH_BYTES),
	};
	err = sql_session_open(r, &res, out->session, account, device,
	    token_hash(r->arena, out->refresh), user_agent(r), r->remote,
	    db_int_text(r, conf_int(surface_of(r)->session_lifetime)));
	return err ? err : issue(r, out);
}

static void
revoke_rows(struct req *r, const struct db_res *res)
{
	const char **ids = arena_alloc(r->arena, ((size_t)db_rows(res) + 1) * sizeof *ids);

	for (int i = 0; i < db_rows(res); i++)
		ids[i] = db_get(res, i, "id");
	auth_revoke(r, ids, db_rows(res));
}

/* The token is none that lives: was it one that has been exchanged? */
static int
refuse(struct req *r, const char *hash)
{
	struct db_res *res;
	int err;

	if ((err = sql_session_reused(r, &res, hash)))
		return err;
	revoke_rows(r, res);
	event_publish(&r, 1); /* at once: the events of a refused request are left to the sweeper */
	return req_fail(r, ERR_UNAUTHORIZED, NULL, "The refresh token is invalid or has expired");
}

int
session_refresh(struct req *r, const char *session, const char *refresh, struct session_tokens *out)
{
	const char *hash = token_hash(r->arena, refresh);
	struct db_res *res;
	int err;

	*out = (struct session_tokens){.refresh = token_random(r->arena, REFRESH_BYTES)};
	err = sql_session_rotate(r, &res, token_hash(r->arena, out->refresh),
	    db_int_text(r, conf_int(surface_of(r)->session_lifetime)), hash, session);
	if (err)
		return err;
	if (db_rows(res) == 0)
		return refuse(r, hash);
	out->account = db_get(res, 0, "account_id");
	out->device = db_get(res, 0, "device_id");
	out->session = db_get(res, 0, "id");
	return issue(r, out);
}

static int
end(struct req *r, const char *session, const char *device, const char *except, const char *reason,
    int *ended)
{
	struct db_res *res;
	int err;

	if ((err = sql_session_end(r, &res, session, device, except, reason)))
		return err;
	revoke_rows(r, res);
	if (ended)
		*ended = db_rows(res);
	return 0;
}

int
session_end(struct req *r, const char *session, const char *device, const char *reason, int *ended)
{
	return end(r, session, device, NULL, reason, ended);
}

int
session_end_others(struct req *r, const char *reason, int *ended)
{
	return end(r, NULL, NULL, r->session, reason, ended);
}
