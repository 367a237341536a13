/* sweep: see sweep.h. */
#include "sweep.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cache.h"
#include "clock.h"
#include "conf.h"
#include "core/message.h"
#include "db.h"
#include "err.h"
#include "event.h"
#include "idmap.h"
#include "idset.h"
#include "jobs_sql.h"
#include "log.h"
#include "req.h"
#include "stream.h"

enum {
	GRACE_MS = 1000,    /* from the first time a row is missed until it is repeated */
	BUSY = 200,         /* entries of one reading after which the next comes soon */
	MOST_ROWS = 200000, /* of one comparison */
	PAGE = 5000,        /* of them fetched at once: libpq keeps room for the largest answer */
	MOST_SEEN = 400000, /* entries remembered, 16 bytes each */
	CHUNK = SWEEP_CHUNK,
	MARK_MS = 5000, /* the mark moves by steps of at least that */
};

enum kind { EVENTS, MESSAGES, KINDS };

static struct {
	struct stream_place place;
	struct idset seen;    /* events in the stream */
	struct idmap missing; /* rows without an entry; when (clock_steady, ms) they were first
				 missed or last repeated */
	int64_t floor[KINDS]; /* rows older than this are not compared */
	bool primed;          /* .seen holds what the stream holds */
} sweep;

/* ---- the stream ----------------------------------------------------------------------------- */

static void
take(void *ctx, const struct id16 *id)
{
	idset_put(ctx, id);
}

static void
forget(void)
{
	idset_free(&sweep.seen);
	idmap_free(&sweep.missing);
	memset(sweep.floor, 0, sizeof sweep.floor);
	sweep.primed = false;
}

/* Read to the end of the stream. */
static int
read_tail(int64_t *entries)
{
	int err;

	*entries = 0;
	do {
		if ((err = stream_read(&sweep.place, take, &sweep.seen)))
			return err;
		if (sweep.place.another) {
			log_info("the stream is another one");
			forget();
		} else if (sweep.place.cut) {
			log_warn("the stream was cut before it was read");
		}
		*entries += sweep.place.entries;
	} while (sweep.place.more);
	return 0;
}

int
sweep_tail(struct req *r, struct report *out)
{
	int64_t entries;
	int err = read_tail(&entries);

	(void)r;
	out->again = entries > BUSY ? AGAIN_SOON : AGAIN_LATER;
	return err;
}

/* ---- the rows ------------------------------------------------------------------------------- */

/* A comparison under way. */
struct pass {
	int64_t most;   /* rows of a kind at most */
	int64_t now;    /* clock_steady in milliseconds */
	int64_t oldest; /* moment of the oldest row that is missing */
	struct idmap missing;
	struct kind_pass {
		int64_t rows;
		char before[ID16_TEXT]; /* what is older is yet to be fetched */
	} kinds[KINDS];
};

/* Rows of that kind younger than this (milliseconds since 1970) are compared. */
static int64_t
since(enum kind kind)
{
	int64_t from = sweep.place.swept - conf_int("jobs.sweep") * 1000;

	return from > sweep.floor[kind] ? from : sweep.floor[kind];
}

static void
raise_floor(enum kind kind, int64_t ms)
{
	if (ms <= sweep.floor[kind])
		return;
	log_info("older events are not compared with the stream", "kind",
	    kind == EVENTS ? "events" : "messages");
	sweep.floor[kind] = ms;
}

/* A page of one kind's ids, 32 digits each, the newest first.  Are there more? */
static bool
compare(struct pass *p, enum kind kind, const char *digits)
{
	size_t n = strlen(digits) / 32;
	struct id16 id = {0};

	for (size_t i = 0; i < n; i++) {
		const int64_t *first;
		char text[33] = "";

		memcpy(text, digits + 32 * i, 32);
		id16_parse(text, &id);
		if (idset_has(&sweep.seen, &id))
			continue;
		first = idmap_find(&sweep.missing, &id);
		idmap_put(&p->missing, &id, first ? *first : p->now);
		if (id16_ms(&id) < p->oldest)
			p->oldest = id16_ms(&id);
	}
	p->kinds[kind].rows += (int64_t)n;
	if (p->kinds[kind].rows >= p->most)
		raise_floor(kind, id16_ms(&id));
	/* Nothing is older than the zeros. */
	id16_text(&id, p->kinds[kind].before);
	if (n == PAGE && p->kinds[kind].rows < p->most)
		return true;
	id16_text(&(struct id16){0}, p->kinds[kind].before);
	return false;
}

