/* client: one connection, from connect() to its end; see crowd.h. */
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 1 << 18, EVENTS = 1024, HEAD_MOST = 8192, WATCHED = 40 };
enum { OP_TEXT = 1, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

/* Any key will do: it proves nothing to us. */
static const char HANDSHAKE[] =
    "GET %s%s%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n";
static const char NCHAN_META[] = "Sec-WebSocket-Protocol: ws+meta.nchan\r\n";

static struct {
	int epoll;
	struct sockaddr_in target;
	struct {
		int fd;
		void (*fn)(void);
	} watched[WATCHED];
	int n_watched;
	uint8_t bytes[READ_SIZE];
} self;

/* ---- beginning and end ----------------------------------------------------------------------- */

static void
interest(struct client *c, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = c};

	if (epoll_ctl(self.epoll, op, c->fd, &e) < 0)
		fail("epoll_ctl: %s", strerror(errno));
}

void
client_drop(struct client *c)
{
	struct linger at_once = {.l_onoff = 1}; /* a reset: no port is kept waiting */

	if (c->state == IDLE)
		return;
	crowd.n_ready -= c->state == READY;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(c->fd);
	free(c->rest);
	c->rest = NULL;
	c->rest_n = 0;
	c->state = IDLE;
	queue_forget(c);
}

/* It ended without our doing: come back after a pause that grows. */
static void
ended(struct client *c)
{
	uint64_t pause = 50000000ull << (c->tries < 5 ? c->tries : 5);

	if (c->state == READY) {
		crowd.counts.lost++;
		c->began = 0;
	} else {
		crowd.counts.failed++;
	}
	client_drop(c);
	c->tries++;
	c->lost = true;
	c->retry_at = now_ns() + pause / 2 + (uint64_t)random() % pause;
}

void
client_begin(struct client *c)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	int one = 1;

	c->lost = false;
	if (!c->began)
		c->began = now_ns();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fail("socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* The port is chosen at connect(), so each address has all ports for each target. */
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (crowd.receive_buffer)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &crowd.receive_buffer,
		    sizeof(crowd.receive_buffer));
	inet_pton(AF_INET, c->source, &from.sin_addr);
	if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		fail("bind to %s: %s", c->source, strerror(errno));
	c->state = CONNECTING;
	if (connect(c->fd, (struct sockaddr *)&self.target, sizeof(self.target)) < 0 &&
	    errno != EINPROGRESS) {
		ended(c);
		return;
	}
	interest(c, EPOLL_CTL_ADD, EPOLLOUT);
}

void
client_pause(struct client *c, bool pause)
{
	if (c->paused == pause || c->state == IDLE)
		return;
	c->paused = pause;
	interest(c, EPOLL_CTL_MOD, pause ? 0 : EPOLLIN);
}

/* ---- what we say ----------------------------------------------------------------------------- */

