/* queue: see queue.h.  Acknowledgements are in queue_ack.c and queue_elsewhere.c. */
#include "queue.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "conf.h"
#include "conn.h"
#include "deliver.h"
#include "loop.h"
#include "map.h"
#include "metrics.h"
#include "pg.h"
#include "queue_state.h"

enum {
	BATCH = 16,                    /* devices a statement */
	PAGE = 32,                     /* messages that are not in flight yet, for each of them */
	PAGE_BYTES = CONN_OWN_MAX / 2, /* of them; what a client says meanwhile is listened to */
	RETRY_MS = 250,
	LATE_MS =
	    1000, /* between the making of a message and its entry: somebody has repeated it */
	REMEMBER = 1024,   /* messages sent out of the database, to know them in the log */
	FORGET_MS = 60000, /* by then whatever the database had is out of the stream's way too */
};

static const char LOOK[] =
    "SELECT w.n, (q.m).id, message_for_device(q.m, w.device)::text FROM"
    " unnest($1::uuid[], $2::uuid[], $3::integer[]) WITH ORDINALITY AS w (account, device, most, n)"
    " CROSS JOIN LATERAL (SELECT m, row_number() OVER () AS k"
    " FROM device_queue(w.account, w.device, w.most) m) q ORDER BY w.n, q.k";

static struct {
	struct queue *wanted, **wanted_tail;
	struct queue *asked[BATCH]; /* with the database now; NULL: it has gone */
	int n_asked;
	struct timer retry;
} all = {.wanted_tail = &all.wanted};

/* ---- messages in flight --------------------------------------------------------------------- */

static uint32_t
window(void)
{
	return (uint32_t)conf_int("relay.queue_window");
}

static bool
in_flight(const struct queue *q, struct uid id)
{
	for (uint32_t i = 0; i < q->flying; i++)
		if (uid_same(q->flight[i], id))
			return true;
	return false;
}

void
queue_flies(struct queue *q, struct uid message)
{
	if (q->flying == q->flight_cap) {
		q->flight_cap = q->flight_cap ? 2 * q->flight_cap : 8;
		q->flight = must_realloc(q->flight, q->flight_cap * sizeof(*q->flight));
	}
	q->flight[q->flying++] = message;
}

void
queue_sent(struct conn *c, struct uid message)
{
	queue_flies(c->queue, message);
}

/* The database, asked before it was acknowledged, or the log may still bring it. */
static void
remember(struct queue *q, struct uid message)
{
	q->seen.limit = REMEMBER;
	recent_add(&q->seen, message);
}

static void want(struct queue *q);

void
queue_landed(struct queue *q, struct uid message)
{
	uint32_t i = 0;

	while (i < q->flying && !uid_same(q->flight[i], message))
		i++;
	if (i == q->flying)
		return;
	if (q->asking)
		remember(q, message);
	memmove(q->flight + i, q->flight + i + 1, (q->flying - i - 1) * sizeof(*q->flight));
	if (--q->flying == 0) {
		free(q->flight);
		q->flight = NULL;
		q->flight_cap = 0;
	}
	queue_opened(q);
	deliver_mark(q->conn); /* there is room again, for the log or the queue */
}

/* ---- the log -------------------------------------------------------------------------------- */

static bool
was_seen(const struct queue *q, struct uid id)
{
	return q->seen.size && recent_has(&q->seen, id);
}

bool
queue_draining(const struct conn *c)
{
	return c->queue && c->queue->draining;
}

void
queue_losing(struct conn *c)
{
	struct queue *q = c->queue;

	q->draining = true;
	q->again = q->asking;
	want(q);
}

/* Published not by its app but later, by the sweeper or a relay: perhaps a second time, since Redis
 * lost what it had, and perhaps the device has acknowledged it long ago. */
static bool
repeated(const struct rt_event *ev)
{
	uint64_t made_ms = ev->id.hi >> 16;

	return (ev->id.hi >> 12 & 0xf) == 7 && ev->pos.ms > made_ms + LATE_MS; /* a UUIDv7 */
}

enum queue_verdict
queue_judge(struct conn *c, const struct rt_event *ev, uint64_t place, uint32_t in_batch)
{
	struct queue *q = c->queue;

	if (!q || !q->on)
		return QUEUE_SEND;
	if (q->seen.size && loop_now() - q->drained_ms > FORGET_MS)
		recent_free(&q->seen);
	if (place < q->from || was_seen(q, ev->id))
		return QUEUE_PASS_OVER;
	if (repeated(ev)) { /* the database knows whether it waits */
		q->told |= !q->draining;
		queue_losing(c);
		return QUEUE_WAIT;
	}
	if (q->flying + in_batch < window())
		return QUEUE_SEND;
	queue_full(q);
	return QUEUE_WAIT;
}

/* ---- looking -------------------------------------------------------------------------------- */

/* Ask in the next turn, unless something stands in the way whose end will bring us here again. */
static void
want(struct queue *q)
{
	struct conn *c = q->conn;

	if (!q->draining || q->wanted || q->asking || c->state != CONN_LIVE ||
	    (c->out && c->out->n > c->out->at))
		return;
	if (q->flying >= window()) {
		queue_full(q);
		return;
	}
	q->wanted = true;
	q->next_wanted = NULL;
	*all.wanted_tail = q;
	all.wanted_tail = &q->next_wanted;
}

