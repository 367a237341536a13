/* challenge: see challenge.h. */
#include "challenge.h"

#include "conf.h"
#include "core_sql.h"
#include "db.h"
#include "password.h"
#include "req.h"

static void
tell_next(struct req *r, struct db_res *res)
{
	const char *next_at = db_get(res, 0, "next_at");

	if (!next_at)
		return;
	r->retry_after = db_int(res, 0, "wait");
	req_fail_extra(r, "nextAttemptAt", json_string(next_at));
}

int
challenge_check(struct req *r, const char *account, enum factor f, const char *field,
    const char *pin, enum err wrong)
{
	struct db_res *res;
	const char *hash;
	int err;

	err = sql_challenge_take(r, &res, account, factor_name(f),
	    db_int_text(r, conf_int("pin.attempts")), db_int_text(r, conf_int("pin.lock")));
	if (err)
		return err;
	if (db_rows(res) == 0)
		return ERR_NOT_FOUND;
	hash = db_get(res, 0, "hash");
	if (hash && password_verify(hash, pin))
		return sql_challenge_passed(r, account, factor_name(f));
	req_fail_extra(r, "attemptsLeft", json_integer(db_int(res, 0, "attempts_left")));
	tell_next(r, res);
	if (!hash)
		return req_fail(r, ERR_FORBIDDEN, field,
		    "is not taken after too many wrong ones; try again later");
	return req_fail(r, wrong, field, "is wrong");
}
