/* db: see db.h. */
#include "db.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "conf.h"
#include "db_connect.h"
#include "db_field.h"
#include "event.h"
#include "json.h"
#include "log.h"
#include "req.h"

/* Types of PostgreSQL's catalogue (pg_type.dat) whose text form needs care. */
enum {
	OID_BOOL = 16,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_JSON = 114,
	OID_FLOAT4 = 700,
	OID_FLOAT8 = 701,
	OID_TIMESTAMPTZ = 1184,
	OID_NUMERIC = 1700,
	OID_JSONB = 3802,
};

/* Inside this file: the server gave the statement up and undid it (deadlock, serialization). */
enum { ERR_RETRY = -1 };

struct db_res {
	PGresult *pg;
	struct arena *arena;
};

static struct {
	PGconn *conn;
	unsigned char *prepared; /* by slot */
	int slots;
	bool in_transaction;
	time_t last_used;
} db;

void
db_close(void)
{
	if (db.conn)
		PQfinish(db.conn);
	free(db.prepared);
	memset(&db, 0, sizeof db);
}

void
db_idle(void)
{
	if (db.conn && !db.in_transaction && time(NULL) - db.last_used >= conf_int("db.idle"))
		db_close();
}

PGconn *
db_connect(const char *options)
{
	const char *keys[] = {"host", "port", "dbname", "user", "password", "application_name",
	    "connect_timeout", "options", NULL};
	const char *password = conf_str("db.password");
	const char *values[] = {conf_str("db.host"), conf_str("db.port"), conf_str("db.name"),
	    conf_str("db.user"), *password ? password : NULL, "rookery", "5", options, NULL};

	return PQconnectdbParams(keys, values, 0);
}

PGconn *
db_connection(void)
{
	return db.conn && PQstatus(db.conn) == CONNECTION_OK ? db.conn : NULL;
}

/* A database that is away is mentioned once, not at every attempt. */
static bool
connect_now(void)
{
	static bool away;
	char options[160];

	snprintf(options, sizeof options,
	    "-c timezone=UTC -c datestyle=ISO -c client_min_messages=warning -c "
	    "statement_timeout=%llds",
	    (long long)conf_int("db.timeout"));

	db_close();
	db.conn = db_connect(options);
	if (PQstatus(db.conn) != CONNECTION_OK) {
		if (!away)
			log_error("no database", "why", PQerrorMessage(db.conn));
		away = true;
		db_close();
		return false;
	}
	if (away)
		log_info("the database is back");
	away = false;
	db.last_used = time(NULL);
	return true;
}

/* Is there a live connection?  An idle one that became readable was closed by the server: better
 * to learn it before a statement is sent than to wonder afterwards whether it was committed. */
static bool
connected(void)
{
	struct pollfd idle = {.events = POLLIN};

	if (db.conn && PQstatus(db.conn) == CONNECTION_OK) {
		idle.fd = PQsocket(db.conn);
		if (db.in_transaction || poll(&idle, 1, 0) == 0)
			return true;
		/* Notices are fine; the end of the stream is not. */
		if (PQconsumeInput(db.conn) && PQstatus(db.conn) == CONNECTION_OK &&
		    poll(&idle, 1, 0) == 0)
			return true;
	}
	return connect_now();
}

/* ---- errors ------------------------------------------------------------------------------ */

static const struct constraint_map *
constraint_named(const struct req *r, const char *name)
{
	for (int i = 0; r->op && name && i < r->op->n_constraints; i++) {
		if (strcmp(r->op->constraints[i].constraint, name) == 0)
			return &r->op->constraints[i];
	}
	return NULL;
}

static int
constraint_error(struct req *r, const char *constraint)
{
	const struct constraint_map *m = constraint_named(r, constraint);

	if (!m)
		return ERR_CONFLICT;
	r->err_field = m->field;
	r->err_detail = m->detail;
	return err_from_status(m->status);
}

/* What fail() said.  Functions of the core name inputs as the core does; the contract tells what
 * they are called here, and which status bad input has. */