void
queue_rested(struct conn *c)
{
	if (c->queue)
		want(c->queue);
}

struct queue *
queue_of(struct conn *c)
{
	if (!c->queue) {
		c->queue = must_zalloc(sizeof(*c->queue));
		c->queue->conn = c;
	}
	return c->queue;
}

void
queue_begin(struct conn *c, bool again)
{
	struct queue *q = queue_of(c);

	if (q->on && !again)
		return;
	q->on = q->draining = true;
	q->again = q->asking;
	want(q);
}

static void
send_message(struct conn *c, struct uid id, const char *json, size_t n)
{
	struct rt_event ev = {.id = id,
	    .type = "message.new",
	    .type_n = sizeof("message.new") - 1,
	    .payload = json,
	    .payload_n = (uint32_t)n};
	struct frame *f = dialect_at(c->dialect)->event(&ev, NULL, 0, "", 0);

	conn_write(c, frame_bytes(f), frame_size(f));
	frame_put(f);
	queue_sent(c, id);
	remember(c->queue, id);
	metrics->queue_out++;
}

static bool
page_full(const struct conn *c)
{
	return c->out && c->out->n - c->out->at >= PAGE_BYTES;
}

/* Rows of asked[i], which begin at row; answers where they end. */
static int
take_rows(struct queue *q, const PGresult *res, int row, int i)
{
	int rows = PQntuples(res), first = row;
	bool left = false;
	uint64_t n;

	for (; row < rows; row++) {
		struct uid id;

		memcpy(&n, PQgetvalue(res, row, 0), sizeof(n));
		if (be64toh(n) != (uint64_t)i + 1)
			break;
		id = uid_from_bytes(PQgetvalue(res, row, 1));
		if (!q || in_flight(q, id) || was_seen(q, id))
			continue;
		left |= page_full(q->conn); /* the next look finds it and what follows */
		if (!left)
			send_message(
			    q->conn, id, PQgetvalue(res, row, 2), (size_t)PQgetlength(res, row, 2));
	}
	if (q && row - first < q->most && !q->again && !left)
		q->draining = false;
	return row;
}

static void
on_rows(void *unused, const PGresult *res)
{
	int row = 0, n = all.n_asked;

	(void)unused;
	all.n_asked = 0;
	for (int i = 0; i < n; i++) {
		struct queue *q = all.asked[i];

		if (q)
			q->asking = false;
		if (res)
			row = take_rows(q, res, row, i);
		if (!q || q->conn->state != CONN_LIVE)
			continue;
		q->again = false;
		if (!q->draining) {
			q->drained_ms = loop_now();
			if (!q->told)
				dialect_at(q->conn->dialect)->queue_empty(q->conn);
			q->told = false;
		}
		deliver_mark(q->conn); /* when all is written it goes on */
	}
	if (!res)
		loop_timer(&all.retry, RETRY_MS);
}

static int
put_ids(char *out, int n, struct uid id, int i)
{
	out[n++] = i ? ',' : '{';
	uid_text(id, out + n);
	return n + UID_TEXT;
}

void
queue_flush(void)
{
	static char accounts[2 + BATCH * (UID_TEXT + 1)], devices[sizeof(accounts)],
	    most[2 + BATCH * 12];
	int a = 0, d = 0, m = 0, i;
	struct queue *q;

	if (!all.wanted || all.n_asked || all.retry.due || !pg_up())
		return;
	for (i = 0; i < BATCH && (q = all.wanted); i++) {
		if (!(all.wanted = q->next_wanted))
			all.wanted_tail = &all.wanted;
		q->wanted = false;
		q->asking = true;
		q->from = q->conn->account->end; /* what the log has by now, the answer has */
		q->most = (int)(window() - q->flying < PAGE ? window() : q->flying + PAGE);
		all.asked[i] = q;
		a = put_ids(accounts, a, q->conn->account->id, i);
		d = put_ids(devices, d, q->conn->device, i);
		m += sprintf(most + m, "%c%d", i ? ',' : '{', q->most);
	}
	all.n_asked = i;
	strcpy(accounts + a, "}");
	strcpy(devices + d, "}");
	strcpy(most + m, "}");
	pg_query(LOOK, 3, (const char *[]){accounts, devices, most}, on_rows, NULL);
}

static void
on_retry(struct timer *t)
{
	(void)t;
	queue_flush();
}

static void
leave_wanted(struct queue *q)
{
	struct queue **at = &all.wanted;

	while (*at != q)
		at = &(*at)->next_wanted;
	if (!(*at = q->next_wanted))
		all.wanted_tail = at;
}

void
queue_forget(struct conn *c)
{
	struct queue *q = c->queue;

	if (!q)
		return;
	if (q->wanted)
		leave_wanted(q);
	for (int i = 0; q->asking && i < all.n_asked; i++)
		if (all.asked[i] == q)
			all.asked[i] = NULL;
	queue_ack_forget(q);
	queue_elsewhere_forget(q);
	recent_free(&q->seen);
	free(q->flight);
	free(q);
	c->queue = NULL;
}

void
queue_start(void)
{
	all.retry.fire = on_retry;
	queue_elsewhere_start();
}
