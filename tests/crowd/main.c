/* main: options and commands of the crowd; see crowd.h. */
#include "crowd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct crowd crowd;

uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void
fail(const char *fmt, ...)
{
	va_list ap;

	fputs("crowd: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	watch_flush();
	exit(1);
}

static void
ignore(struct client *c, const char *text, size_t n)
{
	(void)c, (void)text, (void)n;
}

/* ---- the clients ----------------------------------------------------------------------------- */

static const char *
field(char **line)
{
	char *text = strsep(line, "\t");

	if (!text)
		fail("a client has six fields: source, path, token, to, not, conversation");
	return strdup(text);
}

static void
read_clients(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL, *rest;
	size_t room = 0;
	ssize_t n;

	if (!f)
		fail("%s: %s", path, strerror(errno));
	while ((n = getline(&line, &room, f)) > 0) {
		struct client *c;

		line[n - 1] = '\0';
		rest = line;
		if (crowd.n % 1024 == 0)
			crowd.clients =
			    realloc(crowd.clients, (crowd.n + 1024) * sizeof(*crowd.clients));
		c = memset(&crowd.clients[crowd.n++], 0, sizeof(*c));
		c->source = field(&rest);
		c->path = field(&rest);
		c->token = field(&rest);
		c->to = field(&rest);
		c->not = field(&rest);
		c->conversation = field(&rest);
	}
	free(line);
	fclose(f);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void
drop(size_t from, size_t to)
{
	for (size_t i = from; i < to && i < crowd.n; i++) {
		client_drop(&crowd.clients[i]);
		crowd.clients[i].lost = false;
		crowd.clients[i].paused = false;
	}
}

static void
print_stats(void)
{
	const struct counts *k = &crowd.counts;

	watch_flush();
	printf("{\"clients\":%zu,\"ready_now\":%zu,\"events\":%llu,\"bytes\":%llu,\"ready\":%llu,"
	       "\"failed\":%llu,\"closed\":%llu,\"lost\":%llu,\"resumed\":%llu,"
	       "\"not_resumed\":%llu}\n",
	    crowd.n, crowd.n_ready, (unsigned long long)k->events, (unsigned long long)k->bytes,
	    (unsigned long long)k->ready, (unsigned long long)k->failed,
	    (unsigned long long)k->closed, (unsigned long long)k->lost,
	    (unsigned long long)k->resumed, (unsigned long long)k->not_resumed);
	fflush(stdout);
}

static void
publish(int n)
{
	for (int i = 0; i < n; i++)
		feed_message(NULL);
	feed_flush();
}

/* Commands that are done at once are answered with the counters. */
static void
command(const char *line)
{
	long long a = 0, b = 0, c = 0, d = 120;
	double seconds;
	int n;

	if (sscanf(line, "open %lld %lld %lld %lld", &a, &b, &c, &d) >= 2) {
		measure_open(a, (int)b, (uint32_t)c, d);
		return;
	}
	if (sscanf(line, "burst %d %lf", &n, &seconds) == 2) {
		measure_bursts(n, seconds);
		return;
	}
	if (sscanf(line, "pairs %d %lf", &n, &seconds) == 2) {
		measure_pairs(n, seconds);
		return;
	}
	if (sscanf(line, "rate %d %lf", &n, &seconds) == 2) {
		measure_rate(n, seconds);
		return;
	}
	if (sscanf(line, "drop %lld %lld", &a, &b) == 2)
		drop((size_t)a, (size_t)b);
	else if (sscanf(line, "comeback %d", &n) == 1)
		crowd.come_back = n;
	else if (sscanf(line, "buffer %d", &n) == 1)
		crowd.receive_buffer = n;
	else if (sscanf(line, "publish %d", &n) == 1)
		publish(n);
	else if (sscanf(line, "queue %lld %lld", &a, &b) == 2)
		for (long long i = a; i < b && i < (long long)crowd.n; i++)
			crowd.clients[i].queue = true;
	else if (sscanf(line, "pause %lld %lld %d", &a, &b, &n) == 3)
		for (long long i = a; i < b && i < (long long)crowd.n; i++)
			client_pause(&crowd.clients[i], n);
	else if (strcmp(line, "stats"))
		fail("no such command: %s", line);
	print_stats();
}

static char words[4096]; /* read and not yet obeyed */
static size_t words_n;

static void
on_input(void)
{
	ssize_t n = read(0, words + words_n, sizeof(words) - 1 - words_n);

	if (n <= 0)
		exit(0);
	words_n += (size_t)n;
	words[words_n] = '\0';
}

/* Between turns, since a command may have turns of its own. */
static void
obey(void)
{
	char *end;

	while ((end = strchr(words, '\n'))) {
		*end = '\0';
		command(words);
		words_n -= (size_t)(end + 1 - words);
		memmove(words, end + 1, words_n + 1);
	}
}

/* ---- options --------------------------------------------------------------------------------- */

static const struct option options[] = {{"target", 1, NULL, 't'}, {"clients", 1, NULL, 'c'},
    {"feed", 1, NULL, 'f'}, {"kind", 1, NULL, 'k'}, {"group", 1, NULL, 'g'}, {"keep", 1, NULL, 'e'},
    {"size", 1, NULL, 's'}, {"watch", 1, NULL, 'w'}, {"cursors", 0, NULL, 'r'}, {NULL, 0, NULL, 0}};

static void
set_kind(const char *name)
{
	static const char *const kinds[] = {"relay", "peer", "nchan"};

	for (int i = 0; i < 3; i++)
		if (!strcmp(name, kinds[i]))
			feed.kind = (enum feed_kind)i;
	crowd.nchan = feed.kind == FEED_NCHAN;
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	int c;

	crowd.on_event = ignore;
	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 't')
			crowd.target = optarg;
		else if (c == 'c')
			read_clients(optarg);
		else if (c == 'f')
			feed.where = optarg;
		else if (c == 'k')
			set_kind(optarg);
		else if (c == 'g')
			feed.group = optarg;
		else if (c == 'e')
			feed.keep = atoi(optarg);
		else if (c == 's')
			feed.size = atoi(optarg);
		else if (c == 'w')
			watch_start(optarg);
		else if (c == 'r')
			crowd.keep_cursors = true;
		else
			return 2;
	}
	if (!crowd.target || !crowd.n)
		fail("--target and --clients are needed");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	clients_start();
	clients_watch(0, on_input);
	if (feed.where)
		feed_start();
	for (;;) {
		clients_turn(20000000);
		obey();
	}
}