static const char *
page_size(struct req *r, const struct pass *p, enum kind kind)
{
	int64_t left = p->most - p->kinds[kind].rows;

	return db_int_text(r, left < PAGE ? left : PAGE);
}

/* Fetch and compare the next page of each kind. */
static int
compare_page(struct req *r, struct pass *p, bool *more)
{
	const char *events = page_size(r, p, EVENTS), *messages = page_size(r, p, MESSAGES);
	struct db_res *res;
	int err = sql_jobs_recent(r, &res, db_int_text(r, since(EVENTS)), p->kinds[EVENTS].before,
	    events, db_int_text(r, since(MESSAGES)), p->kinds[MESSAGES].before, messages);

	if (err)
		return err;
	*more = compare(p, EVENTS, db_get(res, 0, "events"));
	*more |= compare(p, MESSAGES, db_get(res, 0, "messages"));
	return 0;
}

static int
compare_all(struct req *r, struct pass *p)
{
	struct req page = *r;
	bool more;
	int err;

	page.arena = arena_new();
	for (int kind = 0; kind < KINDS; kind++)
		id16_text(&(struct id16){UINT64_MAX, UINT64_MAX}, p->kinds[kind].before);
	do {
		err = compare_page(&page, p, &more);
		arena_reset(page.arena);
	} while (!err && more);
	arena_free(page.arena);
	return err;
}

/* Nobody asks for what is older than the rows that are compared. */
static void
forget_old(void)
{
	int64_t known = idset_bound(&sweep.seen, MOST_SEEN);
	bool freed = known > 0;

	for (int kind = 0; kind < KINDS; kind++)
		raise_floor(kind, known);
	freed |= idset_forget(
	    &sweep.seen, since(EVENTS) < since(MESSAGES) ? since(EVENTS) : since(MESSAGES));
	if (freed)
		malloc_trim(0);
}

/* Find what is missing, with p->oldest the moment before which nothing is. */
static int
find_missing(struct req *r, struct pass *p)
{
	struct db_res *horizon;
	int err;

	/* The horizon first: what it does not speak of is visible to the statements that follow. */
	if ((err = sql_jobs_horizon(r, &horizon)))
		return err;
	p->oldest = db_int(horizon, 0, "horizon");
	forget_old();
	if ((err = compare_all(r, p))) {
		idmap_free(&p->missing);
		return err;
	}
	idmap_free(&sweep.missing);
	sweep.missing = p->missing;
	sweep.primed = true;
	return 0;
}

/* ---- repeating ------------------------------------------------------------------------------ */

static int
compare_ids(const void *a, const void *b)
{
	return id16_compare(a, b);
}

/* The oldest of those that have been missing long enough, at most CHUNK; *more when there are
 * others. */
static int
due(struct req *r, int64_t now, struct id16 **out, bool *more)
{
	size_t n = 0;
	struct id16 *ids = arena_alloc(r->arena, (sweep.missing.used + 1) * sizeof *ids);

	for (size_t i = 0; i < sweep.missing.room; i++) {
		const struct idmap_entry *e = &sweep.missing.table[i];

		if (e->value && now - e->value >= GRACE_MS)
			ids[n++] = e->id;
	}
	qsort(ids, n, sizeof *ids, compare_ids);
	*out = ids;
	*more = n > CHUNK;
	return n > CHUNK ? CHUNK : (int)n;
}

