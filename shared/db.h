/*
 * db: PostgreSQL, and the only module that sees libpq.
 *
 * One lazily opened connection a worker, prepared statements kept by query slot, closed again after
 * an idle time.  A connection that died while idle is opened anew; one lost under a statement ends
 * the request in ERR_UNAVAILABLE, for the statement may have been committed.
 *
 * Parameters and columns are text; NULL is SQL null.  Results live in the request's arena.
 * Timestamps arrive as RFC 3339 in UTC with milliseconds ("2026-01-31T12:00:00.123Z").
 *
 * Errors: class 23 (constraints) through the operation's x-constraints map, else ERR_CONFLICT;
 * SQLSTATE RKnnn, raised by fail() in sql/, is HTTP status nnn with the message as detail and the
 * hint as field; lost connection ERR_UNAVAILABLE; anything else ERR_INTERNAL, logged.
 * Columns named _event (jsonb: an event, or an array of events, see event.h) are published after the request succeeded.
 */
#ifndef ROOKERY_DB_H
#define ROOKERY_DB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "contract.h"

struct req;
struct db_res;

/* Run q with q->n_params text values (NULL = SQL null) and set *res.  0 or ERR_*. */
int db_query(struct req *r, const struct query *q, const char *const *params, struct db_res **res);
/* Several statements as one transaction; left open at the end of a request it is rolled back. */
int db_begin(struct req *r);
int db_commit(struct req *r);
void db_end(void); /* called by the runtime after every handler */
bool db_ping(struct req *r); /* for readiness */
void db_idle(void); /* close the connection if it has been idle for db.idle seconds */
void db_close(void);

int db_rows(const struct db_res *res);
/* Place of a column in the row, for db_field.h; an unknown name is a programming error: it aborts. */
int db_column(const struct db_res *res, const char *name);
/* Column of a row by name; NULL for SQL null.  An unknown name is a programming error: it aborts. */
const char *db_get(const struct db_res *res, int row, const char *column);
int64_t db_int(const struct db_res *res, int row, const char *column); /* 0 for null */
bool db_bool(const struct db_res *res, int row, const char *column);
/* The row as JSON, types following the columns' types (json and jsonb are embedded). */
json_t *db_row_json(struct req *r, const struct db_res *res, int row);
json_t *db_rows_json(struct req *r, const struct db_res *res);

/* A PostgreSQL array literal of n texts (NULL entries allowed), or of a JSON array of strings. */
const char *db_array(struct req *r, const char *const *items, int n);
const char *db_array_json(struct req *r, const json_t *strings);
const char *db_int_text(struct req *r, int64_t n);

/* PREPARE and describe every query of the family against the database; complain on stderr with file and
 * line about those that do not prepare and about x-query operations whose reply schema names a field no column gives.
 * Returns the number of faults. */
int db_check(const struct family *f);

#endif
