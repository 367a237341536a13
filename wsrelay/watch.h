/*
 * watch: who is told about whose presence.
 *
 * A connection follows at most presence.watch people: those it names, and on request those it wrote
 * with last.  For each the database is asked once whether it may know (presence_may() in
 * sql/functions/presence.sql), and again whenever an event says that a block, a contact or a
 * setting has changed between the two; meanwhile nothing is told.  Who may not know hears exactly
 * what one hears of an account that does not exist: nothing.
 *
 *	{.type = "presence.subscribe", .local = watch_subscribe, .arg = {"userIds"}},
 *	{.type = "presence.unsubscribe", .local = watch_unsubscribe, .arg = {"userIds"}},
 */
#ifndef WSRELAY_WATCH_H
#define WSRELAY_WATCH_H

#include <stdbool.h>
#include "command.h"
#include "rt_event.h"

struct conn;

struct command_fault watch_subscribe(
    struct conn *c, const struct command *command, const json_t *fields);
struct command_fault watch_unsubscribe(
    struct conn *c, const struct command *command, const json_t *fields);
/* Follow those it wrote with last; once a connection. */
void watch_partners(struct conn *c);
/* The account has come or gone; ev is rendered for those who follow it. */
void watch_heard(struct uid account, bool online, const struct rt_event *ev);
/* An event of the stream: does it change who may know what? */
void watch_relation(const struct rt_event *ev);
void watch_redis_changed(void);
/* Something may have been missed: ask Redis about everybody, and tell what is different. */
void watch_ask_again(void);
void watch_forget(struct conn *c);
void watch_flush(void);

/* For a hand-over (presence_carry.c): whom it follows, and what it was told last. */
struct watch_told {
	struct uid account;
	uint8_t told;
};
int watch_list(const struct conn *c, struct watch_told *out, int most);
void watch_resume(struct conn *c, const struct watch_told *list, int n);

#endif
