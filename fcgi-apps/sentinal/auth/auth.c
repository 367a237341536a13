/* auth: accounts with a password. */
#include "auth.gen.h"

#include <string.h>

#include "cache.h"
#include "clock.h"
#include "conf.h"
#include "core/account.h"
#include "core/challenge.h"
#include "core/session.h"
#include "db.h"
#include "password.h"
#include "req.h"

static void
put(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, json_string(text));
}

static json_t *
tokens_json(struct req *r, const struct session_tokens *t)
{
	json_t *o = json_object();

	put(o, "access_token", t->access);
	put(o, "refresh_token", t->refresh);
	put(o, "expires_at", clock_format(r->arena, clock_now() + t->expires_in * CLOCK_SECOND));
	return o;
}

static json_t *
signed_in(struct req *r, const struct session_tokens *t)
{
	json_t *o = tokens_json(r, t);

	put(o, "user_id", t->account);
	put(o, "session_id", t->session);
	put(o, "device_id", t->device);
	return o;
}

/* ---- signing up and in -------------------------------------------------------------------- */

int
auth_register(struct req *r, const struct auth_register_in *in)
{
	const char *hash = password_hash(r->arena, in->password);
	struct entry_device device = {.name = in->device_name,
	    .fingerprint = in->device_id,
	    .form = in->device_type,
	    .names_itself = true};
	struct session_tokens t;
	struct db_res *made;
	int err;

	if ((err = db_begin(r)) ||
	    (err = sql_auth_account_new(
		 r, &made, in->email, in->username, in->phone_number, hash, in->display_name)) ||
	    (err = account_let_in(r, db_get(made, 0, "id"), &device, &t)) || (err = db_commit(r)))
		return err;
	return resp_json(r, 201, signed_in(r, &t));
}

static int
check_factor(
    struct req *r, const char *account, enum factor f, const char *field, const char *given)
{
	if (!given)
		return req_fail(r, ERR_FORBIDDEN, field, "is asked for by this account");
	return challenge_check(r, account, f, field, given, ERR_UNAUTHORIZED);
}

int
auth_login(struct req *r, const struct auth_login_in *in)
{
	struct entry_device device = {.name = in->device_name,
	    .fingerprint = in->device_id,
	    .form = in->device_type,
	    .names_itself = true};
	struct session_tokens t;
	struct db_res *found;
	const char *account;
	int err;

	if ((err = sql_auth_account_find(r, &found, in->identity)))
		return err;
	if (!password_verify(
		db_rows(found) ? db_get(found, 0, "password_hash") : NULL, in->password))
		return req_fail(
		    r, ERR_UNAUTHORIZED, NULL, "There is no account of that name and password");
	account = db_get(found, 0, "id");
	if (db_bool(found, 0, "two_factor") && (err = check_factor(r, account, FACTOR_TWO_FACTOR,
						    "two_factor_code", in->two_factor_code)))
		return err;
	if (db_bool(found, 0, "pin") &&
	    (err = check_factor(r, account, FACTOR_PIN, "pin", in->pin)))
		return err;
	if ((err = db_begin(r)) || (err = account_let_in(r, account, &device, &t)) ||
	    (err = db_commit(r)))
		return err;
	return resp_json(r, 200, signed_in(r, &t));
}

/* ---- sessions ------------------------------------------------------------------------------ */

int
auth_refresh(struct req *r, const struct auth_refresh_in *in)
{
	struct session_tokens t;
	int err = session_refresh(r, in->session_id, in->refresh_token, &t);

	return err ? err : resp_json(r, 200, tokens_json(r, &t));
}

int
auth_logout(struct req *r, const struct auth_logout_in *in)
{
	const char *session = in->session_id ? in->session_id : r->session;
	int ended, err = session_end(r, session, NULL, "logout", &ended);

	if (err)
		return err;
	if (!ended)
		return req_fail(r, ERR_NOT_FOUND, "session_id", "is no session of yours");
	return resp_json(r, 200, NULL);
}

int
auth_logout_all(struct req *r, const struct auth_logout_all_in *in)
{
	int err = session_end(r, NULL, NULL, "logout", NULL);

	(void)in;
	return err ? err : resp_json(r, 200, NULL);
}

/* ---- a forgotten password ------------------------------------------------------------------- */

static const char *
mail_text(struct req *r, const char *code)
{
	return req_printf(r,
	    "Your code for a new password is %s.\n"
	    "It can be used for %lld minutes. If you did not ask for it, there is nothing to do.\n",
	    code, (long long)(conf_int("otp.lifetime") + 59) / 60);
}

/* Codes can be guessed; so they are bound to what was typed, whatever account it stands for. */
static const char *
code_hash(struct req *r, const char *identity, const char *code)
{
	char *key = arena_strdup(r->arena, identity);

	for (char *p = key; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	}
	return password_code_hash(r->arena, key, code);
}

/* Without a provider the code waits where ./rookery otp looks for it. */
static void
keep_for_developers(const char *destination, const char *code)
{
	if (!destination || strcmp(conf_str("otp.provider"), "dev") != 0)
		return;
	cache_begin();
	cache_cmd("SET otp:%s %s EX %lld", destination, code, (long long)conf_int("otp.lifetime"));
	cache_flush();
}

int
auth_password_forgot(struct req *r, const struct auth_password_forgot_in *in)
{
	const char *code = password_code(r->arena, (int)conf_int("otp.digits"));
	const char *hash = code_hash(r, in->identity, code);
	int64_t most = INT32_MAX, window = 1;
	struct db_res *res;
	int err;

	if (!hash)
		return ERR_INTERNAL;
	conf_limit("codes", &most, &window);
	err = sql_auth_reset_start(r, &res, in->identity, hash, "Your code for a new password",
	    mail_text(r, code), db_int_text(r, conf_int("otp.lifetime")), db_int_text(r, most),
	    db_int_text(r, window));
	if (err)
		return err;
	keep_for_developers(db_get(res, 0, "destination"), code);
	return resp_json(r, 200, NULL);
}

int
auth_password_reset(struct req *r, const struct auth_password_reset_in *in)
{
	const char *hash = code_hash(r, in->identity, in->code);
	struct db_res *res;
	int err;

	if (!hash)
		return ERR_INTERNAL;
	err = sql_auth_reset_finish(r, &res, in->identity, hash,
	    password_hash(r->arena, in->new_password), db_int_text(r, conf_int("otp.attempts")));
	if (err)
		return err;
	if (db_get(res, 0, "problem"))
		return req_fail(r, ERR_FORBIDDEN, "code", "is wrong, used or has expired");
	account_revoke_all(r, db_get(res, 0, "sessions"));
	return resp_json(r, 200, NULL);
}
