/*
 * typing: who is typing where.
 *
 * The first time a client types in a conversation the database is asked whether it may, and who
 * shall not see it; that answer serves until members, blocks or a minute have passed, so keystrokes
 * ask nobody.  "typing.started" goes out when it begins and, while it lasts, again in time before
 * typing.expire is over; "typing.stopped" when the client says so, sends a message there, says
 * nothing more, or goes.
 *
 *	{.type = "typing.start", .local = typing_start, .arg = {"conversationId"}},
 *	{.type = "typing.stop", .local = typing_stop, .arg = {"conversationId"}},
 */
#ifndef WSRELAY_TYPING_H
#define WSRELAY_TYPING_H

#include "command.h"
#include "rt_event.h"

struct conn;

void typing_begin(void);
struct command_fault typing_start(
    struct conn *c, const struct command *command, const json_t *fields);
struct command_fault typing_stop(
    struct conn *c, const struct command *command, const json_t *fields);
/* An event of the stream: it may change who types, or who may. */
void typing_heard(const struct rt_event *ev);
/* One of the two has blocked the other, or no longer does. */
void typing_relation(struct uid a, struct uid b);
void typing_forget(struct conn *c);
void typing_flush(void);

/* For a hand-over (presence_carry.c): where it is typing, up to most conversations; and go on with
 * it in the new process. */
int typing_places(const struct conn *c, struct uid *out, int most);
void typing_resume(struct conn *c, struct uid conversation);

#endif