static int
rule_error(struct req *r, const PGresult *res, int status)
{
	const char *field = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
	const struct constraint_map *m = constraint_named(r, field);

	r->err_detail = arena_strdup(r->arena, PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
	r->err_field = m ? m->field : arena_strdup(r->arena, field);
	if (m && m->detail)
		r->err_detail = m->detail;
	return err_from_status(m && status == 400 ? m->status : status);
}

static int
result_error(struct req *r, const struct query *q, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (!state || PQstatus(db.conn) != CONNECTION_OK || strncmp(state, "57P", 3) == 0)
		return ERR_UNAVAILABLE; /* 57P01 and its kin: the server is going down */
	if (strcmp(state, "40P01") == 0 || strcmp(state, "40001") == 0)
		return ERR_RETRY;
	if (strncmp(state, "RK", 2) == 0)
		return rule_error(r, res, atoi(state + 2));
	if (strncmp(state, "23", 2) == 0)
		return constraint_error(r, PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME));
	log_error("query failed", "query", q ? q->name : "transaction", "state", state, "why",
	    PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY), "request", r->request_id);
	return ERR_INTERNAL;
}

/* ---- running ----------------------------------------------------------------------------- */

static void
clear_result(void *arg)
{
	PQclear(arg);
}

static bool
prepare(struct req *r, const struct query *q, int *err)
{
	PGresult *res;
	char name[80];

	if (q->slot >= db.slots) {
		int slots = q->slot + 32;

		db.prepared = realloc(db.prepared, (size_t)slots);
		if (!db.prepared)
			abort();
		memset(db.prepared + db.slots, 0, (size_t)(slots - db.slots));
		db.slots = slots;
	}
	if (db.prepared[q->slot])
		return true;
	snprintf(name, sizeof name, "%s", q->name);
	res = PQprepare(db.conn, name, q->sql, 0, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK) {
		*err = result_error(r, q, res);
		PQclear(res);
		return false;
	}
	PQclear(res);
	db.prepared[q->slot] = 1;
	return true;
}

static void
queue_events(struct req *r, const PGresult *pg)
{
	int column = PQfnumber(pg, "_event");

	for (int i = 0; column >= 0 && i < PQntuples(pg); i++) {
		if (!PQgetisnull(pg, i, column))
			event_queue_json(r, PQgetvalue(pg, i, column));
	}
}

static int
run_once(struct req *r, const struct query *q, const char *const *params, struct db_res **out)
{
	struct db_res *res;
	PGresult *pg;
	int err = 0;

	if (!connected())
		return ERR_UNAVAILABLE;
	if (!prepare(r, q, &err))
		return err;
	pg = PQexecPrepared(
	    db.conn, q->name, q->n_params, params, NULL, NULL, q->kind == QUERY_BINARY);
	if (PQresultStatus(pg) != PGRES_TUPLES_OK && PQresultStatus(pg) != PGRES_COMMAND_OK) {
		err = result_error(r, q, pg);
		PQclear(pg);
		return err;
	}
	arena_defer(r->arena, clear_result, pg);
	res = arena_alloc(r->arena, sizeof *res);
	res->pg = pg;
	res->arena = r->arena;
	queue_events(r, pg);
	*out = res;
	return 0;
}

int
db_query(struct req *r, const struct query *q, const char *const *params, struct db_res **res)
{
	int err = run_once(r, q, params, res);

	if (err == ERR_RETRY && !db.in_transaction)
		err = run_once(r, q, params, res);
	if (err == ERR_RETRY)
		err = ERR_UNAVAILABLE;
	/* A connection lost under a statement is not retried: the statement may have been
	 * committed. */
	if (err == ERR_UNAVAILABLE && PQstatus(db.conn) != CONNECTION_OK)
		db_close();
	/* What the contract says of this status may be about somebody else's service. */
	if (err == ERR_UNAVAILABLE && !r->err_detail)
		r->err_detail = err_text(ERR_UNAVAILABLE);
	db.last_used = time(NULL);
	return err;
}

static int
command(struct req *r, const char *sql)
{
	PGresult *res;
	int err = 0;

	if (!connected())
		return ERR_UNAVAILABLE;
	res = PQexec(db.conn, sql);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		err = result_error(r, NULL, res);
	PQclear(res);
	return err == ERR_RETRY ? ERR_UNAVAILABLE : err;
}

int
db_begin(struct req *r)
{
	int err = command(r, "BEGIN");

	if (!err)
		db.in_transaction = true;
	return err;
}

void
db_end(void)
{
	if (db.in_transaction && db.conn)
		PQclear(PQexec(db.conn, "ROLLBACK"));
	db.in_transaction = false;
}

int
db_commit(struct req *r)
{
	int err = command(r, "COMMIT");

	db.in_transaction = false;
	if (err == ERR_UNAVAILABLE)
		db_close();
	return err;
}

