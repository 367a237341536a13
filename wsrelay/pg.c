/* pg: see pg.h. */
#include "pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf.h"
#include "log.h"
#include "loop.h"
#include "map.h"

enum { BACKOFF_FIRST = 50, BACKOFF_MOST = 2000, CONNECT_MS = 5000, WATCHERS = 4 };

struct request {
	struct request *next;
	const char *sql;
	int n;
	char *params[PG_PARAMS];
	void (*done)(void *ctx, const PGresult *res);
	void *ctx;
};

enum state { DOWN, CONNECTING, UP };

static struct {
	struct source source;
	struct timer retry, limit; /* connect again; connecting or a statement takes too long */
	PGconn *conn;
	int fd; /* registered with the loop, or -1 */
	enum state state;
	int backoff;
	bool told; /* the watchers know that it is down */
	char why[200];
	struct request *head, *tail;
	bool sent; /* head is with the server */
	PGresult *result;
	void (*watch[WATCHERS])(void);
	int watchers;
} pg = {.fd = -1};

bool
pg_up(void)
{
	return pg.state == UP;
}

const char *
pg_reason(void)
{
	return pg.why;
}

void
pg_watch(void (*changed)(void))
{
	pg.watch[pg.watchers++] = changed;
}

static void
tell(void)
{
	for (int i = 0; i < pg.watchers; i++)
		pg.watch[i]();
}

/* ---- requests ------------------------------------------------------------------------------- */

static void
finish_head(const PGresult *res)
{
	struct request *r = pg.head;

	pg.head = r->next;
	if (!pg.head)
		pg.tail = NULL;
	pg.sent = false;
	r->done(r->ctx, res);
	for (int i = 0; i < r->n; i++)
		free(r->params[i]);
	free(r);
}

static void lose(const char *why);

static void
send_next(void)
{
	struct request *r = pg.head;

	if (pg.state != UP || pg.sent || !r)
		return;
	if (!PQsendQueryParams(
		pg.conn, r->sql, r->n, NULL, (const char *const *)r->params, NULL, NULL, 1)) {
		lose(PQerrorMessage(pg.conn));
		return;
	}
	pg.sent = true;
	loop_timer(&pg.limit, conf_int("db.timeout") * 1000);
	if (PQflush(pg.conn) > 0)
		loop_change(pg.fd, EPOLLIN | EPOLLOUT, &pg.source);
}

void
pg_query(const char *sql, int n, const char *const *params,
    void (*done)(void *ctx, const PGresult *res), void *ctx)
{
	struct request *r = must_zalloc(sizeof(*r));

	r->sql = sql;
	r->n = n;
	for (int i = 0; i < n; i++)
		r->params[i] = strcpy(must_alloc(strlen(params[i]) + 1), params[i]);
	r->done = done;
	r->ctx = ctx;
	*(pg.tail ? &pg.tail->next : &pg.head) = r;
	pg.tail = r;
	send_next();
}

/* ---- the connection ------------------------------------------------------------------------- */

static void
note(const char *why)
{
	snprintf(pg.why, sizeof(pg.why), "%s", why);
	pg.why[strcspn(pg.why, "\r\n")] = '\0';
}

/* Everything asked so far is answered with "no": who asked knows best whether to ask again. */
static void
lose(const char *why)
{
	struct request *last = pg.tail;
	bool was_up = pg.state == UP;

	note(why);
	if (was_up || !pg.told)
		log_warn("database lost", "why", pg.why);
	pg.state = DOWN;
	if (pg.fd >= 0)
		loop_remove(pg.fd);
	pg.fd = -1;
	PQclear(pg.result);
	pg.result = NULL;
	PQfinish(pg.conn);
	pg.conn = NULL;
	loop_timer_stop(&pg.limit);
	loop_timer(&pg.retry, pg.backoff);
	pg.backoff = pg.backoff * 2 > BACKOFF_MOST ? BACKOFF_MOST : pg.backoff * 2;
	while (last && pg.head) {
		bool end = pg.head == last;

		finish_head(NULL);
		if (end)
			break;
	}
	if (was_up || !pg.told) {
		pg.told = true;
		tell();
	}
}

