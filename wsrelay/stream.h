/*
 * stream: the tail of the Redis stream "rt", through order.h into the log (evlog.h).
 *
 * Two connections: one that reads (XREAD BLOCK), one for everything else.  At the start the newest
 * part of the stream is loaded, as much as the log holds.  After Redis was gone, reading goes on
 * where it ended if the stream is the same (key rt:epoch) and still has that place; if not,
 * everything is loaded anew and the clients are told to synchronise.
 */
#ifndef WSRELAY_STREAM_H
#define WSRELAY_STREAM_H

#include <stdbool.h>
#include "cursor.h"
#include "order.h"
#include "rds.h"

enum { STREAM_CHUNK = 500 };

void stream_start(void);
void stream_stop(void);
bool stream_connected(void);
const char *stream_reason(void);
/* The log holds what it can of the past: connections may join. */
bool stream_live(void);
const struct epoch *stream_epoch(void);
/* What has gone into the log. */
void stream_cursor(struct cursor *out);
struct order_counts stream_counts(void); /* since the process began */
size_t stream_backlog(void);
double stream_lag(
    void); /* seconds that the oldest waiting event has been waiting, or the last one took */
void stream_members_came(void);
void stream_gone(struct uid conversation, int64_t seq); /* nothing will come up to there */

/* For others who read the stream: the connection for everything but the tail. */
struct rds *stream_commands(void);
bool stream_known(void *ctx, struct rt_event *ev); /* order_ops.known */
enum predecessor_answer stream_predecessor(
    void *ctx, struct rt_event *ev, uint64_t edge_ms); /* order_ops.predecessor */

#endif
