/*
 * conn_read: what comes from a client: the request's head, then frames.
 *
 *	c->source.ready = conn_ready;
 */
#ifndef WSRELAY_CONN_READ_H
#define WSRELAY_CONN_READ_H

#include "loop.h"

/* The socket of a connection is ready; s is its first member. */
void conn_ready(struct source *s, uint32_t events);

#endif
