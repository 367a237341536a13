/* feed: publishes messages, to a Redis stream or to nchan's publisher; see crowd.h. */
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Redis takes all on one connection; nginx reads what is pipelined slowly, so it gets several. */
enum { LINES = 32, PAD = 4096, ENVELOPE_RELAY = 114, ENVELOPE_PEER = 57 };

struct feed feed = {.keep = 20000, .size = 300};

struct line {
	int fd;
	char *out;
	size_t n, cap;
	char before; /* the last byte of the answers so far */
};

static struct {
	struct line lines[LINES], *now;
	char pad[PAD];
	uint64_t id, *seq; /* seq: of each client's conversation */
	uint64_t group_seq;
} self;

static int
lines(void)
{
	return feed.kind == FEED_NCHAN ? LINES : 1;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void
put(const void *p, size_t n)
{
	struct line *l = self.now;

	if (l->n + n > l->cap) {
		l->cap = 2 * (l->n + n);
		l->out = realloc(l->out, l->cap);
	}
	memcpy(l->out + l->n, p, n);
	l->n += n;
}

__attribute__((format(printf, 1, 2))) static void
print(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(text, (size_t)n);
}

static void
argument(const char *text)
{
	print("$%zu\r\n", strlen(text));
	put(text, strlen(text));
	put("\r\n", 2);
}

static void
connect_unix(struct line *l)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	l->before = '\n';
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", feed.where);
	if (connect(l->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("%s: %s", feed.where, strerror(errno));
}

/* nginx ends kept connections when it runs out of them, as after a storm: they come back. */
static void
connect_again(struct line *l)
{
	int fd = l->fd;

	if (feed.kind != FEED_NCHAN)
		fail("%s ends the connection", feed.where);
	connect_unix(l);
	dup2(l->fd, fd);
	close(l->fd);
	l->fd = fd;
	clients_watch_again(fd);
}

/* The answers: each must be good.  RESP errors and HTTP statuses stand at the start of a line. */
static void
read_answers(struct line *l)
{
	static char bytes[1 << 16];
	ssize_t n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		connect_again(l);
	for (ssize_t i = 0; i < n; i++) {
		if (l->before == '\n' && feed.kind != FEED_NCHAN) {
			if (bytes[i] == '-')
				fail("Redis: %.*s", (int)(n - i < 200 ? n - i : 200), bytes + i);
			feed.answered += bytes[i] == '$';
		} else if (feed.kind == FEED_NCHAN && bytes[i] == ' ' && n - i > 4 && i >= 8 &&
			   !memcmp(bytes + i - 8, "HTTP/1.1", 8)) {
			if (bytes[i + 1] != '2')
				fail("nchan: %.*s", (int)(n - i < 60 ? n - i : 60), bytes + i);
			feed.answered++;
		}
		l->before = bytes[i];
	}
}

static void
on_answers(void)
{
	for (int i = 0; i < lines(); i++)
		read_answers(&self.lines[i]);
}

static void
flush(struct line *l)
{
	size_t at = 0;

	while (at < l->n) {
		ssize_t n = send(l->fd, l->out + at, l->n - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			fail("%s: %s", feed.where, strerror(errno));
		if (n < 0)
			clients_turn(100000); /* which reads answers and frames meanwhile */
		else
			at += (size_t)n;
	}
	l->n = 0;
}

void
feed_flush(void)
{
	for (int i = 0; i < lines(); i++)
		flush(&self.lines[i]);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* A JSON object of so many bytes that holds the time. */
static int
payload(char *out, size_t room, int size, const char *before)
{
	int n =
	    snprintf(out, room, "{%s\"at\":%llu,\"x\":\"", before, (unsigned long long)now_ns());
	int pad = size - n - 2;

	if (pad < 0 || (size_t)size + 1 > room)
		fail("%d bytes are too few for a message", size);
	memcpy(out + n, self.pad, (size_t)pad);
	memcpy(out + n + pad, "\"}", 3);
	return size;
}

/* An entry as the farm's apps add it (shared/event.h). */
static void
relay_message(const struct client *to)
{
	char id[40], seq[24], text[PAD + 1], keep[16];
	size_t i = to ? (size_t)(to - crowd.clients) % (crowd.n / 2) : 0;

	self.id++;
	snprintf(id, sizeof(id), "%08x-0000-7000-8000-%012llx", (unsigned)(self.id >> 48),
	    (unsigned long long)(self.id & 0xffffffffffff));
	snprintf(
	    seq, sizeof(seq), "%llu", (unsigned long long)(to ? ++self.seq[i] : ++self.group_seq));
	snprintf(keep, sizeof(keep), "%d", feed.keep);
	payload(text, sizeof(text), feed.size - ENVELOPE_RELAY, "");
	print("*%d\r\n", to ? 22 : 18);
	for (const char *const *word = (const char *const[]){"XADD", "rt", "MAXLEN", "~", keep, "*",
		 "id", id, "t", "message.new", "c", to ? to->conversation : feed.group, "v", "1",
		 "s", seq, "j", text, NULL};
	     *word; word++)
		argument(*word);
	for (const char *const *word =
		 (const char *const[]){"to", to ? to->to : NULL, "not", to ? to->not : NULL, NULL};
	     to && *word; word++)
		argument(*word);
}

/* What the peers in tests/bench/peers read: for whom, and the data. */
static void
peer_message(const struct client *to)
{
	char text[PAD + 1], keep[16];

	snprintf(keep, sizeof(keep), "%d", feed.keep);
	payload(text, sizeof(text), feed.size - ENVELOPE_PEER, "");
	print("*10\r\n");
	for (const char *const *word = (const char *const[]){"XADD", "bench", "MAXLEN", "~", keep,
		 "*", to ? "to" : "group", to ? to->to : feed.group, "j", text, NULL};
	     *word; word++)
		argument(*word);
}

static void
nchan_message(const struct client *to)
{
	char text[PAD + 1];
	int n = payload(text, sizeof(text), feed.size, "\"type\":\"message.new\",");

	print("POST /publish?id=%s HTTP/1.1\r\nHost: nchan\r\nContent-Length: %d\r\n\r\n",
	    to ? to->to : feed.group, n);
	put(text, (size_t)n);
}

void
feed_message(const struct client *to)
{
	static void (*const kinds[])(const struct client *) = {
	    relay_message, peer_message, nchan_message};

	self.now = &self.lines[feed.published % (uint64_t)lines()];
	kinds[feed.kind](to);
	feed.published++;
}

/* ---- the connection -------------------------------------------------------------------------- */

void
feed_start(void)
{
	for (int i = 0; i < lines(); i++) {
		connect_unix(&self.lines[i]);
		clients_watch(self.lines[i].fd, on_answers);
	}
	memset(self.pad, 'x', sizeof(self.pad));
	self.seq = calloc(crowd.n / 2 + 1, sizeof(*self.seq));
	self.id = now_ns() << 8; /* ids of another run differ */
}
