/*
 * handshake: from the first byte of a connection to its upgrade, and the plain requests on the same
 * socket
 * (/metrics, /readyz, /healthz).
 */
#ifndef WSRELAY_HANDSHAKE_H
#define WSRELAY_HANDSHAKE_H

#include <stddef.h>

struct conn;

/* Bytes of a connection in state CONN_HTTP; the connection may be freed.  When it is upgraded,
 * answers how many of these n bytes belonged to the request. */
size_t handshake_feed(struct conn *c, const char *p, size_t n);

#endif
