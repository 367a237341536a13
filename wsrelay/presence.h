/*
 * presence: which accounts are online, on whichever relay.
 *
 * In Redis each account has the set of relays it is connected to ("on:ACCOUNT"), and each relay the
 * set of its accounts ("relay:ID:on") and a place in "relays" that it renews.  The relay whose
 * connection makes the first one, or takes the last one away, says so to all ("rt:now").  A relay
 * that renews its place no more has died: the others take its accounts away, one by one.
 *
 * An account that is back within presence.grace never was offline.  When it is, PostgreSQL learns
 * when it was seen last; that is the only statement, and many share one.
 *
 *	presence_came(c);                                // joined its account
 *	presence_left(c);                                // about to leave it
 */
#ifndef WSRELAY_PRESENCE_H
#define WSRELAY_PRESENCE_H

#include <stdbool.h>
#include "command.h"
#include "rt_event.h"

struct account;
struct conn;

void presence_start(void);
/* All connections go on in another process: whatever this one still has in Redis may be taken away.
 */
void presence_handed_over(void);
void presence_came(struct conn *c);
void presence_left(struct conn *c);
/* An event of "rt:now" that says who came or went. */
void presence_heard(const struct rt_event *ev);
void presence_redis_changed(void);
/* Tell the database who was seen last when: at the end of each turn. */
void presence_flush(void);

/* {.type = "presence.set", .local = presence_set, .arg = {"status"}}: "away", or "offline", is not
 * online, though connected; "online" is. */
struct command_fault presence_set(
    struct conn *c, const struct command *command, const json_t *fields);

#endif
