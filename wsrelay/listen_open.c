/* listen_open: the master's side of listen.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "conf.h"
#include "listen.h"
#include "log.h"

enum { BACKLOG = 4096 };

static int
begin(int fd, const struct sockaddr *address, socklen_t size, const char *name)
{
	if (fd < 0 || bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0) {
		log_error("cannot listen", "at", name, "why", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	log_info("listening", "at", name);
	return fd;
}

static const char *
local_path(int dialect, char *out, size_t size)
{
	char relative[64];

	snprintf(relative, sizeof(relative), "ws/%s.sock", dialect_at(dialect)->surface);
	return conf_run_path(out, size, relative);
}

static int
open_local(int dialect)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[256];
	int fd;

	if (mkdir(conf_run_path(path, sizeof(path), "ws"), 0755) < 0 && errno != EEXIST)
		log_error("cannot make a folder", "at", path, "why", strerror(errno));
	if (strlen(local_path(dialect, path, sizeof(path))) >= sizeof(address.sun_path)) {
		log_error("path of a socket is too long", "at", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	fd = begin(fd, (struct sockaddr *)&address, sizeof(address), path);
	if (fd >= 0)
		chmod(path, 0660); /* the web server is in our group */
	return fd;
}

static int
open_tcp(const struct listen_sockets *s)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	bool six = strchr(s->bind, ':');
	int fd, one = 1;

	v4.sin_port = v6.sin6_port = htons((uint16_t)s->port);
	if (inet_pton(six ? AF_INET6 : AF_INET, s->bind,
		six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1) {
		log_error("relay.bind is not an address", "value", s->bind);
		return -1;
	}
	fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return begin(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
	    six ? sizeof(v6) : sizeof(v4), s->bind);
}

int
listen_open(struct listen_sockets *s)
{
	int bad = 0;

	for (int i = 0; i < dialect_count(); i++) {
		if (s->local[i] < 0)
			s->local[i] = open_local(i);
		bad |= s->local[i] < 0;
	}
	if (s->tcp >= 0 &&
	    (s->port != conf_int("relay.port") || strcmp(s->bind, conf_str("relay.bind")))) {
		close(s->tcp);
		s->tcp = -1;
	}
	s->port = conf_int("relay.port");
	snprintf(s->bind, sizeof(s->bind), "%s", conf_str("relay.bind"));
	if (s->port && s->tcp < 0)
		s->tcp = open_tcp(s);
	return bad || (s->port && s->tcp < 0) ? -1 : 0;
}

void
listen_close(struct listen_sockets *s)
{
	char path[256];

	for (int i = 0; i < dialect_count(); i++) {
		if (s->local[i] < 0)
			continue;
		close(s->local[i]);
		unlink(local_path(i, path, sizeof(path)));
		s->local[i] = -1;
	}
	if (s->tcp >= 0)
		close(s->tcp);
	s->tcp = -1;
}
