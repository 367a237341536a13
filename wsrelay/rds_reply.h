/*
 * rds_reply: replies of Redis in one piece of memory.
 *
 * An entry of the stream is some twenty objects of hiredis; making and freeing each by itself took
 * a fifth of the relay's time.  A reply lives only as long as its callback, so all of it lies in
 * chunks that are used again for the next.
 *
 * Ownership: the struct belongs to the connection and outlives its context.
 *
 *	rds_reply_use(&r->replies, ac->c.reader);   // a new context
 */
#ifndef WSRELAY_RDS_REPLY_H
#define WSRELAY_RDS_REPLY_H

#include <hiredis/hiredis.h>

struct rds_chunk;

struct rds_replies {
	struct rds_chunk *first, *now;
};

void rds_reply_use(struct rds_replies *replies, redisReader *reader);

#endif
