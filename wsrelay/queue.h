/*
 * queue: the messages that wait for a device, over its socket (docs/relay.md, "The device's
 * queue").
 *
 * A client that asks for it first gets what waits, out of PostgreSQL and oldest first, then the
 * marker that there is no more, then the log goes on where it stood.  The database has every
 * message before the stream has, so whatever message of the log was published before the last look
 * is passed over, and nothing is lost or sent twice at the seam.
 *
 * A message is in flight from when it is written until the device has acknowledged it.  With
 * relay.queue_window of them in flight the next message waits, and the log behind it.
 *
 * Ownership: c->queue exists for clients that asked, and while acknowledgements are under way.
 *
 *	c->wants_queue = true;                           // the dialect, when the client signs in
 *	queue_begin(c);                                  // it is live
 *	switch (queue_judge(c, ev, place, in_batch))     // may this message of the log go out?
 *	queue_sent(c, ev->id);                           // it did
 */
#ifndef WSRELAY_QUEUE_H
#define WSRELAY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include "command.h"
#include "rt_event.h"
#include "uid.h"

struct conn;

enum queue_verdict { QUEUE_SEND, QUEUE_PASS_OVER, QUEUE_WAIT };

void queue_start(void);
/* It has its place in the log: look what waits; again: whatever was found before. */
void queue_begin(struct conn *c, bool again);
/* Is the queue still being sent, so that the log has to wait? */
bool queue_draining(const struct conn *c);
/* A message of the log at that place; in_batch are chosen already and not yet reported as sent. */
enum queue_verdict queue_judge(
    struct conn *c, const struct rt_event *ev, uint64_t place, uint32_t in_batch);
void queue_sent(struct conn *c, struct uid message);
/* The log drops a message before this client could be sent it: the queue has it. */
void queue_losing(struct conn *c);
/* Everything is written. */
void queue_rested(struct conn *c);
void queue_forget(struct conn *c);
/* Ask the database for those who want more: at the end of each turn. */
void queue_flush(void);

/* Acknowledge; inputs: a list of ids, or one id.  It is answered when none of them waits any more:
 * none comes again, whatever happens then. */
struct command_fault queue_ack(
    struct conn *c, const struct command *command, const json_t *fields, const char *id);

#endif