/* All that we say is short: it fits the socket, or the connection is as good as lost. */
static void
put(struct client *c, const void *p, size_t n)
{
	if (send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
		ended(c);
}

static void
put_frame(struct client *c, int op, const void *p, size_t n)
{
	static uint8_t out[16384];
	size_t head = n < 126 ? 2 : 4;

	if (n + 8 > sizeof(out))
		fail("a message of %zu bytes is too long", n);
	out[0] = (uint8_t)(0x80 | op);
	out[1] = (uint8_t)(0x80 | (n < 126 ? n : 126));
	if (n >= 126) {
		out[2] = (uint8_t)(n >> 8);
		out[3] = (uint8_t)n;
	}
	memset(out + head, 0, 4); /* a mask of zeros */
	memcpy(out + head + 4, p, n);
	put(c, out, head + 4 + n);
}

void
client_say(struct client *c, const char *text, size_t n)
{
	put_frame(c, OP_TEXT, text, n);
}

static void
say_handshake(struct client *c)
{
	char text[HEAD_MOST];
	bool resume = crowd.nchan && c->cursor_n;
	int n = snprintf(text, sizeof(text), HANDSHAKE, c->path, resume ? "&last_event_id=" : "",
	    resume ? c->cursor : "", crowd.target,
	    crowd.nchan && crowd.keep_cursors ? NCHAN_META : "");

	c->state = UPGRADING;
	interest(c, EPOLL_CTL_MOD, EPOLLIN);
	put(c, text, (size_t)n);
}

static void
say_auth(struct client *c)
{
	char text[HEAD_MOST];
	bool resume = c->cursor_n && !c->queue;
	int n = snprintf(text, sizeof(text), "{\"type\":\"auth\",\"token\":\"%s\"%s%s%s%s}",
	    c->token, resume ? ",\"resume\":\"" : "", resume ? c->cursor : "", resume ? "\"" : "",
	    c->queue ? ",\"queue\":true" : "");

	c->state = SIGNING;
	put_frame(c, OP_TEXT, text, (size_t)n);
}

/* ---- what arrives ---------------------------------------------------------------------------- */

static void
keep_cursor(struct client *c, const char *from, const char *end, char last)
{
	const char *stop = memchr(from, last, (size_t)(end - from));

	if (!stop)
		return;
	c->cursor_n = (size_t)(stop - from);
	if (c->cursor_n + 1 > c->cursor_cap) {
		c->cursor_cap = c->cursor_n + 64;
		c->cursor = realloc(c->cursor, c->cursor_cap);
	}
	memcpy(c->cursor, from, c->cursor_n);
	c->cursor[c->cursor_n] = '\0';
}

static void
take_cursor(struct client *c, const char *text, size_t n)
{
	static const char name[] = "\"cursor\":\"";
	const char *at = memmem(text, n, name, sizeof(name) - 1);

	if (at)
		keep_cursor(c, at + sizeof(name) - 1, text + n, '"');
}

static void
ready(struct client *c, const char *text, size_t n)
{
	c->state = READY;
	c->tries = 0;
	crowd.n_ready++;
	crowd.counts.ready++;
	if (c->queue && crowd.on_other)
		crowd.on_other(c, "begun", text, n);
	if (c->cursor_n && !c->queue && text) {
		bool recovered = memmem(text, n, "\"recovered\":true", 16);

		crowd.counts.resumed += recovered;
		crowd.counts.not_resumed += !recovered;
		if (!recovered && crowd.on_other)
			crowd.on_other(c, "unrecovered", text, n);
	}
	if (crowd.keep_cursors && text && !memmem(text, n, "\"recovered\":true", 16))
		take_cursor(c, text, n);
	if (crowd.on_ready)
		crowd.on_ready(c);
}

static void
on_text(struct client *c, const char *text, size_t n)
{
	static const char event[] = "{\"type\":\"message.new\"";

	if (crowd.nchan && crowd.keep_cursors && n > 4 && !memcmp(text, "id: ", 4)) {
		const char *body = memmem(text, n, "\n\n", 2);

		keep_cursor(c, text + 4, text + n, '\n');
		n -= body ? (size_t)(body + 2 - text) : 0;
		text = body ? body + 2 : text;
	}
	if (c->state == SIGNING && n > 15 && !memcmp(text, "{\"type\":\"ready\"", 15)) {
		ready(c, text, n);
		return;
	}
	if (n < sizeof(event) || memcmp(text, event, sizeof(event) - 1)) {
		if (crowd.keep_cursors)
			take_cursor(c, text, n);
		if (crowd.on_other)
			crowd.on_other(c, "text", text, n);
		return;
	}
	c->events++;
	crowd.counts.events++;
	if (crowd.keep_cursors && !crowd.nchan)
		take_cursor(c, text, n);
	crowd.on_event(c, text, n);
}

static void
on_frame(struct client *c, uint8_t op, const uint8_t *p, size_t n)
{
	if (op == OP_TEXT) {
		on_text(c, (const char *)p, n);
	} else if (op == OP_PING) {
		put_frame(c, OP_PONG, p, n);
	} else if (op == OP_CLOSE) {
		crowd.counts.closed++;
		if (crowd.on_other)
			crowd.on_other(c, "close", (const char *)p, n);
		ended(c);
	}
}

/* Frames that are whole; answers how many bytes they were. */
static size_t
on_frames(struct client *c, const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (n - at >= 2 && c->state != IDLE) {
		uint64_t length = p[at + 1] & 0x7f;
		size_t head = length < 126 ? 2 : length == 126 ? 4 : 10;

		if (n - at < head)
			break;
		if (head > 2) {
			length = 0;
			for (size_t i = 2; i < head; i++)
				length = length << 8 | p[at + i];
		}
		if (n - at - head < length)
			break;
		on_frame(c, p[at] & 0x0f, p + at + head, (size_t)length);
		at += head + (size_t)length;
	}
	return at;
}

static size_t
on_head(struct client *c, const uint8_t *p, size_t n)
{
	const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);

	if (!end)
		return 0;
	if (n < 12 || memcmp(p + 9, "101", 3)) {
		if (crowd.on_other)
			crowd.on_other(c, "refused", (const char *)p, n < 60 ? n : 60);
		ended(c);
		return n;
	}
	if (crowd.nchan)
		ready(c, NULL, 0);
	else
		say_auth(c);
	return (size_t)(end + 4 - p);
}

