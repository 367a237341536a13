/*
 * watch: writes what arrives to a file, a line an event; see crowd.h.
 *
 *	M CLIENT CONVERSATION SEQ MESSAGE	an event message.new
 *	U CLIENT				a cursor was not recovered
 *	R CLIENT				"resync"
 *	B CLIENT				with a queue: signed in
 *	E CLIENT				"queue.empty"
 *	K CLIENT NUMBER MESSAGE,MESSAGE…	has acknowledged
 *	A CLIENT NUMBER STATUS			the answer to that
 *	C CLIENT CODE				a close frame; 0 is none
 *	H CLIENT TEXT				a handshake was refused
 */
#include "crowd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *file;

static int
place(const struct client *c)
{
	return (int)(c - crowd.clients);
}

/* A string or number of the event's data; its length, 0 when it is not there. */
static size_t
member(const char *text, size_t n, const char *name, const char **out)
{
	const char *at = memmem(text, n, name, strlen(name)), *end = text + n;
	size_t length = 0;

	if (!at)
		return 0;
	for (at += strlen(name); at < end && (*at == ' ' || *at == '"');)
		at++;
	while (at + length < end && !strchr("\",}", at[length]))
		length++;
	*out = at;
	return length;
}

static void
on_event(struct client *c, const char *text, size_t n)
{
	const char *conversation, *seq, *message;
	size_t conversation_n = member(text, n, "\"conversationId\":", &conversation);
	size_t seq_n = member(text, n, "\"seq\":", &seq);
	size_t message_n = member(text, n, "\"messageId\":", &message);

	if (!conversation_n || !seq_n || !message_n)
		fail("not a message: %.*s", (int)n, text);
	fprintf(file, "M %d %.*s %.*s %.*s\n", place(c), (int)conversation_n, conversation,
	    (int)seq_n, seq, (int)message_n, message);
	if (c->queue)
		queue_message(c, message, message_n);
}

static bool
begins(const char *text, size_t n, const char *with)
{
	return n >= strlen(with) && !memcmp(text, with, strlen(with));
}

static void
on_answer(struct client *c, const char *text, size_t n)
{
	const char *id, *status;
	size_t id_n = member(text, n, "\"id\":", &id);
	size_t status_n = member(text, n, "\"status\":", &status);

	if (!id_n || !status_n)
		fail("not an answer: %.*s", (int)n, text);
	fprintf(file, "A %d %.*s %.*s\n", place(c), (int)id_n, id, (int)status_n, status);
}

void
watch_ack(const struct client *c, uint32_t number, const char *list)
{
	if (file)
		fprintf(file, "K %d %u %s\n", place(c), number, list);
}

static void
on_other(struct client *c, const char *what, const char *text, size_t n)
{
	if (!strcmp(what, "unrecovered"))
		fprintf(file, "U %d\n", place(c));
	else if (!strcmp(what, "close"))
		fprintf(file, "C %d %d\n", place(c),
		    n < 2 ? 0 : (uint8_t)text[0] << 8 | (uint8_t)text[1]);
	else if (!strcmp(what, "refused"))
		fprintf(file, "H %d %.*s\n", place(c), (int)strcspn(text, "\r"), text);
	else if (!strcmp(what, "begun"))
		fprintf(file, "B %d\n", place(c));
	else if (begins(text, n, "{\"type\":\"resync\""))
		fprintf(file, "R %d\n", place(c));
	else if (begins(text, n, "{\"type\":\"queue.empty\""))
		fprintf(file, "E %d\n", place(c));
	else if (begins(text, n, "{\"type\":\"response\""))
		on_answer(c, text, n);
}

void
watch_start(const char *path)
{
	file = fopen(path, "w");
	if (!file)
		fail("%s: %s", path, strerror(errno));
	setvbuf(file, NULL, _IOFBF, 1 << 20);
	crowd.on_event = on_event;
	crowd.on_other = on_other;
}

void
watch_flush(void)
{
	if (file)
		fflush(file);
}
