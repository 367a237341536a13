/* Registration: a code goes to the telephone, whoever answers with it has an account there. */
#include "registration.gen.h"

#include <string.h>

#include "code.h"
#include "conf.h"
#include "core/account.h"
#include "db.h"
#include "password.h"
#include "phone.h"
#include "req.h"

enum { DEVICE_NAME_MAX = 100 };

static const char *
setting(struct req *r, const char *name)
{
	return db_int_text(r, conf_int(name));
}

/* limit.codes as parameters of the queries; NULL when unlimited. */
struct codes_limit {
	const char *count, *window;
};

static struct codes_limit
codes_limit(struct req *r)
{
	int64_t count, seconds;

	if (!conf_limit("codes", &count, &seconds))
		return (struct codes_limit){NULL, "0"};
	return (struct codes_limit){db_int_text(r, count), db_int_text(r, seconds)};
}

/* ---- sending ----------------------------------------------------------------------------- */

static int
wait(struct req *r, struct db_res *res, const char *why)
{
	const char *next_at = db_get(res, 0, "next_at");

	if (next_at) {
		r->retry_after = db_int(res, 0, "wait");
		req_fail_extra(r, "nextAttemptAt", json_string(next_at));
	}
	return req_fail(r, ERR_RATE_LIMITED, NULL, "%s", why);
}

static int
cannot_send(struct req *r, struct db_res *res)
{
	const char *problem = db_get(res, 0, "problem");

	if (!problem)
		return 0;
	if (strcmp(problem, "unknown") == 0)
		return ERR_NOT_FOUND;
	if (strcmp(problem, "registered") == 0)
		return req_fail(r, ERR_CONFLICT, "phoneNumber",
		    "has an account; send purpose signin to enter it");
	if (strcmp(problem, "verified") == 0)
		return req_fail(r, ERR_CONFLICT, "registrationId", "is verified already");
	if (strcmp(problem, "closed") == 0)
		return req_fail(
		    r, ERR_CONFLICT, "registrationId", "is closed after too many wrong codes");
	if (strcmp(problem, "early") == 0)
		return wait(r, res, "The next code cannot be sent yet");
	return wait(r, res,
	    db_get(res, 0, "next_at") ? "Too many codes were sent to this number"
				      : "This registration has had all its codes");
}

static json_t *
sent(void)
{
	json_t *o = json_object();

	json_object_set_new(o, "expiresInSeconds", json_integer(conf_int("otp.lifetime")));
	json_object_set_new(o, "status", json_string("pending"));
	json_object_set_new(o, "resendAfterSeconds", json_integer(conf_int("otp.resend")));
	return o;
}

/* The row is committed after the code went out: a code that was not sent neither counts nor
 * replaces another. */
int
registration_start(struct req *r, const struct registration_start_in *in)
{
	const char *id = req_newid(r), *code = password_code(r->arena, (int)conf_int("otp.digits"));
	const char *hash = password_code_hash(r->arena, id, code);
	struct codes_limit limit = codes_limit(r);
	char phone[PHONE_SIZE];
	struct db_res *res;
	json_t *o;
	int err;

	if (!phone_normalize(in->phoneNumber, NULL, phone))
		return req_fail(
		    r, ERR_VALIDATION, "phoneNumber", "is no number that a telephone can have");
	if (!hash)
		return ERR_INTERNAL;
	if ((err = db_begin(r)))
		return err;
	err = sql_registration_start(r, &res, id, phone, in->deviceId, in->locale,
	    in->deliveryChannel, in->purpose, hash, r->remote, setting(r, "otp.lifetime"),
	    setting(r, "otp.resend"), limit.count, limit.window);
	if (err || (err = cannot_send(r, res)) ||
	    (err = code_send(r, phone, code, in->locale, in->deliveryChannel)) ||
	    (err = db_commit(r)))
		return err;
	o = sent();
	json_object_set_new(o, "registrationId", json_string(id));
	return resp_json(r, 201, o);
}

