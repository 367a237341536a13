/* Second factor and additional PIN: whoever changes one gives it first. */
#include "security.gen.h"

#include <string.h>

#include "core/challenge.h"
#include "db.h"
#include "password.h"
#include "req.h"

int
two_factor_enable(struct req *r, const struct two_factor_enable_in *in)
{
	struct db_res *row;
	int err;

	if ((err = sql_two_factor_enable(r, &row, password_hash(r->arena, in->pin))))
		return err;
	return db_rows(row) ? resp_row(r, 201, row) : ERR_CONFLICT;
}

int
two_factor_disable(struct req *r, const struct two_factor_disable_in *in)
{
	struct db_res *row;
	int err;

	if ((err = challenge_check(r, r->me, FACTOR_TWO_FACTOR, "pin", in->pin, ERR_FORBIDDEN)) ||
	    (err = sql_two_factor_disable(r, &row)))
		return err;
	return resp_row(r, 200, row);
}

static int
hint_check(struct req *r, const char *hint, const char *pin)
{
	if (!hint || !strstr(hint, pin))
		return 0;
	return req_fail(r, ERR_VALIDATION, "pinHint", "must not contain the PIN");
}

int
pin_enable(struct req *r, const struct pin_enable_in *in)
{
	struct db_res *row;
	int err;

	if ((err = hint_check(r, in->pinHint, in->pin)) ||
	    (err = sql_pin_enable(r, &row, password_hash(r->arena, in->pin), in->pinHint)))
		return err;
	return db_rows(row) ? resp_row(r, 201, row) : ERR_CONFLICT;
}

int
pin_change(struct req *r, const struct pin_change_in *in)
{
	struct db_res *row;
	int err;

	if ((err = hint_check(r, in->pinHint, in->newPin)))
		return err;
	if (strcmp(in->currentPin, in->newPin) == 0)
		return req_fail(r, ERR_VALIDATION, "newPin", "must be another than currentPin");
	if ((err = challenge_check(
		 r, r->me, FACTOR_PIN, "currentPin", in->currentPin, ERR_FORBIDDEN)) ||
	    (err = sql_pin_change(r, &row, password_hash(r->arena, in->newPin), in->pinHint)))
		return err;
	return resp_row(r, 200, row);
}

int
pin_disable(struct req *r, const struct pin_disable_in *in)
{
	struct db_res *row;
	int err;

	if ((err = challenge_check(r, r->me, FACTOR_PIN, "pin", in->pin, ERR_FORBIDDEN)) ||
	    (err = sql_pin_disable(r, &row)))
		return err;
	return resp_row(r, 200, row);
}
