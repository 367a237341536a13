/* conn: see conn.h. */
#include "conn.h"
#include "conn_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "account.h"
#include "call.h"
#include "capacity.h"
#include "deflate.h"
#include "deliver.h"
#include "limits.h"
#include "map.h"
#include "metrics.h"
#include "presence.h"
#include "queue.h"
#include "replay.h"
#include "share.h"
#include "sign_in.h"
#include "tally.h"
#include "typing.h"
#include "watch.h"
#include "wheel.h"

static struct {
	size_t count, live;
	uint64_t upgraded[DIALECTS];
} conns;

uint32_t
conn_clock(void)
{
	return (uint32_t)(loop_now() / 1000);
}

/* .ends is rounded up, so that nobody is sent away too early. */
long
conn_expires_in(const struct conn *c)
{
	return c->ends > conn_clock() ? (long)(c->ends - conn_clock()) - 1 : 0;
}

size_t
conn_count(void)
{
	return conns.count;
}

size_t
conn_count_live(void)
{
	return conns.live;
}

const uint64_t *
conn_count_upgraded(void)
{
	return conns.upgraded;
}

void
conn_upgraded(struct conn *c)
{
	c->state = CONN_OPEN;
	c->since = conn_clock();
	conns.upgraded[c->dialect]++;
}

/* ---- coming and going ----------------------------------------------------------------------- */

bool
conn_set_address(struct conn *c, uint64_t address)
{
	if (!limits_address_free(address))
		return false;
	c->address = address;
	if (address)
		tally_add(TALLY_ADDRESS, address, true);
	return true;
}

static void
count(int by)
{
	conns.count += (size_t)by;
	share_mine->sockets = conns.count;
}

void
conn_new(int fd, int dialect, uint64_t address, bool near)
{
	struct conn *c = must_zalloc(sizeof(*c));

	c->fd = fd;
	c->any_dialect = dialect < 0;
	c->near = near;
	c->dialect = (uint8_t)(dialect < 0 ? 0 : dialect);
	c->source.ready = conn_ready;
	c->state = CONN_HTTP;
	c->since = c->heard = c->pinged = conn_clock();
	metrics->accepted++;
	if (!conn_set_address(c, address) || loop_add(fd, EPOLLIN, &c->source) < 0) {
		if (c->address)
			tally_drop(TALLY_ADDRESS, c->address);
		close(fd);
		free(c);
		return;
	}
	wheel_enter(c);
	count(1);
}

bool
conn_adopt(struct conn *c)
{
	c->source.ready = conn_ready;
	if (loop_add(c->fd, EPOLLIN, &c->source) < 0)
		return false;
	if (c->address)
		tally_add(TALLY_ADDRESS, c->address, false);
	conns.upgraded[c->dialect] += c->state != CONN_HTTP;
	wheel_enter(c);
	count(1);
	return true;
}

static void
free_out(struct conn *c)
{
	struct conn_out *out = c->out;

	if (!out)
		return;
	for (uint32_t i = out->replay_at; i < out->replay_n; i++)
		frame_put(out->replay[i]);
	frame_put(out->rest);
	free(out->received);
	free(out->reached);
	free(out->replay);
	free(out->bytes);
	free(out);
	c->out = NULL;
}

void
conn_free_in(struct conn *c)
{
	if (!c->in)
		return;
	ws_free(&c->in->ws);
	free(c->in->head);
	free(c->in);
	c->in = NULL;
}

static void
leave_account(struct conn *c)
{
	struct account *a = c->account;

	if (!a)
		return;
	*(c->prev_of_account ? &c->prev_of_account->next_of_account : &a->conns) =
	    c->next_of_account;
	if (c->next_of_account)
		c->next_of_account->prev_of_account = c->prev_of_account;
	presence_left(c);
	a->n_conns--;
	tally_drop(TALLY_ACCOUNT, limits_account(c->dialect, a->id));
	c->account = NULL;
	account_put(a);
	conns.live--;
}

static void
free_parts(struct conn *c)
{
	free_out(c);
	conn_free_in(c);
	close(c->fd); /* which takes it out of the loop */
	c->fd = -1;
	loop_free_later(c);
}

void
conn_discard(struct conn *c)
{
	free_parts(c);
}

/* Nothing points at it any more. */
static void
detach(struct conn *c)
{
	if (c->state == CONN_REPLAY)
		replay_leave(c);
	conns.upgraded[c->dialect] -= c->state != CONN_HTTP;
	c->state = CONN_CLOSING;
	sign_in_forget(c);
	call_forget(c);
	queue_forget(c);
	typing_forget(c);
	watch_forget(c);
	deliver_forget(c);
	leave_account(c);
	if (c->address)
		tally_drop(TALLY_ADDRESS, c->address);
	wheel_leave(c);
	count(-1);
}

