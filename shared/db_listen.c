/* db_listen: see db_listen.h. */
#include "db_listen.h"

#include <stdio.h>

#include "arena.h"
#include "db.h"
#include "db_connect.h"
#include "err.h"

static PGnotify *next; /* has come and was not asked for yet */

int
db_listen(const char *channel)
{
	PGconn *conn = db_connection();
	PGresult *res;
	char sql[80];
	bool done;

	if (!conn)
		return ERR_UNAVAILABLE;
	snprintf(sql, sizeof sql, "LISTEN %s", channel);
	res = PQexec(conn, sql);
	done = PQresultStatus(res) == PGRES_COMMAND_OK;
	PQclear(res);
	return done ? 0 : ERR_UNAVAILABLE;
}

int
db_listen_fd(void)
{
	PGconn *conn = db_connection();

	return conn ? PQsocket(conn) : -1;
}

bool
db_notified(void)
{
	PGconn *conn = db_connection();

	if (next || !conn)
		return next;
	/* A connection that has ended stays readable: it must not be polled again. */
	if (!PQconsumeInput(conn)) {
		db_close();
		return false;
	}
	next = PQnotifies(conn);
	return next;
}

const char *
db_notification(struct arena *arena)
{
	const char *text;

	if (!db_notified())
		return NULL;
	text = arena_strdup(arena, next->extra);
	PQfreemem(next);
	next = NULL;
	return text;
}
