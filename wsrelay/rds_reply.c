/* rds_reply: see rds_reply.h. */
#include "rds_reply.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "map.h"

enum {
	CHUNK = 1 << 18,
	KEPT_INPUT =
	    1 << 20, /* hiredis gives its buffer back after each reply unless told otherwise */
};

struct rds_chunk {
	struct rds_chunk *next;
	size_t used, size;
	max_align_t data[];
};

/* Before each reply lies where it belongs: freeObject() is told nothing else. */
struct object {
	struct rds_replies *of;
	redisReply reply;
};

static struct rds_chunk *
new_chunk(size_t least)
{
	size_t size = least > CHUNK ? least : CHUNK;
	struct rds_chunk *c = must_alloc(sizeof(*c) + size);

	*c = (struct rds_chunk){.size = size};
	return c;
}

static void *
take(struct rds_replies *r, size_t n)
{
	struct rds_chunk *c = r->now;

	n = (n + 7) & ~(size_t)7;
	if (c->size - c->used < n) {
		c = r->now = r->now->next = new_chunk(n);
	}
	c->used += n;
	return (char *)c->data + c->used - n;
}

static void
empty(struct rds_replies *r)
{
	struct rds_chunk *c, *next;

	for (c = r->first->next; c; c = next) {
		next = c->next;
		free(c);
	}
	r->first->next = NULL;
	r->first->used = 0;
	r->now = r->first;
}

static redisReply *
new_reply(const redisReadTask *task)
{
	struct object *o = take(task->privdata, sizeof(*o));

	memset(o, 0, sizeof(*o));
	o->of = task->privdata;
	o->reply.type = task->type;
	if (task->parent)
		((redisReply *)task->parent->obj)->element[task->idx] = &o->reply;
	return &o->reply;
}

static void *
new_string(const redisReadTask *task, char *text, size_t n)
{
	redisReply *reply = new_reply(task);

	reply->str = take(task->privdata, n + 1);
	memcpy(reply->str, text, n);
	reply->str[n] = '\0';
	reply->len = n;
	return reply;
}

static void *
new_array(const redisReadTask *task, int n)
{
	redisReply *reply = new_reply(task);

	reply->elements = (size_t)n;
	if (n > 0) {
		reply->element = take(task->privdata, (size_t)n * sizeof(redisReply *));
		memset(reply->element, 0, (size_t)n * sizeof(redisReply *));
	}
	return reply;
}

static void *
new_integer(const redisReadTask *task, long long value)
{
	redisReply *reply = new_reply(task);

	reply->integer = value;
	return reply;
}

static void *
new_nil(const redisReadTask *task)
{
	redisReply *reply = new_reply(task);

	reply->type = REDIS_REPLY_NIL; /* the task says what it might have been */
	return reply;
}

static void
free_reply(void *reply)
{
	if (reply)
		empty(((struct object *)((char *)reply - offsetof(struct object, reply)))->of);
}

void
rds_reply_use(struct rds_replies *replies, redisReader *reader)
{
	static redisReplyObjectFunctions functions = {
	    new_string, new_array, new_integer, new_nil, free_reply};

	if (!replies->first)
		replies->first = replies->now = new_chunk(0);
	empty(replies);
	reader->fn = &functions;
	reader->privdata = replies;
	reader->maxbuf = KEPT_INPUT;
}