/* While connecting, libpq may change its descriptor from step to step. */
static void
watch_fd(uint32_t events)
{
	if (pg.fd >= 0)
		loop_remove(pg.fd);
	pg.fd = PQsocket(pg.conn);
	if (pg.fd >= 0 && loop_add(pg.fd, events, &pg.source) < 0)
		pg.fd = -1;
}

static void
came_up(void)
{
	pg.state = UP;
	pg.backoff = BACKOFF_FIRST;
	pg.told = false;
	note("");
	loop_timer_stop(&pg.limit);
	PQsetnonblocking(pg.conn, 1);
	watch_fd(EPOLLIN);
	log_info("database connected");
	tell();
	send_next();
}

static void
connect_step(void)
{
	switch (PQconnectPoll(pg.conn)) {
	case PGRES_POLLING_OK:
		came_up();
		break;
	case PGRES_POLLING_READING:
		watch_fd(EPOLLIN);
		break;
	case PGRES_POLLING_WRITING:
		watch_fd(EPOLLOUT);
		break;
	default:
		lose(PQerrorMessage(pg.conn));
	}
}

static void
on_notice(void *unused, const char *text)
{
	(void)unused;
	log_debug("database says", "text", text);
}

static void
connect_now(struct timer *t)
{
	const char *keys[] = {
	    "host", "port", "dbname", "user", "password", "application_name", NULL};
	const char *values[] = {conf_str("db.host"), conf_str("db.port"), conf_str("db.name"),
	    conf_str("db.user"), conf_str("db.password"), "rk-wsrelay", NULL};

	(void)t;
	pg.state = CONNECTING;
	pg.conn = PQconnectStartParams(keys, values, 0);
	if (!pg.conn || PQstatus(pg.conn) == CONNECTION_BAD) {
		lose(pg.conn ? PQerrorMessage(pg.conn) : "out of memory");
		return;
	}
	PQsetNoticeProcessor(pg.conn, on_notice, NULL);
	loop_timer(&pg.limit, CONNECT_MS);
	watch_fd(EPOLLOUT);
}

static void
took_too_long(struct timer *t)
{
	(void)t;
	lose("no answer in time");
}

/* ---- answers -------------------------------------------------------------------------------- */

static void
answer(void)
{
	const PGresult *res = pg.result;
	bool good = PQresultStatus(res) == PGRES_TUPLES_OK;

	if (!good)
		log_error("database refused a statement", "why", PQresultErrorMessage(res));
	loop_timer_stop(&pg.limit);
	finish_head(good ? res : NULL);
	PQclear(pg.result);
	pg.result = NULL;
	send_next();
}

static void
read_results(void)
{
	while (pg.state == UP && !PQisBusy(pg.conn)) {
		PGresult *res = PQgetResult(pg.conn);

		if (res) {
			PQclear(pg.result);
			pg.result = res;
			continue;
		}
		if (!pg.sent)
			break;
		answer();
	}
}

static void
on_ready(struct source *s, uint32_t events)
{
	(void)s;
	if (pg.state == CONNECTING) {
		connect_step();
		return;
	}
	if (pg.state != UP)
		return;
	if (events & EPOLLOUT && PQflush(pg.conn) == 0)
		loop_change(pg.fd, EPOLLIN, &pg.source);
	if (!PQconsumeInput(pg.conn) || PQstatus(pg.conn) != CONNECTION_OK) {
		lose(PQerrorMessage(pg.conn));
		return;
	}
	read_results();
}

void
pg_start(void)
{
	pg.source.ready = on_ready;
	pg.retry.fire = connect_now;
	pg.limit.fire = took_too_long;
	pg.backoff = BACKOFF_FIRST;
	note("not yet connected");
	connect_now(NULL);
}

void
pg_stop(void)
{
	loop_timer_stop(&pg.retry);
	loop_timer_stop(&pg.limit);
	if (pg.fd >= 0)
		loop_remove(pg.fd);
	PQfinish(pg.conn);
	pg.conn = NULL;
	pg.fd = -1;
	pg.state = DOWN;
}
