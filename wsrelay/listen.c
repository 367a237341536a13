/* listen: see listen.h. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "conf.h"
#include "conn.h"
#include "log.h"
#include "metrics.h"

/* UNSENT_MAX: of what a client does not read the kernel takes no more; the rest stays in the log,
 * which all share. */
enum { BACKLOG = 4096, ACCEPTS_A_TURN = 256, PAUSE_MS = 100, UNSENT_MAX = 1 << 17 };

struct listener {
	struct source source;
	int fd, dialect; /* -1: the TCP port, where the path decides */
};

static struct {
	struct listener local[DIALECTS], tcp;
	char bind[64];
	int64_t port;
	struct timer pause;
} listeners = {.tcp.fd = -1};

/* ---- coming in ------------------------------------------------------------------------------ */

static void
turn_away(int fd)
{
	static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
				   "Content-Length: 0\r\nConnection: close\r\n\r\n";

	metrics.refused++;
	(void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
watch(bool on)
{
	for (int i = 0; i < dialect_count(); i++)
		if (listeners.local[i].fd >= 0)
			loop_change(
			    listeners.local[i].fd, on ? EPOLLIN : 0, &listeners.local[i].source);
	if (listeners.tcp.fd >= 0)
		loop_change(listeners.tcp.fd, on ? EPOLLIN : 0, &listeners.tcp.source);
}

static void
on_pause_over(struct timer *t)
{
	(void)t;
	watch(true);
}

static void
on_ready(struct source *s, uint32_t events)
{
	struct listener *l = (struct listener *)s;
	int one = 1, unsent = UNSENT_MAX;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
				log_error("cannot accept", "why", strerror(errno));
				watch(false);
				loop_timer(&listeners.pause, PAUSE_MS);
			}
			return;
		}
		if (conn_count() >= (size_t)conf_int("relay.max_connections")) {
			turn_away(fd);
			continue;
		}
		if (l->dialect < 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
		}
		conn_new(fd, l->dialect);
	}
}

/* ---- sockets -------------------------------------------------------------------------------- */

static int
begin(struct listener *l, int fd, const struct sockaddr *address, socklen_t size, const char *name)
{
	if (bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0 ||
	    loop_add(fd, EPOLLIN, &l->source) < 0) {
		log_error("cannot listen", "at", name, "why", strerror(errno));
		close(fd);
		return -1;
	}
	l->fd = fd;
	log_info("listening", "at", name);
	return 0;
}

static int
open_local(struct listener *l, int dialect)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[256], folder[256];
	int fd, err;

	snprintf(path, sizeof(path), "ws/%s.sock", dialect_at(dialect)->surface);
	if (mkdir(conf_run_path(folder, sizeof(folder), "ws"), 0755) < 0 && errno != EEXIST)
		log_error("cannot make a folder", "at", folder, "why", strerror(errno));
	conf_run_path(folder, sizeof(folder), path);
	if (strlen(folder) >= sizeof(address.sun_path)) {
		log_error("path of a socket is too long", "at", folder);
		return -1;
	}
	strcpy(address.sun_path, folder);
	unlink(folder);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	l->dialect = dialect;
	err = begin(l, fd, (struct sockaddr *)&address, sizeof(address), folder);
	if (!err)
		chmod(folder, 0660); /* the web server is in our group */
	return err;
}

static int
open_tcp(void)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	bool six = strchr(listeners.bind, ':');
	int fd, one = 1;

	v4.sin_port = v6.sin6_port = htons((uint16_t)listeners.port);
	if (inet_pton(six ? AF_INET6 : AF_INET, listeners.bind,
		six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1) {
		log_error("relay.bind is not an address", "value", listeners.bind);
		return -1;
	}
	fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	listeners.tcp.dialect = -1;
	return begin(&listeners.tcp, fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
	    six ? sizeof(v6) : sizeof(v4), listeners.bind);
}

static void
close_one(struct listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void
listen_reload(void)
{
	bool same = listeners.port == conf_int("relay.port") &&
		    !strcmp(listeners.bind, conf_str("relay.bind"));

	if (same && listeners.tcp.fd >= 0)
		return;
	close_one(&listeners.tcp);
	listeners.port = conf_int("relay.port");
	snprintf(listeners.bind, sizeof(listeners.bind), "%s", conf_str("relay.bind"));
	if (listeners.port)
		open_tcp();
}

int
listen_start(void)
{
	listeners.pause.fire = on_pause_over;
	listeners.tcp.source.ready = on_ready;
	for (int i = 0; i < dialect_count(); i++) {
		listeners.local[i] = (struct listener){.source.ready = on_ready, .fd = -1};
		if (open_local(&listeners.local[i], i))
			return -1;
	}
	listen_reload();
	return listeners.port && listeners.tcp.fd < 0 ? -1 : 0;
}

void
listen_stop(void)
{
	char path[256], full[256];

	for (int i = 0; i < dialect_count(); i++) {
		close_one(&listeners.local[i]);
		snprintf(path, sizeof(path), "ws/%s.sock", dialect_at(i)->surface);
		unlink(conf_run_path(full, sizeof(full), path));
	}
	close_one(&listeners.tcp);
	loop_timer_stop(&listeners.pause);
}
