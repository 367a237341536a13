/*
 * db_check: the part of db that holds a family's queries against the migrated schema (see
 * db_check() in db.h): each must prepare, and a query that answers an operation must give the
 * documented fields.
 */
#include "db.h"

#include <stdio.h>
#include <string.h>

#include "db_connect.h"

static int
fault(const struct query *q, const char *what, const char *more)
{
	fprintf(stderr, "%s:%d: %s: %s%s%s\n", q->file, q->line, q->name, what, more ? ": " : "",
	    more ? more : "");
	return 1;
}

static bool
has_field(const struct schema *s, const char *name)
{
	for (int i = 0; i < s->n_fields; i++) {
		if (strcmp(s->fields[i].name, name) == 0)
			return true;
	}
	return s->n_fields == 0;
}

static bool
has_column(const PGresult *described, const char *name)
{
	for (int i = 0; i < PQnfields(described); i++) {
		if (strcmp(PQfname(described, i), name) == 0)
			return true;
	}
	return false;
}

static const struct schema *
field_of(const struct schema *object, const char *name)
{
	for (int i = 0; object && i < object->n_fields; i++) {
		if (strcmp(object->fields[i].name, name) == 0)
			return object->fields[i].schema;
	}
	return NULL;
}

/* Schema of one row of the operation's good answer; NULL when it has none. */
static const struct schema *
row_schema(const struct op *op)
{
	const struct schema *reply = NULL;

	for (int i = 0; i < op->n_statuses; i++) {
		if (op->statuses[i].code == op->success)
			reply = op->statuses[i].reply;
	}
	if (op->envelope)
		reply = field_of(reply, "data");
	if (!reply || !op->list_field)
		return reply && reply->items ? reply->items : reply;
	reply = field_of(reply, op->list_field);
	return reply ? reply->items : NULL;
}

static int
check_reply(const struct op *op, const PGresult *described)
{
	const struct schema *row = row_schema(op);
	int faults = 0;

	if (!row || op->query->kind == QUERY_EXEC)
		return 0;
	for (int i = 0; i < row->n_fields; i++) {
		if (!has_column(described, row->fields[i].name))
			faults += fault(
			    op->query, "no column gives the documented field", row->fields[i].name);
	}
	for (int i = 0; i < PQnfields(described); i++) {
		const char *name = PQfname(described, i);

		if (*name != '_' && !has_field(row, name))
			faults += fault(op->query, "column is not in the reply's schema", name);
	}
	return faults;
}

static int
check_query(PGconn *conn, const struct family *f, const struct query *q)
{
	PGresult *res = PQprepare(conn, q->name, q->sql, 0, NULL);
	int faults = 0;

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		faults =
		    fault(q, "does not prepare", PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
	PQclear(res);
	if (faults)
		return faults;
	res = PQdescribePrepared(conn, q->name);
	for (int i = 0; i < f->n_ops; i++) {
		if (f->ops[i].query == q)
			faults += check_reply(&f->ops[i], res);
	}
	PQclear(res);
	return faults;
}

int
db_check(const struct family *f)
{
	PGconn *conn = db_connect("");
	int faults = 0;

	if (PQstatus(conn) != CONNECTION_OK) {
		fprintf(stderr, "%s: no database: %s", f->name, PQerrorMessage(conn));
		faults = 1;
	}
	for (int i = 0; i < f->n_queries && PQstatus(conn) == CONNECTION_OK; i++)
		faults += check_query(conn, f, f->queries[i]);
	PQfinish(conn);
	return faults;
}
