/* fcgi: see fcgi.h. */
#include "fcgi.h"

#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct fcgi_conn {
	FCGX_Request req;
	bool used, ready;
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

int
fcgi_write(struct fcgi_conn *c, const void *p, size_t n)
{
	return n == 0 || FCGX_PutStr(p, (int)n, c->req.out) == (int)n ? 0 : -1;
}

void
fcgi_finish(struct fcgi_conn *c)
{
	/* Detached, the connection is closed without waiting for the web server to close it first: that
	 * would be a context switch a request.  Nothing unread is left, so nothing is cut off. */
	FCGX_Detach(&c->req);
	FCGX_Finish_r(&c->req);
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
