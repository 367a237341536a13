/* predecessor: see predecessor.h. */
#include "predecessor.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loop.h"
#include "map.h"
#include "pg.h"

enum {
	NEAR_MS =
	    8000, /* the sweeper has brought what was missing; less than what loads begin early */
	BATCH = 512,
	RETRY_MS = 250,
	ITEM_TEXT = UID_TEXT + 1,
	NUMBER_TEXT = 21,
};

static const char LOOK_UP[] =
    "SELECT w.n FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) WITH ORDINALITY"
    " AS w(conversation_id, seq, after, n) JOIN message m ON m.conversation_id = w.conversation_id"
    " AND m.seq = w.seq AND m.created_at > to_timestamp(w.after / 1000.0)";

static struct {
	void (*came)(void);
	struct predecessor *wanted, **wanted_tail;
	struct predecessor *asked[BATCH]; /* with the database now */
	int n_asked;
	int64_t gone_from, gone_to; /* the last time that Redis was gone */
	struct timer retry;
} before;

void
predecessor_redis_was_gone(int64_t from_ms, int64_t to_ms)
{
	before.gone_from = from_ms;
	before.gone_to = to_ms;
}

struct predecessor *
predecessor_get(struct uid conversation, int64_t seq, uint64_t ms, uint64_t edge_ms)
{
	struct predecessor *p = must_zalloc(sizeof(*p));
	int64_t at = (int64_t)ms;

	p->refs = 2; /* being wanted, and the caller's */
	p->conversation = conversation;
	p->seq = seq - 1;
	p->after = at - NEAR_MS;
	if (at >= before.gone_from && at < before.gone_to + NEAR_MS &&
	    p->after > before.gone_from - NEAR_MS)
		p->after = before.gone_from - NEAR_MS;
	if (p->after < (int64_t)edge_ms)
		p->after = (int64_t)edge_ms;
	*before.wanted_tail = p;
	before.wanted_tail = &p->next_wanted;
	return p;
}

void
predecessor_put(struct predecessor *p)
{
	if (--p->refs == 0)
		free(p);
}

/* ---- looking up ----------------------------------------------------------------------------- */

static void
ask_again(void)
{
	for (int i = before.n_asked - 1; i >= 0; i--) {
		struct predecessor *p = before.asked[i];

		p->next_wanted = before.wanted;
		if (!before.wanted)
			before.wanted_tail = &p->next_wanted;
		before.wanted = p;
	}
	before.n_asked = 0;
	loop_timer(&before.retry, RETRY_MS);
}

static void
on_rows(void *ctx, const PGresult *res)
{
	uint64_t n;

	(void)ctx;
	if (!res) {
		ask_again();
		return;
	}
	for (int i = 0; i < PQntuples(res); i++) {
		memcpy(&n, PQgetvalue(res, i, 0), sizeof(n));
		n = be64toh(n);
		if (n >= 1 && n <= (uint64_t)before.n_asked)
			before.asked[n - 1]->answer = PREDECESSOR_NEAR;
	}
	for (int i = 0; i < before.n_asked; i++) {
		if (before.asked[i]->answer == PREDECESSOR_ASKED)
			before.asked[i]->answer = PREDECESSOR_OLD;
		predecessor_put(before.asked[i]);
	}
	before.n_asked = 0;
	before.came();
}

/* The next that somebody still waits for; NULL when there is none. */
static struct predecessor *
next_wanted(void)
{
	struct predecessor *p;

	while ((p = before.wanted)) {
		before.wanted = p->next_wanted;
		if (!before.wanted)
			before.wanted_tail = &before.wanted;
		p->next_wanted = NULL;
		if (p->refs > 1)
			return p;
		predecessor_put(p);
	}
	return NULL;
}

void
predecessor_flush(void)
{
	static char ids[2 + BATCH * ITEM_TEXT], seqs[2 + BATCH * NUMBER_TEXT],
	    times[2 + BATCH * NUMBER_TEXT];
	size_t a = 0, b = 0, c = 0;
	struct predecessor *p;

	if (!before.wanted || before.n_asked || before.retry.due || !pg_up())
		return;
	while (before.n_asked < BATCH && (p = next_wanted())) {
		char mark = before.n_asked ? ',' : '{';

		ids[a++] = mark;
		uid_text(p->conversation, ids + a);
		a += UID_TEXT;
		b += (size_t)sprintf(seqs + b, "%c%" PRId64, mark, p->seq);
		c += (size_t)sprintf(times + c, "%c%" PRId64, mark, p->after);
		before.asked[before.n_asked++] = p;
	}
	if (!before.n_asked)
		return;
	strcpy(ids + a, "}");
	strcpy(seqs + b, "}");
	strcpy(times + c, "}");
	pg_query(LOOK_UP, 3, (const char *[]){ids, seqs, times}, on_rows, NULL);
}

static void
on_retry(struct timer *t)
{
	(void)t;
	predecessor_flush();
}

void
predecessor_start(void (*came)(void))
{
	before.came = came;
	before.wanted_tail = &before.wanted;
	before.retry.fire = on_retry;
}
