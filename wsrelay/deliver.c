/* deliver: see deliver.h. */
#include "deliver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "account.h"
#include "conn.h"
#include "deflate.h"
#include "evlog.h"
#include "map.h"
#include "metrics.h"
#include "queue.h"
#include "replay.h"
#include "sign_in.h"
#include "stream.h"

enum { PIECES = 64, ROUNDS = 16, SHED_AFTER_MS = 3000 };

enum kind { REST, BYTES, REPLAY, LOG };

struct piece {
	enum kind kind;
	struct frame *frame; /* a reference of REPLAY and LOG pieces */
	size_t n;
	uint64_t after; /* LOG: the place to go on from */
	bool fence;     /* nothing may follow it */
	uint32_t shed;  /* typing and presence passed over behind it */
	bool queued;    /* a message that its device has to acknowledge */
	struct uid message;
};

struct batch {
	struct iovec iov[PIECES];
	struct piece piece[PIECES];
	int n;
};

static struct conn *dirty;
static size_t slow;

/* ---- who has something to write ------------------------------------------------------------- */

void
deliver_mark(struct conn *c)
{
	if (c->dirty || c->want_out || c->leaving)
		return; /* a full socket reports when it has room */
	c->dirty = true;
	c->next_dirty = dirty;
	dirty = c;
}

void
deliver_forget(struct conn *c)
{
	struct conn **at = &dirty;

	slow -= c->want_out;
	c->want_out = false;
	if (!c->dirty)
		return;
	while (*at != c)
		at = &(*at)->next_dirty;
	*at = c->next_dirty;
	c->dirty = false;
}

size_t
deliver_slow(void)
{
	return slow;
}

void
deliver_wake(struct account *a)
{
	for (struct conn *c = a->conns; c; c = c->next_of_account)
		deliver_mark(c);
}

void
deliver_flush(void)
{
	struct conn *c;

	while ((c = dirty)) {
		dirty = c->next_dirty;
		c->dirty = false;
		deliver_now(c);
	}
}

void
deliver_losing(struct account *a, uint64_t place)
{
	struct entry *e = evlog_at(account_entry(a, place));

	for (struct conn *c = a->conns; c; c = c->next_of_account) {
		if (c->state != CONN_LIVE || c->next > place || c->fenced || c->leaving)
			continue;
		c->next = place + 1;
		if (!deliver_due(c, e->ev) || e->ev->ephemeral)
			continue;
		if (c->wants_queue && e->ev->seq) {
			queue_losing(c);
			continue;
		}
		metrics->lost_place++;
		conn_end(c, CLOSE_LOST_PLACE, "too far behind: sync over REST");
	}
}

void
deliver_place(const struct conn *c, struct cursor_set *out)
{
	struct cursor walked;

	*out = (struct cursor_set){0};
	if (c->out && c->out->received)
		*out = *c->out->received;
	if (c->state != CONN_LIVE || c->next == UINT64_MAX)
		return; /* of the log it has had nothing yet */
	if (c->next < c->account->end)
		evlog_cursor_before(account_entry(c->account, c->next), &walked);
	else
		stream_cursor(&walked);
	/* When there were too many parts, what it received twice would be less bad than a loss. */
	cursor_set_add(out, &walked);
}

/* ---- what is due ---------------------------------------------------------------------------- */

static bool
names_device(const struct rt_event *ev, struct uid device)
{
	for (uint32_t i = 0; i < ev->n_devices; i++)
		if (uid_same(ev->devices[i], device))
			return true;
	return false;
}

bool
deliver_due(const struct conn *c, const struct rt_event *ev)
{
	if (ev->has_except && uid_same(ev->except, c->device))
		return false;
	if (ev->n_devices && !names_device(ev, c->device))
		return false;
	return !(c->out && c->out->received &&
		 cursor_set_covers(c->out->received, ev->pos, rt_event_tag(ev), ev->seq));
}

/* The frame with the log's own cursor: shared, unless each device is given something else. */
static struct frame *
plain_frame(const struct conn *c, struct entry *e)
{
	char text[CURSOR_TEXT];
	struct cursor now;

	if (!e->ev->bodies)
		return frame_ref(evlog_frame(e, c->dialect));
	evlog_cursor(e, &now);
	return dialect_event(c, e->ev, text, cursor_format(NULL, &now, stream_epoch(), text));
}