static void
on_bytes(struct client *c, const uint8_t *p, size_t n)
{
	size_t used = c->state == UPGRADING ? on_head(c, p, n) : 0;

	if (c->state > UPGRADING)
		used += on_frames(c, p + used, n - used);
	if (c->state == IDLE)
		return; /* and what was kept is free */
	if (used == n) {
		free(c->rest);
		c->rest = NULL;
		c->rest_n = 0;
		return;
	}
	if (p != c->rest)
		c->rest = realloc(c->rest, n - used);
	memmove(c->rest, p + used, n - used);
	c->rest_n = n - used;
}

static void
on_input(struct client *c)
{
	ssize_t n = recv(c->fd, self.bytes, sizeof(self.bytes), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		ended(c);
		return;
	}
	crowd.counts.bytes += (uint64_t)n;
	if (!c->rest_n) {
		on_bytes(c, self.bytes, (size_t)n);
		return;
	}
	c->rest = realloc(c->rest, c->rest_n + (size_t)n);
	memcpy(c->rest + c->rest_n, self.bytes, (size_t)n);
	c->rest_n += (size_t)n;
	on_bytes(c, c->rest, c->rest_n);
}

/* ---- all of them ----------------------------------------------------------------------------- */

void
clients_watch(int fd, void (*fn)(void))
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = &self.watched[self.n_watched]};

	self.watched[self.n_watched].fd = fd;
	self.watched[self.n_watched++].fn = fn;
	if (epoll_ctl(self.epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		fail("epoll_ctl: %s", strerror(errno));
}

/* A descriptor that is another one now, under the same number. */
void
clients_watch_again(int fd)
{
	for (int i = 0; i < self.n_watched; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &self.watched[i]};

		if (self.watched[i].fd == fd)
			epoll_ctl(self.epoll, EPOLL_CTL_ADD, fd, &e);
	}
}

static void
come_back(void)
{
	static uint64_t looked;
	uint64_t now = now_ns();

	if (!crowd.come_back || now < looked + 10000000)
		return;
	looked = now;
	for (size_t i = 0; i < crowd.n; i++)
		if (crowd.clients[i].lost && now >= crowd.clients[i].retry_at)
			client_begin(&crowd.clients[i]);
}

void
clients_turn(int64_t most_ns)
{
	struct timespec most = {most_ns / 1000000000, most_ns % 1000000000};
	struct epoll_event events[EVENTS];
	int n = epoll_pwait2(self.epoll, events, EVENTS, &most, NULL);

	for (int i = 0; i < n; i++) {
		void *p = events[i].data.ptr;
		struct client *c = p;

		if ((char *)p >= (char *)self.watched &&
		    (char *)p < (char *)(self.watched + WATCHED))
			self.watched[((char *)p - (char *)self.watched) / sizeof(*self.watched)]
			    .fn();
		else if (c->state == CONNECTING)
			say_handshake(c);
		else if (c->state != IDLE)
			on_input(c);
	}
	come_back();
	queue_turn();
}

void
clients_start(void)
{
	char host[64];
	const char *colon = strrchr(crowd.target, ':');

	self.epoll = epoll_create1(EPOLL_CLOEXEC);
	self.target.sin_family = AF_INET;
	if (!colon || (size_t)(colon - crowd.target) >= sizeof(host))
		fail("%s is not HOST:PORT", crowd.target);
	memcpy(host, crowd.target, (size_t)(colon - crowd.target));
	host[colon - crowd.target] = '\0';
	self.target.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &self.target.sin_addr) != 1)
		fail("%s is not an address", host);
}
