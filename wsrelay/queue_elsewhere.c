/*
 * queue_elsewhere: what a device acknowledged over REST or another connection, so that its window
 * opens.
 *
 * No event tells of all the ways in which a message leaves a device's queue, so the database is
 * asked: only about clients whose window is full while something waits behind it, and after pauses
 * that double while nothing comes of it.  Whether the device has acknowledged anything since the
 * last time is cheap to tell (its marks); only then, and the first time, all of its messages in
 * flight are looked up.
 */
#include <endian.h>
#include <string.h>
#include "account.h"
#include "conn.h"
#include "loop.h"
#include "metrics.h"
#include "pg.h"
#include "queue_state.h"

enum {
	TICK_MS = 100,
	PAUSE_FIRST_MS = 200,
	PAUSE_MOST_MS = 10000,
	DEVICES = 64,    /* a statement */
	IDS = 256,       /* of messages, a statement... */
	IDS_MOST = 1024, /* ...or those of one client */
};

/* How far its positions are in all, and how much it has acknowledged beyond them: with each
 * acknowledgement one of the two changes. */
static const char MARKS[] = "SELECT w.n, coalesce((SELECT sum(p.acked_seq) FROM device_position p"
			    " WHERE p.device_id = w.device), 0)::bigint,"
			    " (SELECT count(*) FROM device_ack a WHERE a.device_id = w.device)"
			    " FROM unnest($1::uuid[]) WITH ORDINALITY AS w (device, n)";

/* Those that do not wait any more. */
static const char LANDED[] =
    "SELECT w.n FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY"
    " AS w (account, device, message, n) WHERE NOT EXISTS (SELECT FROM message m"
    " LEFT JOIN device_position p"
    " ON p.device_id = w.device AND p.conversation_id = m.conversation_id"
    " CROSS JOIN LATERAL device_owed(w.account, w.device, m.conversation_id,"
    " greatest(m.seq - 1, p.acked_seq), m.seq) WHERE m.id = w.message)";

struct question {
	struct queue *queue; /* NULL: it has gone */
	struct uid message;
};

static struct {
	struct queue *full, **tail;      /* those with a full window, the next one first */
	struct question asked[IDS_MOST]; /* with the database now */
	uint32_t n_asked;
	struct timer tick;
} all = {.tail = &all.full};

/* ---- who waits ------------------------------------------------------------------------------ */

static void
enlist(struct queue *q)
{
	q->full = true;
	q->full_until = loop_now() + q->full_pause;
	q->next_full = NULL;
	*all.tail = q;
	all.tail = &q->next_full;
}

static void
unlist(struct queue **at)
{
	struct queue *q = *at;

	if (!(*at = q->next_full))
		all.tail = at;
	q->full = false;
}

void
queue_full(struct queue *q)
{
	if (q->full)
		return;
	q->full_pause = PAUSE_FIRST_MS;
	q->marked = q->suspect = false;
	enlist(q);
	if (!all.tick.due)
		loop_timer(&all.tick, TICK_MS);
}

void
queue_opened(struct queue *q)
{
	struct queue **at = &all.full;

	if (!q->full)
		return;
	while (*at != q)
		at = &(*at)->next_full;
	unlist(at);
}

void
queue_elsewhere_forget(struct queue *q)
{
	for (uint32_t i = 0; i < all.n_asked; i++)
		if (all.asked[i].queue == q)
			all.asked[i].queue = NULL;
	queue_opened(q);
}

/* ---- the messages in flight ----------------------------------------------------------------- */

static char texts[3][2 + IDS_MOST * (UID_TEXT + 1)]; /* parameters */

static void
put_id(char *text, uint32_t i, struct uid id)
{
	char *at = text + i * (UID_TEXT + 1);

	*at = i ? ',' : '{';
	uid_text(id, at + 1);
	strcpy(at + 1 + UID_TEXT, "}");
}

/* Whose question that row answers; NULL when it has gone. */
static struct question *
question_of(const PGresult *res, int row, uint32_t asked)
{
	uint64_t n;

	memcpy(&n, PQgetvalue(res, row, 0), sizeof(n));
	n = be64toh(n);
	return n >= 1 && n <= asked && all.asked[n - 1].queue ? &all.asked[n - 1] : NULL;
}

static void ask_landed(void);

static void
on_landed(void *unused, const PGresult *res)
{
	uint32_t asked = all.n_asked;
	struct question *a;

	(void)unused;
	all.n_asked = 0;
	for (uint32_t i = 0; !res && i < asked; i++)
		if (all.asked[i].queue)
			all.asked[i].queue->marked = false;
	for (int row = 0; res && row < PQntuples(res); row++) {
		if (!(a = question_of(res, row, asked)))
			continue;
		metrics->acks_elsewhere++;
		queue_landed(a->queue, a->message);
	}
	if (res)
		ask_landed();
}

static void
ask_landed(void)
{
	uint32_t n = 0;

	for (struct queue *q = all.full; q; q = q->next_full) {
		if (!q->suspect || (n && n + q->flying > IDS))
			continue;
		q->suspect = false;
		for (uint32_t i = 0; i < q->flying && n < IDS_MOST; i++, n++) {
			all.asked[n] = (struct question){q, q->flight[i]};
			put_id(texts[0], n, q->conn->account->id);
			put_id(texts[1], n, q->conn->device);
			put_id(texts[2], n, q->flight[i]);
		}
	}
	if (!(all.n_asked = n))
		return;
	metrics->queue_looks++;
	pg_query(LANDED, 3, (const char *[]){texts[0], texts[1], texts[2]}, on_landed, NULL);
}

/* ---- their marks ---------------------------------------------------------------------------- */

static void
take_marks(struct queue *q, const PGresult *res, int row)
{
	uint64_t mark[2];

	for (int i = 0; i < 2; i++)
		memcpy(&mark[i], PQgetvalue(res, row, 1 + i), sizeof(mark[i]));
	q->suspect |= !q->marked || memcmp(mark, q->mark, sizeof(mark)) != 0;
	q->marked = true;
	memcpy(q->mark, mark, sizeof(mark));
}

static void
on_marks(void *unused, const PGresult *res)
{
	uint32_t asked = all.n_asked;
	struct question *a;

	(void)unused;
	all.n_asked = 0;
	for (int row = 0; res && row < PQntuples(res); row++)
		if ((a = question_of(res, row, asked)))
			take_marks(a->queue, res, row);
	if (res)
		ask_landed();
}

/* Whoever is asked for comes to the end of the list. */
static void
on_tick(struct timer *t)
{
	struct queue **at = &all.full, *q;
	uint32_t n = 0;

	if (all.full)
		loop_timer(t, TICK_MS);
	if (all.n_asked || !pg_up())
		return;
	while ((q = *at) && n < DEVICES) {
		if (q->full_until > loop_now()) {
			at = &q->next_full;
			continue;
		}
		all.asked[n].queue = q;
		put_id(texts[0], n++, q->conn->device);
		q->full_pause *= 2;
		if (q->full_pause > PAUSE_MOST_MS)
			q->full_pause = PAUSE_MOST_MS;
		unlist(at);
		enlist(q);
	}
	if (!(all.n_asked = n))
		return;
	pg_query(MARKS, 1, (const char *[]){texts[0]}, on_marks, NULL);
}

void
queue_elsewhere_start(void)
{
	all.tick.fire = on_tick;
}
