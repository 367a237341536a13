/* conn_read: see conn_read.h. */
#include "conn_read.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "conn.h"
#include "deliver.h"
#include "handshake.h"
#include "map.h"
#include "metrics.h"
#include "wheel.h"

enum {
	READ_SIZE = 65536, /* at most this a turn from one client */
	SAID_SECONDS = 10,
	SAID_MOST = 200, /* messages of a client in SAID_SECONDS */
};

/* ---- what the client says ------------------------------------------------------------------- */

static bool
says_too_much(struct conn *c)
{
	if (conn_clock() - c->said_since >= SAID_SECONDS) {
		c->said_since = conn_clock();
		c->said = 0;
	}
	return ++c->said > SAID_MOST;
}

static void
on_message(struct conn *c, struct ws_parser *p)
{
	metrics->messages_in++;
	if (c->state == CONN_CLOSING)
		return;
	if (says_too_much(c))
		conn_end(c, CLOSE_TOO_MANY, "too many messages");
	else if (p->message_op == WS_BINARY)
		conn_end(c, WS_CODE_DATA, "text is expected");
	else
		dialect_at(c->dialect)->message(c, (const char *)p->message, p->message_n);
}

/* The peer says goodbye: answer once, and that is the end. */
static void
on_close(struct conn *c, const struct ws_parser *p)
{
	unsigned code = p->close_code == WS_CODE_NONE ? WS_CODE_NORMAL : p->close_code;

	if (c->state != CONN_CLOSING)
		conn_end(c, code, "");
	c->peer_closed = true;
	deliver_mark(c);
}

static void
on_control(struct conn *c, struct ws_parser *p)
{
	uint8_t frame[WS_HEAD_MAX + WS_CONTROL_MAX];
	size_t n;

	if (p->control_op == WS_CLOSE) {
		on_close(c, p);
		return;
	}
	if (p->control_op == WS_PONG)
		wheel_pong(p->control, p->control_n);
	if (p->control_op == WS_PONG || c->state == CONN_CLOSING)
		return;
	if (says_too_much(c) || (c->out && c->out->n - c->out->at > CONN_OWN_MAX)) {
		conn_end(c, CLOSE_TOO_MANY, "too many pings");
		return;
	}
	n = ws_head(frame, WS_PONG, p->control_n);
	memcpy(frame + n, p->control, p->control_n);
	conn_write(c, frame, n + p->control_n);
}

/* A client that breaks the protocol is told so; what else it sends is not looked at. */
static void
on_fault(struct conn *c, const struct ws_parser *p)
{
	conn_end(c, p->code, p->why);
	c->after_write = true;
	deliver_mark(c);
}

static void
on_frames(struct conn *c, const uint8_t *p, size_t n)
{
	enum ws_got got;
	size_t used;

	if (!c->in) {
		c->in = must_zalloc(sizeof(*c->in));
		ws_init(&c->in->ws, CONN_MESSAGE_MAX);
		c->in->ws.deflate = c->deflate;
	}
	while (c->fd >= 0 && !c->peer_closed && !c->after_write) {
		got = ws_feed(&c->in->ws, p, n, &used);
		p += used;
		n -= used;
		if (got == WS_MESSAGE)
			on_message(c, &c->in->ws);
		else if (got == WS_CONTROL)
			on_control(c, &c->in->ws);
		else if (got == WS_FAULT)
			on_fault(c, &c->in->ws);
		else
			break;
	}
	if (c->in && ws_between(&c->in->ws))
		conn_free_in(c);
}

/* ---- the socket ----------------------------------------------------------------------------- */

static void
on_bytes(struct conn *c, const uint8_t *p, size_t n)
{
	metrics->bytes_in += n;
	c->heard = conn_clock();
	if (c->state == CONN_HTTP) {
		size_t used = handshake_feed(c, (const char *)p, n);

		if (c->fd < 0 || c->state == CONN_HTTP)
			return;
		conn_free_in(c);
		p += used;
		n -= used;
	}
	if (n)
		on_frames(c, p, n);
}

void
conn_ready(struct source *s, uint32_t events)
{
	static uint8_t bytes[READ_SIZE];
	struct conn *c = (struct conn *)s;
	ssize_t n;

	if (c->fd < 0 || c->leaving)
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			conn_free(c);
			return;
		}
		if (n > 0)
			on_bytes(c, bytes, (size_t)n);
	}
	if (c->fd >= 0 && events & EPOLLOUT)
		deliver_now(c);
}
