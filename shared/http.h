/*
 * http: a client for services outside (webhooks, SMS providers), over libcurl.
 *
 * One request at a time, waited for; TLS certificates are always verified, proxies of the
 * environment are not used, bodies are taken as they come (no decompression).
 *
 * Ownership: the reply lives in the arena.  Connections are kept for the next request, per policy,
 * until http_close().
 *
 *	struct http_request q = {.url = hook->url, .policy = HTTP_PUBLIC, .body = json, .body_len = n,
 *	    .content_type = "application/json", .headers = (const char *[]){signature, NULL}};
 *	struct http_reply reply;
 *
 *	if ((err = http_send(a, &q, &reply)) == 0 && reply.status / 100 == 2)
 */
#ifndef ROOKERY_HTTP_H
#define ROOKERY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "arena.h"

enum http_policy {
	/* The URL comes from a user: only addresses of the public internet are connected to.  The
	 * address is checked when the socket is opened, so names that resolve differently the
	 * second time gain nothing, and redirects are no way round it. */
	HTTP_PUBLIC,
	HTTP_TRUSTED, /* the URL comes from the operator's settings: any address */
};

struct http_request {
	enum http_policy policy;
	const char *method; /* NULL: POST when there is a body, else GET */
	const char *url;    /* http or https, without user name */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const void *body;
	size_t body_len;
	const char *content_type;  /* of the body; NULL when none */
	const char *user, *secret; /* basic authentication; NULL when none */
	int64_t connect_ms;        /* 0: 5 s */
	int64_t total_ms;          /* 0: 10 s */
	size_t max_reply;          /* bytes of the reply's body; 0: 64 KiB */
	int redirects;             /* to follow at most; 0: none, a 3xx is answered as it is */
	const char *unix_socket;   /* HTTP_TRUSTED: connect to this path, whatever the URL's host; NULL: no */
};

struct http_reply {
	int status;
	const char *content_type; /* NULL when the service named none */
	char *body;               /* NUL-terminated */
	size_t body_len;
	int64_t retry_after; /* seconds, from Retry-After; 0 when not named */
};

/*
 * 0 and *reply for every status;
 * ERR_VALIDATION   the URL, method or a header is malformed, or the URL is neither http nor https;
 * ERR_FORBIDDEN    HTTP_PUBLIC, and the name has only addresses that may not be connected to;
 * ERR_UNAVAILABLE  no connection, no such name, or no whole answer in time;
 * ERR_BAD_GATEWAY  the certificate does not verify, the answer is not HTTP or larger than max_reply.
 */
int http_send(struct arena *a, const struct http_request *request, struct http_reply *reply);
/* May an HTTP_PUBLIC request connect there?  Refused are loopback, private, link-local, shared
 * (CGNAT), multicast, unspecified, reserved and documentation ranges, and IPv4 addresses inside
 * IPv6 ones. */
bool http_address_public(const struct sockaddr *address);
/* name=value with both percent-encoded, appended to form with & (form "" to begin). */
char *http_form_add(struct arena *a, const char *form, const char *name, const char *value);
/* Close kept connections. */
void http_close(void);

#endif
