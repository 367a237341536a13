/* stream_probe: see stream_probe.h. */
#include "stream_probe.h"

#include <sodium.h>
#include <stdio.h>

enum { RANDOM_BYTES = 16, RANDOM_TEXT = 2 * RANDOM_BYTES + 1 };

static struct {
	char epoch[EPOCH_VALUE];
	void (*done)(const char *epoch, const struct stream_info *info);
	void (*renewed)(void);
} probe;

static void
random_text(char out[RANDOM_TEXT])
{
	unsigned char bytes[RANDOM_BYTES];

	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2hex(out, RANDOM_TEXT, bytes, sizeof(bytes));
}

static void
ignore(void *ctx, const redisReply *reply)
{
	(void)ctx;
	(void)reply;
}

static void
keep_epoch(void *ctx, const redisReply *reply)
{
	bool text = reply && reply->type == REDIS_REPLY_STRING;

	(void)ctx;
	snprintf(probe.epoch, sizeof(probe.epoch), "%s", text ? reply->str : "");
}

static void
on_info(void *ctx, const redisReply *reply)
{
	struct stream_info info;
	bool good = stream_read_info(reply, &info) && *probe.epoch;

	(void)ctx;
	probe.done(good ? probe.epoch : NULL, &info);
}

bool
stream_probe(struct rds *commands, void (*done)(const char *epoch, const struct stream_info *info))
{
	char fresh[RANDOM_TEXT];

	random_text(fresh);
	probe.done = done;
	return rds_command(commands, ignore, NULL, "SET rt:epoch %s NX", fresh) &&
	       rds_command(commands, keep_epoch, NULL, "GET rt:epoch") &&
	       rds_command(commands, on_info, NULL, "XINFO STREAM rt");
}

static void
on_renewed(void *ctx, const redisReply *reply)
{
	(void)ctx;
	if (reply)
		probe.renewed();
}

void
stream_renew(struct rds *commands, const char *old, void (*done)(void))
{
	char fresh[RANDOM_TEXT];

	random_text(fresh);
	probe.renewed = done;
	rds_command(commands, on_renewed, NULL, "EVAL %s 1 rt:epoch %s %s",
	    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end",
	    old, fresh);
}
