/* fcgi: see fcgi.h. */
#include "fcgi.h"

#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	HELD = 8, /* records written together */
	RECORD_MAX = FCGI_MAX_LENGTH & ~7,
};

struct fcgi_conn {
	FCGX_Request req;
	bool used, ready, broken;
	FCGI_Header headers[HELD];
	struct iovec held[2 * HELD]; /* a header and its content in turn */
	int n_held;
};

static struct fcgi_conn **pool;
static int pool_size;

int
fcgi_listen(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof addr.sun_path)
		return -1;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || chmod(path, 0660) < 0 ||
	    listen(fd, 1024) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static struct fcgi_conn *
idle_conn(int fd)
{
	static bool initialised;
	struct fcgi_conn *c = NULL;

	if (!initialised) {
		FCGX_Init();
		initialised = true;
	}
	for (int i = 0; i < pool_size && !c; i++) {
		if (!pool[i]->used)
			c = pool[i];
	}
	if (!c) {
		pool = realloc(pool, (size_t)(pool_size + 1) * sizeof *pool);
		c = pool ? calloc(1, sizeof *c) : NULL;
		if (!c)
			abort();
		pool[pool_size++] = c;
	}
	if (!c->ready) {
		FCGX_InitRequest(&c->req, fd, FCGI_FAIL_ACCEPT_ON_INTR);
		c->ready = true;
	}
	return c;
}

int
fcgi_accept(int fd, struct fcgi_conn **conns, int max)
{
	int n = 0;

	while (n < max) {
		struct fcgi_conn *c = idle_conn(fd);

		/* The listening socket does not block: none waiting ends the batch. */
		if (FCGX_Accept_r(&c->req) < 0)
			break;
		c->used = true;
		c->broken = false;
		conns[n++] = c;
	}
	return n;
}

const char *
fcgi_param(struct fcgi_conn *c, const char *name)
{
	return FCGX_GetParam(name, c->req.envp);
}

bool
fcgi_peer_is_own(struct fcgi_conn *c)
{
	struct ucred peer;
	socklen_t n = sizeof peer;

	return getsockopt(c->req.ipcFd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	       peer.uid == geteuid();
}

size_t
fcgi_read(struct fcgi_conn *c, void *p, size_t n)
{
	int got = FCGX_GetStr(p, n > INT32_MAX ? INT32_MAX : (int)n, c->req.in);

	return got > 0 ? (size_t)got : 0;
}

/* ---- answering: records of our own, as libfcgi writes eight kilobytes at a time ------------- */

int
fcgi_flush(struct fcgi_conn *c)
{
	struct iovec *v = c->held;
	int left = c->n_held;

	c->n_held = 0;
	while (left > 0 && !c->broken) {
		ssize_t n = writev(c->req.ipcFd, v, left);

		if (n < 0) {
			c->broken = errno != EINTR;
			continue;
		}
		for (; left > 0 && (size_t)n >= v->iov_len; v++, left--)
			n -= (ssize_t)v->iov_len;
		if (left > 0) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= (size_t)n;
		}
	}
	return c->broken ? -1 : 0;
}

static void
hold(struct fcgi_conn *c, unsigned char type, const void *p, size_t n)
{
	FCGI_Header *header;

	if (c->n_held == 2 * HELD)
		fcgi_flush(c);
	header = &c->headers[c->n_held / 2];
	*header = (FCGI_Header){.version = FCGI_VERSION_1,
	    .type = type,
	    .requestIdB1 = (unsigned char)(c->req.requestId >> 8),
	    .requestIdB0 = (unsigned char)c->req.requestId,
	    .contentLengthB1 = (unsigned char)(n >> 8),
	    .contentLengthB0 = (unsigned char)n};
	c->held[c->n_held++] = (struct iovec){.iov_base = header, .iov_len = sizeof *header};
	c->held[c->n_held++] = (struct iovec){.iov_base = (void *)p, .iov_len = n};
}

int
fcgi_write(struct fcgi_conn *c, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0 && !c->broken) {
		size_t part = n < RECORD_MAX ? n : RECORD_MAX;

		hold(c, FCGI_STDOUT, from, part);
		from += part;
		n -= part;
	}
	return c->broken ? -1 : 0;
}

void
fcgi_finish(struct fcgi_conn *c)
{
	static const FCGI_EndRequestBody complete = {.protocolStatus = FCGI_REQUEST_COMPLETE};

	hold(c, FCGI_STDOUT, NULL, 0); /* the end of the stream */
	hold(c, FCGI_END_REQUEST, &complete, sizeof complete);
	fcgi_flush(c);
	/* Detached, the connection is closed without waiting for the web server to close it first: that
	 * would be a context switch a request.  Nothing unread is left, so nothing is cut off. */
	FCGX_Detach(&c->req);
	FCGX_Free(&c->req, 1);
	c->used = false;
}

void
fcgi_trim(void)
{
	int kept = 0;

	for (int i = 0; i < pool_size; i++) {
		if (pool[i]->used || kept == 0)
			pool[kept++] = pool[i];
		else
			free(pool[i]);
	}
	pool_size = kept;
}
