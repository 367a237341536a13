/*
 * http_server: a small HTTP/1.1 server in a process of its own, for tests of clients.
 *
 * It keeps connections open, forks for each, and ends with server_stop().  What it does with a
 * request is the path's matter:
 *
 *	/echo          200, the request itself as text/plain
 *	/status/NNN    that status; 429 and 503 with Retry-After: 7
 *	/redirect/P    302 to /P
 *	/bytes/N       200 and N bytes
 *	/slow          accepts and never answers
 *	/cut           closes before the announced end
 *	/garbage       what is not HTTP
 *
 *	struct server s = server_start(false);
 *	… s.port …
 *	server_stop(&s);
 */
#ifndef ROOKERY_TEST_HTTP_SERVER_H
#define ROOKERY_TEST_HTTP_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct server {
	pid_t pid;
	int port;      /* on 127.0.0.1 */
	int record_fd; /* the server writes each request's bytes here, then a NUL */
};

/* tls: with a certificate that nobody vouches for. */
struct server server_start(bool tls);
/* The next recorded request, waited for up to a second; NULL when none came.  In static storage. */
const char *server_request(struct server *s);
void server_stop(struct server *s);

#endif
