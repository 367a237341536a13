/* missing: see missing.h. */
#include "missing.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf.h"
#include "log.h"
#include "loop.h"
#include "map.h"
#include "metrics.h"
#include "pg.h"
#include "stream.h"

enum {
	BATCH = 128,
	MOST = 64, /* messages of one conversation at a time */
	RETRY_MS = 250,
	NUMBER_TEXT = 21,
};

static const char LOOK_UP[] = "SELECT n, seq, id, fields FROM relay_missing($1, $2, $3)";

/* KEYS: the stream, the key of this message, for which no other relay publishes it for three
 * seconds. ARGV: length of the stream, then the fields. */
static const char PUBLISH[] = "if redis.call('SET', KEYS[2], '1', 'NX', 'PX', '3000') then"
			      " return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',"
			      " unpack(ARGV, 2)) end";

struct question {
	struct question *next;
	struct uid conversation;
	int64_t from, to, found; /* found: the first that is there; 0: none */
};

static struct {
	void (*gone)(struct uid conversation, int64_t seq);
	struct question *wanted, **tail, *asked[BATCH];
	int n_asked;
	struct timer retry;
} missing;

void
missing_ask(struct uid conversation, int64_t from, int64_t to)
{
	struct question *q = must_zalloc(sizeof(*q));

	q->conversation = conversation;
	q->from = from;
	q->to = to - from < MOST ? to : from + MOST - 1;
	*missing.tail = q;
	missing.tail = &q->next;
}

/* ---- publishing ------------------------------------------------------------------------------ */

static void
on_published(void *ctx, const redisReply *reply)
{
	(void)ctx;
	if (reply && reply->type == REDIS_REPLY_ERROR)
		log_error("a missing message cannot be published", "why", reply->str);
	else if (reply && reply->type == REDIS_REPLY_STRING)
		metrics->gaps_filled++;
}

/* fields: a text[] of names and values, as PostgreSQL sends it: three words of head, then for the
 * one dimension its length and lower bound, then each element after its size. */
static void
publish(struct uid id, const char *fields, int size)
{
	enum { FIXED = 6, HEAD = 20, FIELDS = 24 };
	const char *argv[FIXED + FIELDS], *at = fields + HEAD, *end = fields + size;
	char key[16 + UID_TEXT + 1] = "rt:missing:", keep[NUMBER_TEXT];
	size_t length[FIXED + FIELDS];
	int argc = FIXED;
	uint32_t n;

	uid_text(id, key + strlen(key));
	snprintf(keep, sizeof(keep), "%" PRId64, conf_int("events.stream_keep"));
	memcpy(
	    argv, (const char *[]){"EVAL", PUBLISH, "2", "rt", key, keep}, FIXED * sizeof(*argv));
	for (int i = 0; i < FIXED; i++)
		length[i] = strlen(argv[i]);
	while (end - at >= 4 && argc < FIXED + FIELDS) {
		memcpy(&n, at, sizeof(n));
		at += 4;
		n = be32toh(n);
		if (n > (size_t)(end - at))
			return;
		argv[argc] = at;
		length[argc++] = n;
		at += n;
	}
	rds_argv(stream_commands(), on_published, NULL, argc, argv, length);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int64_t
number_at(const PGresult *res, int row, int column)
{
	uint64_t n;

	memcpy(&n, PQgetvalue(res, row, column), sizeof(n));
	return (int64_t)be64toh(n);
}

static void
take_row(const PGresult *res, int row)
{
	int64_t n = number_at(res, row, 0), seq = number_at(res, row, 1);
	struct question *q = n >= 1 && n <= missing.n_asked ? missing.asked[n - 1] : NULL;

	if (!q)
		return;
	if (!q->found)
		q->found = seq;
	publish(uid_from_bytes(PQgetvalue(res, row, 2)), PQgetvalue(res, row, 3),
	    PQgetlength(res, row, 3));
}

static void
ask_again(void)
{
	for (int i = missing.n_asked - 1; i >= 0; i--) {
		struct question *q = missing.asked[i];

		q->next = missing.wanted;
		if (!missing.wanted)
			missing.tail = &q->next;
		missing.wanted = q;
	}
	missing.n_asked = 0;
	loop_timer(&missing.retry, RETRY_MS);
}

static void
on_rows(void *unused, const PGresult *res)
{
	int n = missing.n_asked;

	(void)unused;
	if (!res) {
		ask_again();
		return;
	}
	for (int i = 0; i < PQntuples(res); i++)
		take_row(res, i);
	missing.n_asked = 0;
	for (int i = 0; i < n; i++) {
		struct question *q = missing.asked[i];
		int64_t last = q->found ? q->found - 1 : q->to;

		if (last >= q->from)
			missing.gone(q->conversation, last);
		free(q);
	}
}

void
missing_flush(void)
{
	static char ids[2 + BATCH * (UID_TEXT + 1)], from[2 + BATCH * NUMBER_TEXT],
	    to[2 + BATCH * NUMBER_TEXT];
	size_t a = 0, b = 0, c = 0;
	struct question *q;

	if (!missing.wanted || missing.n_asked || missing.retry.due || !pg_up())
		return;
	while (missing.n_asked < BATCH && (q = missing.wanted)) {
		char mark = missing.n_asked ? ',' : '{';

		if (!(missing.wanted = q->next))
			missing.tail = &missing.wanted;
		q->next = NULL;
		q->found = 0;
		ids[a++] = mark;
		uid_text(q->conversation, ids + a);
		a += UID_TEXT;
		b += (size_t)sprintf(from + b, "%c%" PRId64, mark, q->from);
		c += (size_t)sprintf(to + c, "%c%" PRId64, mark, q->to);
		missing.asked[missing.n_asked++] = q;
	}
	strcpy(ids + a, "}");
	strcpy(from + b, "}");
	strcpy(to + c, "}");
	pg_query(LOOK_UP, 3, (const char *[]){ids, from, to}, on_rows, NULL);
}

static void
on_retry(struct timer *t)
{
	(void)t;
	missing_flush();
}

void
missing_start(void (*gone)(struct uid conversation, int64_t seq))
{
	missing.gone = gone;
	missing.tail = &missing.wanted;
	missing.retry.fire = on_retry;
}
