/*
 * challenge: is this the account's PIN?
 *
 * Attempts are counted at the account before the PIN is looked at, so that many guesses at once
 * gain nothing.  After pin.attempts wrong ones the factor is locked for pin.lock, for the right PIN
 * too; the right PIN ends the count.
 *
 *	if ((err = challenge_check(r, r->me, FACTOR_PIN, "currentPin", in->currentPin,
 *		 ERR_FORBIDDEN)))
 *		return err;
 *
 * Not to be called in a transaction: a rollback would forget the attempt.
 */
#ifndef ROOKERY_CORE_CHALLENGE_H
#define ROOKERY_CORE_CHALLENGE_H

#include "account.h"
#include "err.h"

/* 0; ERR_NOT_FOUND when the account has not turned the factor on; wrong, naming field, with
 * attemptsLeft; ERR_FORBIDDEN while it is locked, with Retry-After and nextAttemptAt. */
int challenge_check(struct req *r, const char *account, enum factor f, const char *field,
    const char *pin, enum err wrong);

#endif
