/* listen: a process's side of listen.h. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "conf.h"
#include "conn.h"
#include "limits.h"
#include "log.h"
#include "metrics.h"
#include "share.h"

/* UNSENT_MAX: of what a client does not read the kernel takes no more; the rest stays in the log,
 * which all share. */
enum { ACCEPTS_A_TURN = 256, PAUSE_MS = 100, YIELD_MS = 10, UNSENT_MAX = 1 << 17 };

struct listener {
	struct source source;
	int fd, dialect; /* -1: the TCP port, where the path decides */
};

static struct {
	struct listener one[DIALECTS + 1];
	int n;
	struct timer pause;
} listeners;

static void
turn_away(int fd)
{
	static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
				   "Content-Length: 0\r\nConnection: close\r\n\r\n";

	metrics->refused++;
	(void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
watch(bool on)
{
	for (int i = 0; i < listeners.n; i++)
		loop_change(listeners.one[i].fd, on ? EPOLLIN : 0, &listeners.one[i].source);
}

static void
pause_for(int64_t ms)
{
	watch(false);
	loop_timer(&listeners.pause, ms);
}

/* Has another process that accepts clearly fewer connections than this one? */
static bool
others_first(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < SHARE_SLOTS; i++) {
		const struct share_slot *s = &share->slot[i];

		if (s != share_mine && s->accepting && s->sockets < least && share_alive(s))
			least = s->sockets;
	}
	return least != UINT64_MAX && conn_count() > least + 8 + least / 32;
}

static bool
is_loopback(const struct sockaddr_storage *peer)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;

	return peer->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
					  : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void
on_pause_over(struct timer *t)
{
	if (others_first())
		loop_timer(t, YIELD_MS);
	else
		watch(true);
}

static void
on_ready(struct source *s, uint32_t events)
{
	struct listener *l = (struct listener *)s;
	struct sockaddr_storage peer;
	socklen_t size;
	int one = 1, unsent = UNSENT_MAX, fd;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		if (others_first() || !limits_may_accept()) {
			pause_for(YIELD_MS);
			return;
		}
		size = sizeof(peer);
		fd = accept4(l->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
				log_error("cannot accept", "why", strerror(errno));
				pause_for(PAUSE_MS);
			}
			return;
		}
		if (share_sockets() >= (uint64_t)conf_int("relay.max_connections")) {
			turn_away(fd);
			continue;
		}
		if (l->dialect < 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
		}
		conn_new(fd, l->dialect, l->dialect < 0 ? limits_address_of(&peer) : 0,
		    l->dialect >= 0 || is_loopback(&peer));
	}
}

static void
take(int fd, int dialect)
{
	struct listener *l = &listeners.one[listeners.n];

	if (fd < 0)
		return;
	*l = (struct listener){.source.ready = on_ready, .fd = fd, .dialect = dialect};
	if (loop_add(fd, EPOLLIN, &l->source) < 0)
		log_error("cannot watch a socket", "why", strerror(errno));
	else
		listeners.n++;
}

void
listen_start(const struct listen_sockets *s)
{
	listeners.pause.fire = on_pause_over;
	for (int i = 0; i < dialect_count(); i++)
		take(s->local[i], i);
	take(s->tcp, -1);
	share_mine->accepting = true;
}

void
listen_stop(void)
{
	share_mine->accepting = false;
	loop_timer_stop(&listeners.pause);
	watch(false);
}

void
listen_leave(void)
{
	listen_stop();
	while (listeners.n)
		close(listeners.one[--listeners.n].fd);
}

void
listen_resume(void)
{
	share_mine->accepting = true;
	watch(true);
}
