/*
 * account: entering an account.
 *
 * Whoever has given the primary proof (the code sent to the phone) goes through account_enter(): it
 * either says which further factor is owed and hands out a single-use token for it, or lets the
 * device in and opens its session.  Factors are asked in a fixed order, two_factor before pin, each
 * that the person turned on.
 *
 *	if ((err = db_begin(r)) || (err = account_enter(r, account, &device, FACTOR_NONE, &e)) ||
 *	    (err = db_commit(r)))
 *		return err;
 *	return e.owed ? still_owed(r, &e) : welcome(r, &e.tokens);
 *
 * Call it in a transaction, with what proves the caller in the same one.
 */
#ifndef ROOKERY_CORE_ACCOUNT_H
#define ROOKERY_CORE_ACCOUNT_H

#include <stdbool.h>
#include "session.h"

struct db_res;
struct req;

enum factor { FACTOR_NONE, FACTOR_TWO_FACTOR, FACTOR_PIN };

struct entry_device { /* any of them may be NULL */
	const char *name, *fingerprint;
	const char *public_key; /* identity key, base64 */
	const char *form;       /* "mobile", "desktop", "web", "tablet" */
	bool names_itself;      /* fingerprint is to be its id, if it is a UUID and nobody's */
};

struct entry {
	enum factor owed;   /* FACTOR_NONE: the session is open */
	const char *token;  /* proves the earlier steps when the owed factor is answered */
	const char *hint;   /* of the PIN that is owed, or NULL */
	int64_t expires_in; /* seconds the token lives */
	struct session_tokens tokens;
};

/* passed: the factor given last.  ERR_NOT_FOUND when the account is closed. */
int account_enter(struct req *r, const char *account, const struct entry_device *device,
    enum factor passed, struct entry *out);
/* The device enters and gets a session, nothing is owed any more.  In a transaction, too. */
int account_let_in(struct req *r, const char *account, const struct entry_device *device,
    struct session_tokens *out);
/* Access tokens of these sessions, which have just ended, die at once; sessions is a JSON array of ids. */
void account_revoke_all(struct req *r, const char *sessions);
/* Revoke a device of the caller: its sessions end and their tokens die at once, its keys go.  *row
 * has id and revokedAt. ERR_NOT_FOUND. */
int account_device_revoke(struct req *r, const char *device, struct db_res **row);
/* Erase the caller's account for good (account_erase() of sql/ has what that means); every token of
 * it dies at once. */
int account_erase(struct req *r);
/* "two_factor", "pin": as login_session.purpose and challenge_take() have it. */
const char *factor_name(enum factor f);
/* The key in standard base64 when text is a public key of Curve25519 or Ed25519 (32 bytes, or 33
 * with the type byte 5 before them), else NULL. */
const char *account_device_key(struct req *r, const char *text);

#endif
