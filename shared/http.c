/* Requests to services outside: see http.h. */
#include "http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>
#include "buf.h"
#include "err.h"
#include "log.h"

enum { CONNECT_MS = 5000, TOTAL_MS = 10000, MAX_REPLY = 64 * 1024, KEPT_CONNECTIONS = 4 };

/* One request under way. */
struct call {
	const struct http_request *request;
	struct buf body;
	size_t max;
	bool too_large, refused, opened;
};

/* ---- which addresses are public ---------------------------------------------------------- */

struct range {
	const char *prefix;
	int bits;
};

/* IANA's special-purpose registry for IPv4 (RFC 6890 and its updates), multicast and class E. */
static const struct range not_public4[] = {
    {"0.0.0.0", 8},
    {"10.0.0.0", 8},
    {"100.64.0.0", 10},
    {"127.0.0.0", 8},
    {"169.254.0.0", 16},
    {"172.16.0.0", 12},
    {"192.0.0.0", 24},
    {"192.0.2.0", 24},
    {"192.88.99.0", 24},
    {"192.168.0.0", 16},
    {"198.18.0.0", 15},
    {"198.51.100.0", 24},
    {"203.0.113.0", 24},
    {"224.0.0.0", 3},
};

/* Of IPv6 only 2000::/3 is handed out at all; within it these are special (Teredo, documentation,
 * 6to4).  All that wraps an IPv4 address (::ffff:0:0/96, 64:ff9b::/96) lies outside. */
static const struct range not_public6[] = {
    {"2001::", 23},
    {"2001:db8::", 32},
    {"2002::", 16},
    {"3fff::", 20},
};
static const struct range unicast6 = {"2000::", 3};

static bool
in_range(int family, const unsigned char *address, const struct range *range)
{
	unsigned char prefix[16];
	int bytes = range->bits / 8, rest = range->bits % 8;
	unsigned char mask = (unsigned char)(0xff << (8 - rest));

	inet_pton(family, range->prefix, prefix);
	return !memcmp(address, prefix, (size_t)bytes) &&
	       (!rest || ((address[bytes] ^ prefix[bytes]) & mask) == 0);
}

static bool
in_any(int family, const unsigned char *address, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_range(family, address, &ranges[i]))
			return true;
	return false;
}

bool
http_address_public(const struct sockaddr *address)
{
	const unsigned char *p;

	if (address->sa_family == AF_INET) {
		p = (const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr;
		return !in_any(AF_INET, p, not_public4, sizeof(not_public4) / sizeof(*not_public4));
	}
	if (address->sa_family == AF_INET6) {
		p = (const unsigned char *)&((const struct sockaddr_in6 *)address)->sin6_addr;
		return in_range(AF_INET6, p, &unicast6) &&
		       !in_any(
			   AF_INET6, p, not_public6, sizeof(not_public6) / sizeof(*not_public6));
	}
	return false;
}

/* ---- what libcurl calls ------------------------------------------------------------------ */

static curl_socket_t
open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct call *call = context;
	int fd;

	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	if (call->request->policy == HTTP_PUBLIC && !http_address_public(&to->addr)) {
		call->refused = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	call->opened |= fd >= 0;
	return fd;
}

static size_t
take_body(char *p, size_t size, size_t n, void *context)
{
	struct call *call = context;

	n *= size;
	if (n > call->max - call->body.n) {
		call->too_large = true;
		return 0;
	}
	buf_put(&call->body, p, n);
	return n;
}

/* ---- one request ------------------------------------------------------------------------- */

/* A handle per policy: a connection that a trusted request opened is never lent to a public one. */
static CURL *handles[2];

static CURL *
handle(enum http_policy policy)
{
	if (!handles[policy])
		handles[policy] = curl_easy_init();
	else
		curl_easy_reset(handles[policy]);
	return handles[policy];
}

/* Printable ASCII without blanks: nothing that could end a line of the request. */
static bool
is_clean(const char *s, bool blanks)
{
	for (; *s; s++)
		if ((unsigned char)*s < (blanks ? ' ' : '!') || *s == 0x7f)
			return false;
	return true;
}

/* libcurl guesses a scheme when there is none. */
static bool
is_http_url(const char *s)
{
	return is_clean(s, false) &&
	       (!strncasecmp(s, "http://", 7) || !strncasecmp(s, "https://", 8));
}

static bool
is_method(const char *s)
{
	return *s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(s);
}

/* The header list with "Name: value" lines, NULL when one is malformed. */
static struct curl_slist *
header_list(struct arena *a, const struct http_request *q)
{
	/* No "Expect: 100-continue": services that ignore it would cost a second. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	const char *type = q->content_type ? q->content_type : "";

	list =
	    curl_slist_append(list, arena_printf(a, "Content-Type:%s%s", *type ? " " : "", type));
	for (int i = 0; list && q->headers && q->headers[i]; i++) {
		if (!is_clean(q->headers[i], true) || !strchr(q->headers[i], ':')) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = curl_slist_append(list, q->headers[i]);
	}
	return list;
}

static void
set_safety(CURL *curl, struct call *call)
{
	const struct http_request *q = call->request;

	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	/* A proxy would connect for us, to addresses that open_socket() never sees. */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, call);
	if (q->policy == HTTP_TRUSTED && q->unix_socket)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, q->unix_socket);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, q->redirects > 0 ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)q->redirects);
	curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
	curl_easy_setopt(
	    curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(q->connect_ms ? q->connect_ms : CONNECT_MS));
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(q->total_ms ? q->total_ms : TOTAL_MS));
}

