/*
 * auth: who calls, whether the session still lives, and whether there is room under the rate limits.
 *
 * All requests of a batch share one round trip to Redis: for each the revocation mark of its session
 * (key rev:SID) and the counter of its rate class (fixed windows).  Without Redis, sessions are looked
 * up in PostgreSQL and limits are not enforced: a dead cache must not lock anybody out.
 *
 * The relay calls operations for clients whose token it has verified: it names the caller in FastCGI parameters
 * (ROOKERY_ACCOUNT, ROOKERY_SESSION, ROOKERY_DEVICE) instead of a token.  All the rest is the same for them.
 */
#ifndef ROOKERY_AUTH_H
#define ROOKERY_AUTH_H

struct req;

/* Fill me, device and session of each request, or set its err (ERR_UNAUTHORIZED, ERR_FORBIDDEN,
 * ERR_RATE_LIMITED).  Requests whose err is already set are passed over. */
void auth_check(struct req **r, int n);
/* Mark n sessions revoked, in one round trip, for as long as their access tokens may live. */
void auth_revoke(struct req *r, const char *const *sessions, int n);

#endif