static const char *
id_array(struct req *r, const struct id16 *ids, int n)
{
	const char *texts[CHUNK];

	for (int i = 0; i < n; i++) {
		char *text = arena_alloc(r->arena, ID16_TEXT);

		id16_text(&ids[i], text);
		texts[i] = text;
	}
	return db_array(r, texts, n);
}

/* Queue both kinds in the order they were made, a message before what was done to it; the ids in
 * that order. */
static int
queue_in_order(struct req *r, struct db_res *events, struct db_res *messages, struct id16 *order)
{
	int e = 0, m = 0, n = 0;

	while (e < db_rows(events) || m < db_rows(messages)) {
		bool message = m < db_rows(messages) &&
			       (e >= db_rows(events) || strcmp(db_get(messages, m, "created_at"),
							    db_get(events, e, "created_at")) <= 0);

		if (message) {
			struct message_view view = message_view_at(r, messages, m);

			view.bodies = db_get(messages, m, "bodies");
			message_announce(r, &view, db_get(messages, m, "member_version"),
			    db_get(messages, m, "recipients"));
			id16_parse(view.id, &order[n++]);
			m++;
		} else {
			event_queue_json(r, db_get(events, e, "event"));
			id16_parse(db_get(events, e, "id"), &order[n++]);
			e++;
		}
	}
	return n;
}

/* Put events into the stream.  Answers how many Redis took, or -1 when it did not take all. */
static int
repeat(struct req *r, const struct id16 *ids, int n, int64_t now)
{
	const char *list = id_array(r, ids, n);
	struct db_res *events, *messages;
	struct id16 order[CHUNK];
	int queued, took = 0;

	if (sql_jobs_events(r, &events, list) || sql_jobs_messages(r, &messages, list))
		return -1;
	queued = queue_in_order(r, events, messages, order);
	if (event_publish_wait(r))
		return -1;
	for (int i = 0; i < queued; i++) {
		if (!cache_str(i))
			continue;
		idmap_put(&sweep.missing, &order[i], now); /* until it is read in the stream */
		took++;
	}
	return took == queued ? took : -1;
}

int
sweep_tell(struct req *r, struct id16 *ids, int n, int64_t *told)
{
	int64_t entries;
	int err = read_tail(&entries), left = 0;

	*told = 0;
	if (err)
		return err;
	for (int i = 0; i < n; i++) {
		if (!idset_has(&sweep.seen, &ids[i])) /* the sweeper may have been faster */
			ids[left++] = ids[i];
	}
	if (left && (*told = repeat(r, ids, left, clock_steady() / 1000)) < 0) {
		*told = 0;
		return ERR_UNAVAILABLE;
	}
	return 0;
}

/* As long as nothing is remembered, what the stream has lost by being cut looks like a loss: no
 * more is compared than it can hold. */
static int64_t
most_after_start(void)
{
	int64_t rows = conf_int("events.keep"), entries = conf_int("events.stream_keep");

	return rows < entries ? rows : entries;
}

int
sweep_run(struct req *r, struct report *out)
{
	struct pass pass = {.now = clock_steady() / 1000};
	struct id16 *ids;
	int64_t entries;
	int err, n;
	bool more;

	if ((err = read_tail(&entries)))
		return err;
	pass.most = sweep.primed ? MOST_ROWS : most_after_start();
	if ((err = find_missing(r, &pass)))
		return err;
	n = due(r, pass.now, &ids, &more);
	if (n > 0 && (out->rows = repeat(r, ids, n, pass.now)) < 0) {
		out->rows = 0;
		return ERR_UNAVAILABLE;
	}
	if (n > 0)
		log_info("events repeated", "count", db_int_text(r, out->rows));
	if (more)
		out->again = AGAIN_NOW;
	if (n > 0 || pass.oldest - sweep.place.swept < MARK_MS)
		return 0;
	return stream_mark(&sweep.place, pass.oldest);
}

int64_t
sweep_mark(void)
{
	return sweep.place.swept;
}