bool
db_ping(struct req *r)
{
	return command(r, "SET application_name = 'rookery'") == 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

int
db_rows(const struct db_res *res)
{
	return PQntuples(res->pg);
}

int
db_column(const struct db_res *res, const char *name)
{
	for (int i = 0; i < PQnfields(res->pg); i++) {
		if (strcmp(PQfname(res->pg, i), name) == 0)
			return i;
	}
	log_error("query has no such column", "column", name);
	abort();
}

/* "2026-01-31 12:00:00.123456+00" becomes "2026-01-31T12:00:00.123Z". */
static const char *
timestamp_text(struct arena *a, const char *pg)
{
	int ms = 0;

	if (strlen(pg) < 19)
		return pg; /* infinity */
	if (pg[19] == '.') {
		int scale = 100;

		for (const char *p = pg + 20; *p >= '0' && *p <= '9' && scale; p++, scale /= 10)
			ms += (*p - '0') * scale;
	}
	return arena_printf(a, "%.10sT%.8s.%03dZ", pg, pg + 11, ms);
}

static const char *
value_at(const struct db_res *res, int row, int column)
{
	const char *text;

	if (PQgetisnull(res->pg, row, column))
		return NULL;
	text = PQgetvalue(res->pg, row, column);
	return PQftype(res->pg, column) == OID_TIMESTAMPTZ ? timestamp_text(res->arena, text)
							   : text;
}

const char *
db_get(const struct db_res *res, int row, const char *column)
{
	return value_at(res, row, db_column(res, column));
}

int64_t
db_int(const struct db_res *res, int row, const char *column)
{
	const char *text = db_get(res, row, column);

	return text ? strtoll(text, NULL, 10) : 0;
}

bool
db_bool(const struct db_res *res, int row, const char *column)
{
	const char *text = db_get(res, row, column);

	return text && *text == 't';
}

struct db_field
db_field(const struct db_res *res, int row, int column)
{
	if (PQgetisnull(res->pg, row, column))
		return (struct db_field){NULL, 0};
	return (struct db_field){
	    PQgetvalue(res->pg, row, column), PQgetlength(res->pg, row, column)};
}

static json_t *
json_at(const struct db_res *res, int row, int column)
{
	const char *text = value_at(res, row, column), *why;

	if (!text)
		return json_null();
	switch (PQftype(res->pg, column)) {
	case OID_BOOL:
		return json_boolean(*text == 't');
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
		return json_integer(strtoll(text, NULL, 10));
	case OID_FLOAT4:
	case OID_FLOAT8:
	case OID_NUMERIC:
		return json_real(strtod(text, NULL));
	case OID_JSON:
	case OID_JSONB:
		return json_read(res->arena, text, strlen(text), &why);
	default:
		return json_string(text);
	}
}

json_t *
db_row_json(struct req *r, const struct db_res *res, int row)
{
	json_t *o = json_object();

	(void)r;
	for (int i = 0; i < PQnfields(res->pg); i++) {
		const char *name = PQfname(res->pg, i);

		if (*name != '_')
			json_object_set_new(o, name, json_at(res, row, i));
	}
	return o;
}

json_t *
db_rows_json(struct req *r, const struct db_res *res)
{
	json_t *rows = json_array();

	for (int i = 0; i < db_rows(res); i++)
		json_array_append_new(rows, db_row_json(r, res, i));
	return rows;
}

/* ---- parameters -------------------------------------------------------------------------- */

static void
put_element(struct buf *b, const char *item)
{
	if (b->n > 1)
		buf_putc(b, ',');
	if (!item) {
		buf_puts(b, "NULL");
		return;
	}
	buf_putc(b, '"');
	while (*item) {
		size_t plain = strcspn(item, "\"\\");

		buf_put(b, item, plain);
		item += plain;
		if (*item) {
			buf_putc(b, '\\');
			buf_putc(b, *item++);
		}
	}
	buf_putc(b, '"');
}

const char *
db_array(struct req *r, const char *const *items, int n)
{
	struct buf b = buf_new(r->arena);

	buf_putc(&b, '{');
	for (int i = 0; i < n; i++)
		put_element(&b, items[i]);
	buf_putc(&b, '}');
	return b.p;
}

const char *
db_array_json(struct req *r, const json_t *strings)
{
	struct buf b = buf_new(r->arena);
	size_t i;
	json_t *item;

	buf_putc(&b, '{');
	json_array_foreach (strings, i, item)
		put_element(&b, json_string_value(item));
	buf_putc(&b, '}');
	return b.p;
}

const char *
db_int_text(struct req *r, int64_t n)
{
	return req_printf(r, "%lld", (long long)n);
}
