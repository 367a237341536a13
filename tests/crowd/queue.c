/* queue: acknowledges what arrives, a list of messages at a time; see crowd.h. */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	EVERY_MS = 100, /* a client may say 200 things in ten seconds */
	MOST = 128,     /* messages that are acknowledged together */
	ID = 36,
	ROOM = MOST * (ID + 1) + 1,
};

/* unacked is "ID,ID,…": the crowd's file has it so, and JSON with quotes. */
static void
acknowledge(struct client *c)
{
	static char text[64 + MOST * (ID + 3)];
	int n = snprintf(text, sizeof(text),
	    "{\"type\":\"ack\",\"id\":%u,\"data\":{\"messageIds\":[", ++c->acks);

	for (size_t at = 0; at < c->unacked_n; at += ID + 1)
		n += sprintf(text + n, "%s\"%.*s\"", at ? "," : "", ID, c->unacked + at);
	n += sprintf(text + n, "]}}");
	watch_ack(c, c->acks, c->unacked);
	c->unacked_n = 0;
	client_say(c, text, (size_t)n);
}

void
queue_message(struct client *c, const char *id, size_t n)
{
	if (n != ID)
		fail("not a message's id: %.*s", (int)n, id);
	if (!c->unacked)
		c->unacked = malloc(ROOM);
	if (c->unacked_n)
		c->unacked[c->unacked_n - 1] = ',';
	memcpy(c->unacked + c->unacked_n, id, ID);
	c->unacked_n += ID + 1;
	c->unacked[c->unacked_n - 1] = '\0';
	if (c->unacked_n == ROOM - 1)
		acknowledge(c);
}

void
queue_turn(void)
{
	static uint64_t looked;
	uint64_t now = now_ns();

	if (now < looked + EVERY_MS * 1000000ull)
		return;
	looked = now;
	for (size_t i = 0; i < crowd.n; i++)
		if (crowd.clients[i].unacked_n && crowd.clients[i].state == READY)
			acknowledge(&crowd.clients[i]);
}

void
queue_forget(struct client *c)
{
	free(c->unacked);
	c->unacked = NULL;
	c->unacked_n = 0;
	c->acks = 0;
}