/* After a resume the log's cursors may know less than the client has received; then it gets a frame
 * of its own whose cursor is the union.  As soon as a cursor of the log says it all, the client is
 * like any other. */
static struct frame *
frame_for(struct conn *c, struct entry *e)
{
	struct cursor_set *received = c->out ? c->out->received : NULL, sum;
	char text[CURSOR_TEXT];
	struct cursor now, *rest;
	size_t n;

	if (!received)
		return plain_frame(c, e);
	evlog_cursor(e, &now);
	for (int i = 0; i < received->parts; i++) {
		if (cursor_contains(&now, &received->part[i]))
			continue;
		sum = *received;
		rest = cursor_set_add(&sum, &now) ? NULL : &now;
		n = cursor_format(&sum, rest, stream_epoch(), text);
		return dialect_event(c, e->ev, text, n);
	}
	free(received);
	c->out->received = NULL;
	return plain_frame(c, e);
}

/* What goes to this connection for a frame, which is given away for it. */
static struct frame *
negotiated(const struct conn *c, struct frame *f, struct entry *e)
{
	struct frame *best;
	size_t grown;

	if (!c->deflate)
		return f;
	best = frame_ref(deflate_frame(f, c->deflate, &grown));
	if (e && f == e->frame[c->dialect])
		evlog_grew(e, grown);
	frame_put(f);
	return best;
}

static struct piece *
add(struct batch *b, enum kind kind, const void *p, size_t n)
{
	struct piece *piece = &b->piece[b->n];

	b->iov[b->n] = (struct iovec){(void *)p, n};
	b->n++;
	*piece = (struct piece){.kind = kind, .n = n};
	return piece;
}

static void
gather_own(const struct conn *c, struct batch *b)
{
	struct conn_out *out = c->out;

	if (out->rest)
		add(b, REST, frame_bytes(out->rest) + out->rest_at,
		    frame_size(out->rest) - out->rest_at);
	if (out->n > out->at)
		add(b, BYTES, out->bytes + out->at, out->n - out->at);
	if (c->state != CONN_LIVE)
		return; /* the verdict goes first */
	for (uint32_t i = out->replay_at; i < out->replay_n && b->n < PIECES; i++) {
		struct frame *f = negotiated(c, frame_ref(out->replay[i]), NULL);

		add(b, REPLAY, frame_bytes(f), frame_size(f))->frame = f;
	}
}

static bool
stale(const struct entry *e)
{
	return e->ev->ephemeral && loop_now() - e->logged_ms > SHED_AFTER_MS;
}

/* It waits for its queue, or for acknowledgements: not for the end of its session. */
static void
wait_for_queue(struct conn *c)
{
	c->fenced = sign_in_was_revoked(c->session);
}

static void
gather_log(struct conn *c, struct batch *b)
{
	struct piece *last = NULL;
	uint32_t queued = 0;

	for (uint64_t k = c->next; k < c->account->end && b->n < PIECES; k++) {
		struct entry *e = evlog_at(account_entry(c->account, k));
		bool ends = e->ev->revokes && uid_same(e->ev->session, c->session);
		bool due = deliver_due(c, e->ev);

		if (due && stale(e)) {
			if (last)
				last->shed++;
			else
				metrics->shed++;
			due = false;
		}
		if (due && c->wants_queue && e->ev->seq) {
			enum queue_verdict verdict = queue_judge(c, e->ev, k, queued);

			if (verdict == QUEUE_WAIT && !b->n)
				wait_for_queue(c);
			if (verdict == QUEUE_WAIT)
				return;
			due = verdict == QUEUE_SEND;
		}
		if (due) {
			struct frame *f = negotiated(c, frame_for(c, e), e);

			last = add(b, LOG, frame_bytes(f), frame_size(f));
			last->frame = f;
			last->queued = c->wants_queue && e->ev->seq;
			last->message = e->ev->id;
			queued += last->queued;
		}
		*(last ? &last->after : &c->next) = k + 1;
		if (!ends)
			continue;
		if (last)
			last->fence = true;
		else
			c->fenced = true;
		return;
	}
}

