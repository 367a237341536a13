/*
 * link: addresses of contents that open without a token, for a while.
 *
 * The signature is a keyed BLAKE2b over id and expiry.  The key is RUN/keys/media.key, made by
 * whoever needs it first.
 *
 *	json_object_set_new(reply, "downloadUrl", json_string(link_to(r, id, &expires)));
 */
#ifndef WHATSAPP_MEDIA_LINK_H
#define WHATSAPP_MEDIA_LINK_H

#include <stdint.h>

struct req;

/* The address relative to the server, valid for media.url_lifetime; *expires in microseconds since
 * 1970.  NULL, logged, when there is no key. */
const char *link_to(struct req *r, const char *id, int64_t *expires);
/* 0, ERR_FORBIDDEN, ERR_GONE when it was right but its time (seconds since 1970) is over, or
 * ERR_INTERNAL. */
int link_check(struct req *r, const char *id, int64_t expires, const char *signature);

#endif
