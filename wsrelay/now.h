/*
 * now: what is worth nothing a few seconds later, typing and presence, from relay to relay.
 *
 * It goes through a short Redis stream of its own, "rt:now", so that it neither pushes messages out
 * of the stream that clients resume from nor fills the log.  It is given to whoever is connected
 * and reads along at this moment; a client that is behind, or whose Redis was away, never gets it.
 *
 *	now_publish(&(struct now_event){.type = "typing.started", .conversation = &id, .version = 7,
 *	    .payload = json});                           // comes back through now_start()'s reader
 */
#ifndef WSRELAY_NOW_H
#define WSRELAY_NOW_H

#include <stdbool.h>
#include <stdint.h>
#include "dialect.h"
#include "rt_event.h"
#include "uid.h"

struct conn;

struct now_event {
	const char *type;
	const struct uid *conversation; /* to its members at .version; NULL: to .account */
	int64_t version;
	const struct uid *account;
	const char *but;     /* ids of accounts that are not told, with commas; NULL for none */
	const char *payload; /* JSON object */
};

void now_start(void);
void now_stop(void);
bool now_up(void);
/* false when Redis is away: then it is dropped. */
bool now_publish(const struct now_event *ev);
void now_members_came(void);

/* Write an event to a client that reads along; frames are made once for each dialect, in shared,
 * which now_shared_free() frees. */
struct now_shared {
	struct frame *frame[DIALECTS];
};
void now_tell(struct conn *c, const struct rt_event *ev, struct now_shared *shared);
void now_shared_free(struct now_shared *shared);

#endif