static void
gather(struct conn *c, struct batch *b)
{
	b->n = 0;
	if (c->out)
		gather_own(c, b);
	if (c->state != CONN_LIVE || c->fenced || b->n == PIECES)
		return;
	if (queue_draining(c))
		wait_for_queue(c);
	else
		gather_log(c, b);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* n bytes of the piece were written; n > 0. */
static void
settle(struct conn *c, struct piece *p, size_t n)
{
	bool whole = n == p->n;
	struct conn_out *out;

	switch (p->kind) {
	case REST:
		c->out->rest_at += (uint32_t)n;
		if (whole) {
			frame_put(c->out->rest);
			c->out->rest = NULL;
			metrics->frames_out++;
		}
		return;
	case BYTES:
		c->out->at += (uint32_t)n;
		return;
	case REPLAY:
		frame_put(c->out->replay[c->out->replay_at++]);
		break;
	case LOG:
		c->next = p->after;
		c->fenced = p->fence;
		metrics->shed += p->shed;
		if (p->queued)
			queue_sent(c, p->message);
	}
	if (whole) {
		metrics->frames_out++;
		return;
	}
	out = conn_out(c);
	out->rest = frame_ref(p->frame);
	out->rest_at = (uint32_t)n;
}

static void
settle_all(struct conn *c, struct batch *b, size_t written)
{
	for (int i = 0; i < b->n; i++) {
		size_t n = b->piece[i].n < written ? b->piece[i].n : written;

		if (n)
			settle(c, &b->piece[i], n);
		written -= n;
		frame_put(b->piece[i].frame);
	}
}

/* It has walked all of the log: do the log's cursors say by now what it had received before? */
static void
forget_received(struct conn *c)
{
	struct cursor now;

	stream_cursor(&now);
	for (int i = 0; i < c->out->received->parts; i++)
		if (!cursor_contains(&now, &c->out->received->part[i]))
			return;
	free(c->out->received);
	c->out->received = NULL;
}

static void
tidy(struct conn *c)
{
	struct conn_out *out = c->out;

	free(out->bytes);
	out->bytes = NULL;
	out->n = out->at = out->cap = 0;
	if (c->state == CONN_REPLAY)
		return; /* the rest is being collected */
	free(out->replay);
	out->replay = NULL;
	out->replay_n = out->replay_at = out->replay_cap = 0;
	out->replay_bytes = 0;
	if (out->received && c->state == CONN_LIVE && !out->more)
		forget_received(c);
	if (!out->received) {
		free(out);
		c->out = NULL;
	}
}

static void
want_out(struct conn *c, bool want)
{
	if (c->want_out == want)
		return;
	c->want_out = want;
	metrics->slow += want;
	slow += want ? 1 : (size_t)-1;
	loop_change(c->fd, (c->deaf ? 0 : EPOLLIN) | (want ? EPOLLOUT : 0), &c->source);
}

/* Everything is written. */
static void
at_rest(struct conn *c)
{
	want_out(c, false);
	if (c->out)
		tidy(c);
	queue_rested(c);
	if (c->out && c->out->more && c->state == CONN_LIVE)
		replay_again(c);
	if (c->fenced && c->state == CONN_LIVE) {
		conn_end(c, CLOSE_FORBIDDEN, "session revoked");
		return;
	}
	if (c->peer_closed || (c->after_write && c->state != CONN_CLOSING)) {
		conn_free(c);
	} else if (c->after_write && !c->shut) {
		c->shut = true;
		shutdown(c->fd, SHUT_WR);
	}
}

void
deliver_now(struct conn *c)
{
	struct batch b;
	struct msghdr msg = {.msg_iov = b.iov};
	ssize_t n;
	size_t total;

	for (int round = 0; round < ROUNDS && !c->leaving; round++) {
		gather(c, &b);
		if (!b.n) {
			at_rest(c);
			return;
		}
		msg.msg_iovlen = (size_t)b.n;
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		metrics->writes++;
		total = 0;
		for (int i = 0; i < b.n; i++)
			total += b.iov[i].iov_len;
		settle_all(c, &b, n > 0 ? (size_t)n : 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			conn_free(c);
			return;
		}
		metrics->bytes_out += n > 0 ? (uint64_t)n : 0;
		if (n < (ssize_t)total) {
			want_out(c, true);
			return;
		}
	}
	if (!c->leaving)
		want_out(c, true); /* others have their turn first */
}
