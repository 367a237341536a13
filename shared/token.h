/*
 * token: ES256 access tokens (RFC 7519, libjwt) and opaque secrets.
 *
 * Claims: iss "rookery", sub account UUID, sid session UUID, did device UUID, iat, exp; kid in the head.
 * The private key is read only by programs that issue; verifying needs the public key alone.  Keys
 * live as PEM files in RUN/keys (mode 600): token-KID.pem private, token-KID.pub public.  The newest
 * KID signs; all verify.
 *
 *	char *token = token_issue(r->arena, account, session, device, conf_int("token.lifetime"));
 *	struct token_claims claims;
 *
 *	if (!token_verify(token, &claims))
 *		return ERR_UNAUTHORIZED;
 */
#ifndef ROOKERY_TOKEN_H
#define ROOKERY_TOKEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arena.h"

struct token_claims {
	char account[37], session[37], device[37];
	int64_t issued, expires; /* seconds since 1970 */
};

/* Make a key pair in RUN/keys when there is none.  0 or -1. */
int token_keys_ensure(void);
/* Make one more pair, which signs from now on; tokens of the older ones stay good until their files
 * are removed.  Every process notices either within seconds.  0 or -1. */
int token_keys_rotate(void);
/* A signed token in the arena; NULL when no private key can be read. */
char *token_issue(struct arena *a, const char *account, const char *session, const char *device,
    int64_t lifetime_seconds);
/* true and *out when signature, issuer and expiry hold.  Verified tokens are remembered in the
 * process until they expire (bounded table), so a second look-up costs a hash. */
bool token_verify(const char *token, struct token_claims *out);
/* The public keys as a JWKS document (RFC 7517). */
json_t *token_jwks(void);

/* n random bytes as base64url in the arena; and the hex BLAKE2b-256 under which a secret is
 * stored. */
char *token_random(struct arena *a, size_t n);
char *token_hash(struct arena *a, const char *secret);

#endif
