/*
 * watch_state: what watch.c and watch_ask.c know of who follows whom; nobody else looks inside.
 */
#ifndef WSRELAY_WATCH_STATE_H
#define WSRELAY_WATCH_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "uid.h"

struct conn;

struct target { /* an account that somebody here follows */
	struct uid id;
	struct pair *pairs;
	bool known, online; /* as Redis or an event said */
	bool asking;        /* Redis is being asked */
	uint64_t heard;     /* events about it; an older answer of Redis says nothing */
};

enum told { NOTHING, ONLINE, OFFLINE };

struct pair {              /* a connection follows an account */
	struct conn *conn; /* NULL: it has gone while the database is asked */
	struct target *target;
	struct pair *next_of_conn, *next_of_target, *next_wanted;
	bool wanted, asked, stale; /* to be asked; with the database; its answer will be old */
	bool allowed;
	enum told told;
	int64_t seen; /* ms since 1970 */
};

struct watcher { /* of a connection */
	struct conn *conn;
	struct pair *pairs;
	int n;
	bool begun; /* its partners were asked for */
	struct watcher *next_wanting;
	bool wanting;
};

/* Tell what is known of the account, unless that was told. */
void watch_settle(struct pair *p);
/* How it stands with the account; seen: ms since 1970, 0 for not known. */
void watch_say_state(struct pair *p, bool online, int64_t seen);
void watch_ask_redis(struct target *t); /* unless it is known whether it is online */
void watch_drop(struct pair *p);        /* its connection has let go of it */
void watch_follow(struct conn *c, struct uid account);
struct watcher *watch_of(struct conn *c); /* made when there is none */

/* watch_ask.c: ask the database whether it may know; what it answers already will be old. */
void watch_want(struct pair *p);
void watch_ask_forget(struct pair *p);            /* it is being freed */
void watch_partners_forget(const struct conn *c); /* the same */

#endif
