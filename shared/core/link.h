/*
 * link: addresses that open without a token, for a while.
 *
 * Such an address carries its expiry and a signature, a keyed BLAKE2b over what it opens and
 * until when.  The key is RUN/keys/media.key, made by whoever needs it first.  Texts live in the
 * arena of the request.
 *
 *	what = req_printf(r, "upload into %s", id);
 *	query = link_query(r, what, conf_int("upload.keep"), &expires);
 *	...
 *	if ((err = link_check(r, what, in->expires, in->signature)))
 *		return err;
 */
#ifndef ROOKERY_CORE_LINK_H
#define ROOKERY_CORE_LINK_H

#include <stdint.h>

struct req;

/* "expires=…&signature=…" for what, a text that no other kind of address uses, for so many seconds
 * from now; *expires in microseconds since 1970.  NULL, logged, when there is no key. */
const char *link_query(struct req *r, const char *what, int64_t seconds, int64_t *expires);
/* 0, ERR_FORBIDDEN, ERR_GONE when it was right but its time (seconds since 1970) is over, or
 * ERR_INTERNAL. */
int link_check(struct req *r, const char *what, int64_t expires, const char *signature);
/* "https://chat.example.org", as the client reached us, or "" when its request does not tell: then
 * what follows is relative to the server. */
const char *link_origin(struct req *r);

#endif