static void
watch_again(struct conn *c)
{
	loop_change(c->fd, (c->deaf ? 0 : EPOLLIN) | (c->want_out ? EPOLLOUT : 0), &c->source);
}

void
conn_deafen(struct conn *c, bool deaf)
{
	if (c->deaf == deaf)
		return;
	c->deaf = deaf;
	watch_again(c);
}

void
conn_leaving(struct conn *c, bool leaving)
{
	c->leaving = leaving;
	if (leaving) {
		loop_change(c->fd, 0, &c->source);
		return;
	}
	watch_again(c);
	deliver_mark(c);
}

void
conn_let_go(struct conn *c)
{
	loop_remove(c->fd); /* the socket lives on elsewhere, and would stay in our epoll */
	detach(c);
	free_parts(c);
}

void
conn_free(struct conn *c)
{
	if (c->fd < 0)
		return;
	if (c->state != CONN_HTTP)
		metrics_closed(c->code ? c->code : 1006);
	detach(c);
	free_parts(c);
}

void
conn_join(struct conn *c, struct account *a, bool fresh)
{
	tally_add(TALLY_ACCOUNT, limits_account(c->dialect, a->id), fresh);
	a->refs++;
	a->n_conns++;
	c->account = a;
	c->prev_of_account = NULL;
	c->next_of_account = a->conns;
	if (a->conns)
		a->conns->prev_of_account = c;
	a->conns = c;
	conns.live++;
	if (fresh)
		presence_came(c);
	c->heard = c->pinged = conn_clock();
}

/* ---- what we say ---------------------------------------------------------------------------- */

struct conn_out *
conn_out(struct conn *c)
{
	if (!c->out)
		c->out = must_zalloc(sizeof(*c->out));
	return c->out;
}

void
conn_write(struct conn *c, const void *p, size_t n)
{
	struct conn_out *out;

	if (c->fd < 0)
		return;
	out = conn_out(c);
	if (out->n + n > out->cap) {
		out->cap = (uint32_t)(out->n + n < 128 ? 128 : 2 * (out->n + n));
		out->bytes = must_realloc(out->bytes, out->cap);
	}
	memcpy(out->bytes + out->n, p, n);
	out->n += (uint32_t)n;
	deliver_mark(c);
}

void
conn_say(struct conn *c, const char *text, size_t n)
{
	uint8_t head[WS_HEAD_MAX];
	struct frame *f;

	if (c->state == CONN_CLOSING || c->state == CONN_HTTP)
		return;
	if (c->out && c->out->n - c->out->at > CONN_OWN_MAX) {
		conn_end(c, CLOSE_TOO_MANY, "answers are not read");
		return;
	}
	if (c->deflate && (f = deflate_text(text, n, c->deflate))) {
		conn_write(c, frame_bytes(f), frame_size(f));
		frame_put(f);
		return;
	}
	conn_write(c, head, ws_head(head, WS_TEXT, n));
	conn_write(c, text, n);
}

/* Those who may come back are told when, so that they do not all come at once. */
static const char *
advice(const struct conn *c, const char *reason, uint64_t account, char *out, size_t size)
{
	if (c->code < CLOSE_IDLE || c->code > CLOSE_GOING_AWAY)
		return reason;
	snprintf(
	    out, size, "%.90s; retry=%u", reason, capacity_delay_ms(c->dialect, account, true));
	return out;
}

void
conn_end(struct conn *c, unsigned code, const char *reason)
{
	conn_refuse(c, code, reason, c->account ? limits_account(c->dialect, c->account->id) : 0);
}

void
conn_refuse(struct conn *c, unsigned code, const char *reason, uint64_t account)
{
	uint8_t frame[2 + WS_CONTROL_MAX];
	char text[WS_CONTROL_MAX];

	if (c->fd < 0 || c->state == CONN_CLOSING || c->leaving)
		return;
	if (c->state == CONN_HTTP) {
		conn_free(c);
		return;
	}
	if (c->state == CONN_REPLAY)
		replay_leave(c);
	sign_in_forget(c);
	typing_forget(c);
	c->state = CONN_CLOSING;
	c->code = (uint16_t)code;
	c->since = conn_clock();
	conn_write(
	    c, frame, ws_close(frame, c->code, advice(c, reason, account, text, sizeof(text))));
	wheel_again(c);
}
