/*
 * deliver: puts what is due onto sockets: one writev for all frames that wait for one client.
 *
 * A connection with something due is marked and served at the end of the turn.  One whose socket is
 * full is left alone until the kernel says that there is room; then it goes on from its place in
 * the log.  If the log drops that place first, the client is told to sync over REST.
 *
 *	deliver_wake(account);                   // the log has something for it
 *	deliver_mark(c);                         // this connection has something to write
 *	deliver_flush();                         // at the end of the turn
 */
#ifndef WSRELAY_DELIVER_H
#define WSRELAY_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct conn;
struct cursor_set;
struct rt_event;

void deliver_wake(struct account *a);
void deliver_mark(struct conn *c);
size_t deliver_slow(void);           /* connections whose socket is full */
void deliver_forget(struct conn *c); /* it is being freed */
void deliver_flush(void);
/* Write what can be written; the connection may be freed by it. */
void deliver_now(struct conn *c);
/* The log is about to drop the account's entry at that place. */
void deliver_losing(struct account *a, uint64_t place);
/* What a connection that is signed in has received or has in its own queue: where another process
 * goes on. */
void deliver_place(const struct conn *c, struct cursor_set *out);
/* Is the event, which is for its account, for this connection, and not received yet? */
bool deliver_due(const struct conn *c, const struct rt_event *ev);

#endif
