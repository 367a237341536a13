/* link: see link.h. */
#include "link.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base64.h"
#include "clock.h"
#include "fcgi.h"
#include "keyfile.h"
#include "log.h"
#include "req.h"

enum { SUM = 32 };

/* Read once by each worker, and made by whoever needs it first.  NULL, logged. */
static const unsigned char *
key(void)
{
	static unsigned char bytes[crypto_generichash_KEYBYTES];
	static bool there;
	int lock;

	if (there)
		return bytes;
	lock = keyfile_lock();
	if (lock < 0)
		return NULL;
	there = keyfile_read("media.key", bytes, sizeof bytes) == sizeof bytes;
	if (!there && errno == ENOENT) {
		randombytes_buf(bytes, sizeof bytes);
		there = keyfile_write("media.key", bytes, sizeof bytes) == 0;
	}
	keyfile_unlock(lock);
	if (!there)
		log_error("no key for signed addresses", "file", "media.key");
	return there ? bytes : NULL;
}

static int
sign(struct req *r, const char *what, int64_t expires, unsigned char sum[SUM])
{
	const unsigned char *k = key();
	const char *text = req_printf(r, "%s %lld", what, (long long)expires);

	if (!k)
		return ERR_INTERNAL;
	crypto_generichash(
	    sum, SUM, (const unsigned char *)text, strlen(text), k, crypto_generichash_KEYBYTES);
	return 0;
}

const char *
link_query(struct req *r, const char *what, int64_t seconds, int64_t *expires)
{
	int64_t until = clock_now() / CLOCK_SECOND + seconds;
	unsigned char sum[SUM];

	*expires = until * CLOCK_SECOND;
	if (sign(r, what, until, sum))
		return NULL;
	return req_printf(r, "expires=%lld&signature=%s", (long long)until,
	    base64_encode_url(r->arena, sum, SUM));
}

int
link_check(struct req *r, const char *what, int64_t expires, const char *signature)
{
	unsigned char sum[SUM], given[SUM];
	size_t n;
	int err = sign(r, what, expires, sum);

	if (err)
		return err;
	if (!base64_decode_into(given, SUM, signature, &n) || n != SUM ||
	    sodium_memcmp(sum, given, SUM) != 0)
		return req_fail(r, ERR_FORBIDDEN, "signature", "is not that of this address");
	return expires > clock_now() / CLOCK_SECOND ? 0 : ERR_GONE;
}

/* A proxy in front says how it was asked; else the web server does. */
static const char *
scheme(struct req *r)
{
	const char *s = req_header(r, "X-Forwarded-Proto");

	if (!s || (strcmp(s, "https") != 0 && strcmp(s, "http") != 0))
		s = fcgi_param(r->wire, "REQUEST_SCHEME");
	return s && strcmp(s, "https") == 0 ? "https" : "http";
}

const char *
link_origin(struct req *r)
{
	const char *host = req_header(r, "Host");

	if (!host || !*host ||
	    host[strspn(
		host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]")])
		return "";
	return req_printf(r, "%s://%s", scheme(r), host);
}
