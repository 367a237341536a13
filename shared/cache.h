/*
 * cache: Redis, and the only module that sees hiredis.
 *
 * One lazily opened connection a worker.  Commands are appended and sent together:
 *
 *	n = cache_cmd("INCR %s", key);         // printf-like, %s and %b as hiredis has them
 *	cache_cmd("EXPIRE %s 60", key);
 *	if (cache_flush())                    // one round trip; ERR_UNAVAILABLE when Redis is gone
 *		...
 *	count = cache_int(n);
 *
 * Replies live until the next cache_begin() or the end of the request, whichever is first.
 */
#ifndef ROOKERY_CACHE_H
#define ROOKERY_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void cache_begin(void);                     /* forget earlier replies and pending commands */
int cache_cmd(const char *fmt, ...);        /* append; returns the reply's index */
int cache_argv(int argc, const char **argv, const size_t *len);
int cache_flush(void);                      /* 0 or ERR_UNAVAILABLE */
int cache_send(void);                       /* the same without waiting; replies are read later and dropped */
int64_t cache_int(int i);                   /* integer reply; 0 for nil, -1 for an error reply */
const char *cache_str(int i);               /* string reply or NULL for nil */
int cache_count(int i);                     /* elements of an array reply */
const char *cache_elem(int i, int j);       /* string element of an array reply */
bool cache_ok(void);                        /* is a connection up; tries to open one */
void cache_close(void);

#endif
