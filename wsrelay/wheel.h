/*
 * wheel: when a connection is to be looked at: time to sign in, pings, silence, the end of its
 * token.
 *
 * Every connection stands in the slot of a second; what happens to it in between does not move it,
 * and when its slot comes it is looked at, or put into a later one.  Going through the slots is
 * going through all connections, so conn_each(), conn_find() and conn_drain() (conn.h) are here.
 *
 *	wheel_enter(c);                           // it is new
 *	wheel_again(c);                           // it is due earlier than before
 */
#ifndef WSRELAY_WHEEL_H
#define WSRELAY_WHEEL_H

#include <stddef.h>
#include <stdint.h>

struct conn;

void wheel_start(void);
void wheel_enter(struct conn *c);
void wheel_leave(struct conn *c);
void wheel_again(struct conn *c);
/* A pong came, with that payload. */
void wheel_pong(const uint8_t *payload, size_t n);

#endif
