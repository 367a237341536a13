/*
 * serve: one batch of requests from accept to reply.
 *
 * Order: route, tokens and limits (one Redis round trip for all), inputs, handlers (a batch handler
 * gets all its requests at once, everything else runs one by one), events (one pipeline), replies.
 */
#ifndef ROOKERY_SERVE_H
#define ROOKERY_SERVE_H

#include "contract.h"

struct stats;
struct fcgi_conn;

enum { SERVE_MAX = 64 }; /* upper bound of the setting workers.batch */

void serve_batch(const struct family *f, struct stats *stats, struct fcgi_conn **conns, int n);
/* Give back memory that a burst left. */
void serve_trim(void);

#endif
