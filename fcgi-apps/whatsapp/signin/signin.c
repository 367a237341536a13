/* The second step of a sign-in, and the life of sessions. */
#include "signin.gen.h"

#include <string.h>

#include "core/account.h"
#include "core/challenge.h"
#include "core_sql.h"
#include "db.h"
#include "req.h"
#include "token.h"

static void
put(json_t *o, const char *name, const char *text)
{
	if (text)
		json_object_set_new(o, name, json_string(text));
}

static json_t *
entry_json(const char *account, const struct entry *e)
{
	json_t *o = json_object();

	put(o, "userId", account);
	put(o, "accessToken", e->tokens.access);
	put(o, "refreshToken", e->tokens.refresh);
	put(o, "deviceId", e->tokens.device);
	put(o, "tempAuthToken", e->token);
	put(o, "pinHint", e->hint);
	json_object_set_new(
	    o, "expiresIn", json_integer(e->owed ? e->expires_in : e->tokens.expires_in));
	return o;
}

/* ---- second steps ------------------------------------------------------------------------ */

/* The login session of a token, that was found to live: it is used up and the account entered. */
static int
pass(struct req *r, struct db_res *login, enum factor passed, enum err gone, struct entry *e)
{
	struct entry_device device = {
	    .name = db_get(login, 0, "device_name"),
	    .fingerprint = db_get(login, 0, "device_fingerprint"),
	    .public_key = db_get(login, 0, "device_public_key"),
	};
	struct db_res *used;
	int err;

	if ((err = db_begin(r)) || (err = sql_login_use(r, &used, db_get(login, 0, "id"))))
		return err;
	if (db_rows(used) == 0)
		return (int)gone;
	if ((err = account_enter(r, db_get(login, 0, "account_id"), &device, passed, e)))
		return err;
	return db_commit(r);
}

int
two_factor_verify(struct req *r, const struct two_factor_verify_in *in)
{
	struct entry e;
	struct db_res *login;
	json_t *o;
	int err;

	err = sql_login_find(
	    r, &login, token_hash(r->arena, in->loginSessionId), factor_name(FACTOR_TWO_FACTOR));
	if (err)
		return err;
	if (db_rows(login) == 0)
		return req_fail(
		    r, ERR_UNAUTHORIZED, "loginSessionId", "is unknown, used or has expired");
	if (strcmp(db_get(login, 0, "account_id"), in->userId) != 0)
		return req_fail(
		    r, ERR_NOT_FOUND, "userId", "is not who this login session belongs to");
	if ((err = challenge_check(
		 r, in->userId, FACTOR_TWO_FACTOR, "pin", in->pin, ERR_FORBIDDEN)) ||
	    (err = pass(r, login, FACTOR_TWO_FACTOR, ERR_UNAUTHORIZED, &e)))
		return err;
	o = entry_json(in->userId, &e);
	json_object_set_new(o, "verified", json_true());
	return resp_json(r, 200, o);
}

int
pin_verify(struct req *r, const struct pin_verify_in *in)
{
	const char *account;
	struct entry e;
	struct db_res *login;
	int err;

	err = sql_login_find(
	    r, &login, token_hash(r->arena, in->tempAuthToken), factor_name(FACTOR_PIN));
	if (err)
		return err;
	if (db_rows(login) == 0)
		return req_fail(
		    r, ERR_NOT_FOUND, "tempAuthToken", "is unknown, used or has expired");
	account = db_get(login, 0, "account_id");
	if ((err = challenge_check(r, account, FACTOR_PIN, "pin", in->pin, ERR_UNAUTHORIZED)) ||
	    (err = pass(r, login, FACTOR_PIN, ERR_NOT_FOUND, &e)))
		return err;
	return resp_json(r, 200, entry_json(account, &e));
}

/* ---- sessions ---------------------------------------------------------------------------- */

int
token_refresh(struct req *r, const struct token_refresh_in *in)
{
	struct session_tokens t;
	json_t *o;
	int err;

	if ((err = session_refresh(r, NULL, in->refreshToken, &t)))
		return err;
	o = json_object();
	put(o, "accessToken", t.access);
	put(o, "refreshToken", t.refresh);
	json_object_set_new(o, "expiresIn", json_integer(t.expires_in));
	return resp_json(r, 200, o);
}

int
session_logout(struct req *r, const struct session_logout_in *in)
{
	int err = session_end(r, r->session, NULL, "logout", NULL);

	(void)in;
	return err ? err : resp_json(r, 204, NULL);
}

int
session_logout_all(struct req *r, const struct session_logout_all_in *in)
{
	int ended, err = session_end(r, NULL, NULL, "logout", &ended);
	json_t *o;

	(void)in;
	if (err)
		return err;
	o = json_object();
	json_object_set_new(o, "ended", json_integer(ended));
	return resp_json(r, 200, o);
}

int
session_revoke(struct req *r, const struct session_revoke_in *in)
{
	int ended, err = session_end(r, in->sessionId, NULL, "revoked", &ended);

	if (err)
		return err;
	return ended ? resp_json(r, 204, NULL) : ERR_NOT_FOUND;
}
