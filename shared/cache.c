/* cache: see cache.h. */
#include "cache.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf.h"
#include "err.h"
#include "log.h"

static struct {
	redisContext *conn;
	redisReply **replies;
	int pending, answered, room;
	int behind;        /* replies still to come that nobody asks for */
	time_t not_before; /* of the next attempt to connect, so that a dead Redis costs little */
	bool away;         /* which has been mentioned */
} cache;

static void
free_replies(void)
{
	for (int i = 0; i < cache.answered; i++)
		freeReplyObject(cache.replies[i]);
	cache.answered = 0;
}

void
cache_close(void)
{
	free_replies();
	if (cache.conn)
		redisFree(cache.conn);
	cache.conn = NULL;
	cache.pending = 0;
	cache.behind = 0;
}

static int
lost(void)
{
	log_error("redis lost", "why", cache.conn->errstr);
	cache.away = true;
	cache_close();
	return ERR_UNAVAILABLE;
}

bool
cache_ok(void)
{
	struct timeval limit = {.tv_sec = conf_int("redis.timeout")};

	if (cache.conn && !cache.conn->err)
		return true;
	cache_close();
	if (time(NULL) < cache.not_before)
		return false;
	cache.conn = redisConnectUnixWithTimeout(conf_str("redis.socket"), limit);
	if (cache.conn && !cache.conn->err) {
		redisSetTimeout(cache.conn, limit);
		if (cache.away)
			log_info("redis is back");
		cache.away = false;
		return true;
	}
	if (!cache.away)
		log_error("no redis", "why", cache.conn ? cache.conn->errstr : "out of memory");
	cache.away = true;
	cache_close();
	cache.not_before = time(NULL) + 1;
	return false;
}

void
cache_begin(void)
{
	free_replies();
	if (cache.pending) /* commands appended and never flushed: their replies would be taken for
			      others' */
		cache_close();
}

static int
appended(int result)
{
	return result == REDIS_OK ? cache.pending++ : -1;
}

int
cache_cmd(const char *fmt, ...)
{
	va_list ap;
	int result;

	if (!cache_ok())
		return -1;
	va_start(ap, fmt);
	result = redisvAppendCommand(cache.conn, fmt, ap);
	va_end(ap);
	return appended(result);
}

int
cache_argv(int argc, const char **argv, const size_t *len)
{
	return cache_ok() ? appended(redisAppendCommandArgv(cache.conn, argc, argv, len)) : -1;
}

int
cache_send(void)
{
	int done = 0;

	if (!cache.conn)
		return ERR_UNAVAILABLE;
	while (!done) {
		if (redisBufferWrite(cache.conn, &done) != REDIS_OK)
			return lost();
	}
	cache.behind += cache.pending;
	cache.pending = 0;
	return 0;
}

/* The replies to what cache_send() sent come before all others. */
static int
catch_up(void)
{
	for (; cache.behind > 0; cache.behind--) {
		redisReply *reply;

		if (redisGetReply(cache.conn, (void **)&reply) != REDIS_OK)
			return lost();
		if (reply->type == REDIS_REPLY_ERROR)
			log_warn("redis refused what was sent", "why", reply->str);
		freeReplyObject(reply);
	}
	return 0;
}

int
cache_flush(void)
{
	if (!cache.conn || catch_up())
		return ERR_UNAVAILABLE;
	if (cache.answered + cache.pending > cache.room) {
		cache.room = cache.answered + cache.pending + 64;
		cache.replies = realloc(cache.replies, (size_t)cache.room * sizeof *cache.replies);
		if (!cache.replies)
			abort();
	}
	for (; cache.pending > 0; cache.pending--) {
		void *reply;

		if (redisGetReply(cache.conn, &reply) != REDIS_OK)
			return lost();
		cache.replies[cache.answered++] = reply;
	}
	return 0;
}

static const redisReply *
reply_at(int i)
{
	return i >= 0 && i < cache.answered ? cache.replies[i] : NULL;
}

int64_t
cache_int(int i)
{
	const redisReply *reply = reply_at(i);

	if (!reply || reply->type == REDIS_REPLY_ERROR)
		return -1;
	return reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
}

const char *
cache_str(int i)
{
	const redisReply *reply = reply_at(i);

	return reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
		   ? reply->str
		   : NULL;
}

int
cache_count(int i)
{
	const redisReply *reply = reply_at(i);

	return reply && reply->type == REDIS_REPLY_ARRAY ? (int)reply->elements : 0;
}

const char *
cache_elem(int i, int j)
{
	const redisReply *reply = reply_at(i);

	return j >= 0 && j < cache_count(i) ? reply->element[j]->str : NULL;
}