int
registration_resend(struct req *r, const struct registration_resend_in *in)
{
	const char *code = password_code(r->arena, (int)conf_int("otp.digits"));
	const char *hash = password_code_hash(r->arena, in->registrationId, code);
	struct codes_limit limit = codes_limit(r);
	struct db_res *res;
	int err;

	if (!hash)
		return ERR_INTERNAL;
	if ((err = db_begin(r)))
		return err;
	err = sql_registration_resend(r, &res, in->registrationId, in->deliveryChannel, hash,
	    setting(r, "otp.lifetime"), setting(r, "otp.resend"), setting(r, "otp.sends"),
	    setting(r, "otp.attempts"), limit.count, limit.window);
	if (err || (err = cannot_send(r, res)))
		return err;
	err = code_send(
	    r, db_get(res, 0, "phone"), code, db_get(res, 0, "locale"), db_get(res, 0, "channel"));
	if (err || (err = db_commit(r)))
		return err;
	return resp_json(r, 201, sent());
}

/* ---- verifying --------------------------------------------------------------------------- */

static int
bad_code(struct req *r, const char *why, const char *next, int64_t left)
{
	req_fail_extra(r, "attemptsLeft", json_integer(left));
	req_fail_extra(r, "nextStep", json_string(next));
	return req_fail(r, ERR_VALIDATION, "otp", "%s", why);
}

static int
not_verified(struct req *r, struct db_res *res)
{
	const char *problem = db_get(res, 0, "problem");
	int64_t left = db_int(res, 0, "attempts_left");

	if (!problem)
		return 0;
	if (strcmp(problem, "unknown") == 0)
		return ERR_NOT_FOUND;
	if (strcmp(problem, "verified") == 0)
		return req_fail(r, ERR_CONFLICT, "registrationId", "is verified already");
	if (strcmp(problem, "registered") == 0)
		return req_fail(r, ERR_CONFLICT, "registrationId",
		    "is of a number that was registered meanwhile");
	if (strcmp(problem, "expired") == 0)
		return bad_code(r, "has expired", "resend", left);
	if (strcmp(problem, "wrong") == 0)
		return bad_code(r, "is wrong", "retry", left);
	return bad_code(r, "came too late: the registration is closed after too many wrong codes",
	    "register", 0);
}

static void
put(json_t *o, const char *name, const char *text)
{
	if (text)
		json_object_set_new(o, name, json_string(text));
}

static int
answer(struct req *r, const char *account, const struct entry *e, bool key_stored)
{
	json_t *o = json_object();

	put(o, "userId", account);
	put(o, "status", e->owed ? "secondFactorRequired" : "verified");
	put(o, "loginSessionId", e->owed == FACTOR_TWO_FACTOR ? e->token : NULL);
	put(o, "tempAuthToken", e->owed == FACTOR_PIN ? e->token : NULL);
	put(o, "pinHint", e->hint);
	put(o, "accessToken", e->tokens.access);
	put(o, "refreshToken", e->tokens.refresh);
	put(o, "deviceId", e->tokens.device);
	json_object_set_new(
	    o, "expiresIn", json_integer(e->owed ? e->expires_in : e->tokens.expires_in));
	json_object_set_new(o, "devicePublicKeyStored", json_boolean(key_stored));
	return resp_json(r, 201, o);
}

int
registration_verify(struct req *r, const struct registration_verify_in *in)
{
	const char *hash = password_code_hash(r->arena, in->registrationId, in->otp), *account;
	struct entry_device device = {.public_key = account_device_key(r, in->devicePublicKey)};
	struct entry entry;
	struct db_res *res;
	int err, problem;

	if (!hash)
		return ERR_INTERNAL;
	if ((err = db_begin(r)) || (err = sql_registration_verify(r, &res, in->registrationId, hash,
					setting(r, "otp.attempts"))))
		return err;
	if ((problem = not_verified(r, res))) /* the wrong code must stay counted */
		return (err = db_commit(r)) ? err : problem;
	account = db_get(res, 0, "account_id");
	device.fingerprint = db_get(res, 0, "fingerprint");
	if (device.fingerprint)
		device.name = req_printf(r, "%.*s", DEVICE_NAME_MAX, device.fingerprint);
	if ((err = account_enter(r, account, &device, FACTOR_NONE, &entry)) || (err = db_commit(r)))
		return err;
	return answer(r, account, &entry, device.public_key != NULL);
}
