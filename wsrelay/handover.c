/* handover: see handover.h.  The socket between the two processes. */
#include "handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "conn.h"
#include "deliver.h"
#include "listen.h"
#include "log.h"
#include "map.h"
#include "metrics.h"
#include "pg.h"
#include "stream.h"

enum {
	SLICE = 200,         /* connections sent before others have their turn */
	AGAIN_MS = 5,        /* until those that could not be carried are looked at again */
	PATIENCE_MS = 15000, /* for them */
	RECORD_MAX = 1 << 26,
	READ_SIZE = 1 << 18,
	FDS = 64, /* in one read */
};

enum kind { HELLO = 1, CONN, DONE };
enum { READY = 'r' };

struct record_head {
	uint32_t n, kind;
};

/* ---- the old process ------------------------------------------------------------------------- */

static struct {
	struct source source;
	int fd;
	bool running; /* the other side is ready */
	bool want_out;
	struct pack now; /* the record on its way */
	size_t at;
	struct conn *conn; /* it speaks of; NULL for none */
	int64_t until;
	struct timer again;
	void (*done)(bool all);
} give = {.fd = -1};

static void
hear_again(struct conn *c, void *unused)
{
	(void)unused;
	conn_deafen(c, false);
}

static void
end_giving(bool all)
{
	loop_timer_stop(&give.again);
	loop_remove(give.fd);
	close(give.fd);
	give.fd = -1;
	pack_free(&give.now);
	if (give.conn)
		conn_leaving(give.conn, false);
	give.conn = NULL;
	if (give.running && !all)
		conn_each(hear_again, NULL);
	give.running = false;
	give.done(all);
}

/* Put a head before what was packed behind room for it. */
static void
begin_record(void)
{
	give.now.n = 0;
	give.at = 0;
	pack_raw(&give.now, &(struct record_head){0}, sizeof(struct record_head));
}

static void
finish_record(enum kind kind, struct conn *c)
{
	struct record_head head = {(uint32_t)(give.now.n - sizeof(head)), kind};

	memcpy(give.now.bytes, &head, sizeof(head));
	give.conn = c;
	if (c)
		conn_leaving(c, true);
}

/* 1: all of the record is sent; 0: the socket is full; -1: the other side has gone. */
static int
send_record(void)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {give.now.bytes + give.at, give.now.n - give.at};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (give.at == 0 && give.conn) {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		*CMSG_FIRSTHDR(&msg) =
		    (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &give.conn->fd, sizeof(int));
	}
	n = sendmsg(give.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ETOOMANYREFS ? 0 : -1;
	give.at += (size_t)n;
	return give.at == give.now.n;
}

static void
watch_out(bool on)
{
	if (give.want_out != on)
		loop_change(give.fd, EPOLLIN | (on ? EPOLLOUT : 0), &give.source);
	give.want_out = on;
}

struct choice {
	struct conn *conn;
};

/* One that can go: it stays packed in give.now. */
static bool
choose(struct conn *c, void *out)
{
	if (c->after_write || c->peer_closed || c->fenced || c->state == CONN_CLOSING)
		return false; /* it ends by itself in a moment */
	begin_record();
	if (!handover_pack_conn(c, &give.now)) {
		conn_deafen(
		    c, true); /* what it asked is answered; what it asks next is read over there */
		return false;
	}
	((struct choice *)out)->conn = c;
	return true;
}

/* Close what is left, as it would be at a stop. */
static void
end_rest(struct conn *c, void *unused)
{
	(void)unused;
	conn_end(c, CLOSE_GOING_AWAY, "the relay is restarting");
}

static void
finish(void)
{
	begin_record();
	finish_record(DONE, NULL);
	while (send_record() == 0 && give.at < give.now.n && loop_now() < give.until)
		usleep(1000); /* nothing else is left to do */
	log_info("all connections handed over");
	end_giving(true);
}

static void
go_on(void)
{
	struct choice next;

	for (int i = 0; i < SLICE;) {
		int sent = give.at < give.now.n ? send_record() : 1;

		if (sent < 0) {
			end_giving(false);
			return;
		}
		watch_out(sent == 0);
		if (!sent)
			return;
		if (give.conn) {
			metrics->handed_over++;
			conn_let_go(give.conn);
			give.conn = NULL;
		}
		next.conn = NULL;
		if (!conn_find(choose, &next)) {
			give.now.n = give.at = 0;
			break;
		}
		finish_record(CONN, next.conn);
		i++;
	}
	if (!conn_count())
		finish();
	else
		loop_timer(&give.again, give.conn ? 0 : AGAIN_MS);
}

