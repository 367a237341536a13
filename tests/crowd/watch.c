/*
 * watch: writes what arrives to a file, a line an event; see crowd.h.
 *
 *	M CLIENT CONVERSATION SEQ MESSAGE	an event message.new
 *	U CLIENT				a cursor was not recovered
 *	R CLIENT				"resync"
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
	else if (n > 15 && !memcmp(text, "{\"type\":\"resync\"", 16))
		fprintf(file, "R %d\n", place(c));
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
