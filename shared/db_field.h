/*
 * db_field: values of :binary queries, in the form in which PostgreSQL sends them (network order).
 *
 * For pages of many rows: what a reply shows as text is written where it belongs, once.
 * Ownership: fields lie in the result.  The functions that write take the place and answer its end;
 * no NUL is written.  A UUID takes 36 bytes, a time 24.
 *
 *	struct db_field at = db_field(res, row, db_column(res, "created_at"));
 *
 *	if (at.p)
 *		to = db_field_time(to, at);
 */
#ifndef ROOKERY_DB_FIELD_H
#define ROOKERY_DB_FIELD_H

#include <stdint.h>

struct db_res;

struct db_field {
	const char *p; /* NULL for SQL null */
	int n;
};

/* Column by its place in the row; db_column() of db.h tells it. */
struct db_field db_field(const struct db_res *res, int row, int column);
int64_t db_field_int(struct db_field f); /* of integer and bigint; 0 for null */
char *db_field_uuid(char *to, struct db_field f);
/* timestamptz as RFC 3339 in UTC with milliseconds: "2026-01-31T12:00:00.123Z" */
char *db_field_time(char *to, struct db_field f);

#endif