static void
on_again(struct timer *t)
{
	(void)t;
	if (!give.running) {
		if (!stream_live())
			loop_timer(&give.again, AGAIN_MS); /* places in the log mean nothing yet */
		else
			give.running = true;
	}
	if (!give.running)
		return;
	if (loop_now() >= give.until)
		conn_each(end_rest, NULL);
	if (loop_now() >= give.until + 2000)
		finish();
	else
		go_on();
}

static void
on_give_ready(struct source *s, uint32_t events)
{
	char word;
	ssize_t n;

	(void)s;
	if (give.fd < 0)
		return; /* it ended in this turn */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = recv(give.fd, &word, 1, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			log_warn("the new process has gone; this one goes on");
			end_giving(false);
			return;
		}
		if (n == 1 && word == READY) {
			log_info("handing over");
			listen_stop();
			give.until = loop_now() + PATIENCE_MS;
			begin_record();
			handover_pack_hello(&give.now);
			finish_record(HELLO, NULL);
			on_again(&give.again);
			return;
		}
	}
	if (events & EPOLLOUT && give.running)
		go_on();
}

void
handover_give(int fd, void (*done)(bool all))
{
	if (give.fd >= 0) {
		close(fd); /* one is under way */
		return;
	}
	give.fd = fd;
	give.done = done;
	give.running = give.want_out = false;
	give.source.ready = on_give_ready;
	give.again.fire = on_again;
	if (loop_add(fd, EPOLLIN, &give.source) < 0)
		end_giving(false);
}

/* ---- the new process ------------------------------------------------------------------------- */

static struct {
	struct source source;
	int fd;
	bool told, hello, done_came;
	struct pack in;
	int fds[FDS * 4], n_fds;
	size_t came;
	void (*done)(bool whole);
} take = {.fd = -1};

static void
end_taking(bool whole)
{
	loop_remove(take.fd);
	close(take.fd);
	take.fd = -1;
	for (int i = 0; i < take.n_fds; i++)
		close(take.fds[i]);
	take.n_fds = 0;
	pack_free(&take.in);
	take.done(whole);
}

static void
take_fds(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n && take.n_fds < FDS * 4; i++)
			memcpy(
			    &take.fds[take.n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

/* false when the record makes no sense. */
static bool
read_record(uint32_t kind, struct unpack *u)
{
	int fd;

	if (kind == HELLO)
		return take.hello = handover_read_hello(u);
	if (kind == DONE) {
		take.done_came = true;
		return true;
	}
	if (kind != CONN || !take.hello || !take.n_fds)
		return false;
	fd = take.fds[0];
	memmove(take.fds, take.fds + 1, (size_t)--take.n_fds * sizeof(int));
	if (!handover_read_conn(fd, u))
		log_error("a connection could not be taken over");
	take.came++;
	return true;
}

static bool
read_records(void)
{
	size_t at = 0;

	while (take.in.n - at >= sizeof(struct record_head)) {
		struct record_head head;
		struct unpack u;

		memcpy(&head, take.in.bytes + at, sizeof(head));
		if (head.n > RECORD_MAX)
			return false;
		if (take.in.n - at - sizeof(head) < head.n)
			break;
		u.p = take.in.bytes + at + sizeof(head);
		u.end = u.p + head.n;
		u.bad = false;
		if (!read_record(head.kind, &u))
			return false;
		at += sizeof(head) + head.n;
	}
	memmove(take.in.bytes, take.in.bytes + at, take.in.n - at);
	take.in.n -= at;
	return true;
}

static void
on_take_ready(struct source *s, uint32_t events)
{
	static uint8_t bytes[READ_SIZE];
	union {
		char room[CMSG_SPACE(FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.room,
	    .msg_controllen = sizeof(control.room)};
	ssize_t n;

	(void)s;
	(void)events;
	for (int i = 0; i < SLICE && take.fd >= 0; i++) {
		msg.msg_controllen = sizeof(control.room);
		n = recvmsg(take.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > 0) {
			take_fds(&msg);
			pack_raw(&take.in, bytes, (size_t)n);
		}
		if (n <= 0 || !read_records() || take.done_came)
			end_taking(take.done_came);
	}
}

void
handover_check(void)
{
	if (take.fd < 0 || take.told || !stream_live() || !pg_up())
		return;
	take.told = true;
	if (send(take.fd, &(char){READY}, 1, MSG_NOSIGNAL) != 1)
		end_taking(false);
}

void
handover_take(int fd, void (*done)(bool whole))
{
	if (take.fd >= 0) {
		close(fd); /* one at a time */
		return;
	}
	take.fd = fd;
	take.told = take.hello = take.done_came = false;
	take.done = done;
	take.source.ready = on_take_ready;
	if (loop_add(fd, EPOLLIN, &take.source) < 0)
		end_taking(false);
	else
		handover_check();
}

void
handover_stop(void)
{
	if (give.fd >= 0)
		end_giving(false);
	if (take.fd >= 0 && !take.told)
		end_taking(false);
}
