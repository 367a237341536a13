/*
 * pg: PostgreSQL from inside the loop: one connection, one statement at a time, never blocking.
 *
 * The callers batch (members, sign_in), so one connection is enough.  shared/db is for requests and
 * waits for its answers; the relay may not wait, and therefore speaks with libpq itself.
 *
 * Connects again for ever.  pg_watch() callbacks run whenever the database came or went.
 *
 *	pg_query("SELECT ... WHERE id = ANY ($1::uuid[])", 1, (const char *[]){ids}, on_rows, ctx);
 */
#ifndef WSRELAY_PG_H
#define WSRELAY_PG_H

#include <libpq-fe.h>
#include <stdbool.h>

enum { PG_PARAMS = 4 };

void pg_start(void);
void pg_stop(void);
bool pg_up(void);
const char *pg_reason(void);          /* why it is not up, a few words */
void pg_watch(void (*changed)(void)); /* at most four */

/* Parameters are text and are copied, the statement must stay; the result is binary and freed after
 * done() has returned.  res is NULL when there was no answer, or an error, which has been logged.
 */
void pg_query(const char *sql, int n, const char *const *params,
    void (*done)(void *ctx, const PGresult *res), void *ctx);

#endif
