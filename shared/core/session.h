/*
 * session: sign-ins and their tokens.
 *
 * A session has one access token at a time in force (ES256; surface.h has the settings of its lifetime) and a refresh token that changes at
 * every use; a refresh token seen again after its exchange ends the session.
 *
 *	struct session_tokens t;
 *	if ((err = session_open(r, account, device, &t)))
 *		return err;
 */
#ifndef ROOKERY_CORE_SESSION_H
#define ROOKERY_CORE_SESSION_H

#include <stdint.h>

struct req;

struct session_tokens { /* texts in the request's arena */
	const char *account, *device, *session;
	const char *access, *refresh;
	int64_t expires_in; /* seconds the access token lives */
};

/* Open a session of an account on one of its devices (NULL where the surface knows none yet). */
int session_open(struct req *r, const char *account, const char *device, struct session_tokens *out);
/* Exchange a refresh token of this surface; session, when not NULL, is the one it must belong to.  ERR_UNAUTHORIZED when
 * it is unknown, expired or used before. */
int session_refresh(struct req *r, const char *session, const char *refresh, struct session_tokens *out);
/* End sessions of the caller: the one given, else all of the device given, else all.  *ended (may be NULL)
 * gets their number.  Sockets close, access tokens die at once. */
int session_end(struct req *r, const char *session, const char *device, const char *reason, int *ended);
/* End all sessions of the caller but the one of this request. */
int session_end_others(struct req *r, const char *reason, int *ended);

#endif