static void
set_content(CURL *curl, struct call *call, const char *method, struct curl_slist *headers)
{
	const struct http_request *q = call->request;

	curl_easy_setopt(curl, CURLOPT_URL, q->url);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "rookery");
	if (q->body || (strcmp(method, "GET") && strcmp(method, "HEAD"))) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, q->body ? q->body : "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
	}
	if (!strcmp(method, "HEAD"))
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (q->user) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, q->user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, q->secret ? q->secret : "");
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
}

static int
error_of(CURLcode code, const struct call *call)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_URL_MALFORMAT:
	case CURLE_LOGIN_DENIED: /* a user name in the URL */
		return ERR_VALIDATION;
	case CURLE_COULDNT_CONNECT:
		return call->refused && !call->opened ? ERR_FORBIDDEN : ERR_UNAVAILABLE;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_FAILED_INIT:
	case CURLE_OUT_OF_MEMORY:
		return ERR_UNAVAILABLE;
	default: /* certificates, what is not HTTP, redirects too many or elsewhere, take_body() */
		return ERR_BAD_GATEWAY;
	}
}

static void
read_reply(struct arena *a, CURL *curl, struct call *call, struct http_reply *reply)
{
	char *type = NULL;
	curl_off_t retry_after = 0;
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
	*reply = (struct http_reply){
	    .status = (int)status,
	    .content_type = arena_strdup(a, type),
	    .body = call->body.p,
	    .body_len = call->body.n,
	    .retry_after = retry_after,
	};
}

int
http_send(struct arena *a, const struct http_request *q, struct http_reply *reply)
{
	struct call call = {.request = q, .max = q->max_reply ? q->max_reply : MAX_REPLY};
	const char *method = q->method ? q->method : q->body ? "POST" : "GET";
	struct curl_slist *headers;
	CURLcode code;
	CURL *curl;
	int err;

	if (!q->url || !is_http_url(q->url) || !is_method(method) ||
	    (q->content_type && !is_clean(q->content_type, true)) || !(headers = header_list(a, q)))
		return ERR_VALIDATION;
	if (!(curl = handle(q->policy))) {
		curl_slist_free_all(headers);
		return ERR_UNAVAILABLE;
	}
	call.body = buf_new(a);
	set_safety(curl, &call);
	set_content(curl, &call, method, headers);
	code = curl_easy_perform(curl);
	err = error_of(code, &call);
	if (!err)
		read_reply(a, curl, &call, reply);
	else
		log_debug("request to another service failed", "error",
		    call.too_large ? "reply too large" : curl_easy_strerror(code));
	curl_slist_free_all(headers);
	curl_easy_reset(curl); /* it pointed at this frame */
	return err;
}

char *
http_form_add(struct arena *a, const char *form, const char *name, const char *value)
{
	char *n = curl_easy_escape(NULL, name, 0), *v = curl_easy_escape(NULL, value, 0);
	char *out = arena_printf(a, "%s%s%s=%s", form, *form ? "&" : "", n ? n : "", v ? v : "");

	curl_free(n);
	curl_free(v);
	return out;
}

void
http_close(void)
{
	for (int i = 0; i < 2; i++) {
		curl_easy_cleanup(handles[i]);
		handles[i] = NULL;
	}
}
