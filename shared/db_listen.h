/*
 * db_listen: what PostgreSQL is asked to tell (NOTIFY), for daemons that want to be woken by it.
 *
 * The connection is that of db.h, so it listens until it ends; who listens says so again now and
 * then, which costs next to nothing.  What was told while nobody listened is lost: this wakes, it
 * delivers nothing.
 *
 *	db_listen("event_aside");
 *	...
 *	ppoll(&(struct pollfd){.fd = db_listen_fd(), .events = POLLIN}, 1, &wait, signals);
 *	while ((what = db_notification(r->arena)))
 *		...
 */
#ifndef ROOKERY_DB_LISTEN_H
#define ROOKERY_DB_LISTEN_H

#include <stdbool.h>

struct arena;

/* Listen on that channel from now on; the name is SQL.  0 or ERR_UNAVAILABLE; does not connect. */
int db_listen(const char *channel);
/* What to poll for reading, -1 while there is no connection. */
int db_listen_fd(void);
/* Has something come?  Asks without waiting; to be asked before each poll(), for what came while a
 * query ran makes the socket readable no more. */
bool db_notified(void);
/* The text of the next one, in the arena; NULL when there is none. */
const char *db_notification(struct arena *arena);

#endif
