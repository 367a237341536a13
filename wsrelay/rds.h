/*
 * rds: a connection to Redis from inside the loop (hiredis, asynchronous), connected again for
 * ever.
 *
 * shared/cache is for requests and waits for its answers; the relay may not wait.
 *
 *	struct rds r = {.name = "commands", .changed = on_change};
 *
 *	rds_start(&r);
 *	rds_command(&r, on_reply, ctx, "GET %s", key);   // the reply is NULL when the connection
 * went
 */
#ifndef WSRELAY_RDS_H
#define WSRELAY_RDS_H

#include <hiredis/async.h>
#include <stdbool.h>
#include "loop.h"
#include "rds_reply.h"

struct rds {
	const char *name;
	void (*changed)(struct rds *r); /* it came up or went down */
	int64_t patience_ms;            /* beyond redis.timeout: for commands that block */
	/* rds.c's own */
	bool up, told, write_soon, flushing;
	char why[128];
	struct source source;
	redisAsyncContext *ac;
	int fd;
	uint32_t events;
	int waiting, backoff;
	struct timer retry, limit;
	struct rds_replies replies;
	struct rds *next;
};

void rds_start(struct rds *r);
void rds_stop(struct rds *r);
/* Give the connection up and make another. */
void rds_reset(struct rds *r, const char *why);
/* false, and no callback, when it is not up. */
bool rds_command(struct rds *r, void (*done)(void *ctx, const redisReply *reply), void *ctx,
    const char *fmt, ...);

/* Write what was asked of all connections: at the end of each turn, once for its commands. */
void rds_flush(void);
/* As rds_command() with arguments of any bytes. */
bool rds_argv(struct rds *r, void (*done)(void *ctx, const redisReply *reply), void *ctx, int argc,
    const char **argv, const size_t *lengths);

#endif
