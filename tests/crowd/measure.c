/* measure: connecting, bursts, one-to-one traffic, each with its figures; see crowd.h. */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double SECOND = 1e9;

/* ---- times ----------------------------------------------------------------------------------- */

static struct {
	uint32_t *us10; /* in units of 10 ns, up to 42 s */
	size_t n, cap;
} times;

static void
times_add(uint64_t ns)
{
	if (times.n == times.cap) {
		times.cap = times.cap ? 2 * times.cap : 1 << 16;
		times.us10 = realloc(times.us10, times.cap * sizeof(*times.us10));
	}
	times.us10[times.n++] = ns / 10 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 10);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Milliseconds at a place of the sorted times. */
static double
at(double share)
{
	size_t i = (size_t)(share * (double)(times.n - 1) + 0.5);

	return times.n ? times.us10[i] / 1e5 : 0;
}

static void
print_times(void)
{
	qsort(times.us10, times.n, sizeof(*times.us10), compare);
	printf("\"samples\":%zu,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}\n", times.n,
	    at(0.5), at(0.99), at(0.999), at(1));
	fflush(stdout);
}

static void
reset(void)
{
	times.n = 0;
	for (size_t i = 0; i < crowd.n; i++)
		crowd.clients[i].events = 0;
	crowd.counts.events = 0;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static struct {
	uint32_t events;
	size_t done;
	bool *is_done;
} opening;

static void
opened(struct client *c)
{
	bool *is_done = &opening.is_done[c - crowd.clients];

	if (*is_done || c->state != READY || c->events < opening.events)
		return;
	*is_done = true;
	opening.done++;
	times_add(now_ns() - c->began);
}

static void
opened_event(struct client *c, const char *text, size_t n)
{
	(void)text, (void)n;
	opened(c);
}

static size_t
under_way(void)
{
	size_t n = 0;

	for (size_t i = 0; i < crowd.n; i++)
		n += crowd.clients[i].state != IDLE && crowd.clients[i].state != READY;
	return n;
}

/* The next of those to be opened, when its turn has come. */
static bool
open_next(size_t *next, uint64_t start, int64_t within_ms, int parallel)
{
	double due = (double)within_ms * 1e6 * (double)*next / (double)crowd.n;
	struct client *c = &crowd.clients[*next];

	if (*next == crowd.n || (double)(now_ns() - start) < due)
		return false;
	if (!within_ms && *next >= opening.done + (size_t)parallel &&
	    under_way() >= (size_t)parallel)
		return false;
	++*next;
	if (c->state == IDLE) {
		c->began = 0;
		client_begin(c);
	} else {
		opening.is_done[c - crowd.clients] = true;
		opening.done++;
	}
	return true;
}

void
measure_open(int64_t within_ms, int parallel, uint32_t events, int64_t most_s)
{
	void (*before)(struct client *, const char *, size_t) = crowd.on_event;
	bool come_back = crowd.come_back;
	uint64_t start = now_ns(), failed = crowd.counts.failed;
	size_t next = 0;

	reset();
	opening.events = events;
	opening.done = 0;
	opening.is_done = calloc(crowd.n, sizeof(bool));
	crowd.come_back = true;
	crowd.on_ready = opened;
	if (events)
		crowd.on_event = opened_event;
	while (opening.done < crowd.n && (double)(now_ns() - start) < (double)most_s * SECOND) {
		while (open_next(&next, start, within_ms, parallel))
			;
		clients_turn(200000);
	}
	printf("{\"ready\":%zu,\"seconds\":%.3f,\"failed\":%llu,\"resumed\":%llu,"
	       "\"not_resumed\":%llu,",
	    opening.done, (double)(now_ns() - start) / SECOND,
	    (unsigned long long)(crowd.counts.failed - failed),
	    (unsigned long long)crowd.counts.resumed, (unsigned long long)crowd.counts.not_resumed);
	print_times();
	crowd.on_event = before;
	crowd.on_ready = NULL;
	crowd.come_back = come_back;
	free(opening.is_done);
}

/* ---- deliveries ------------------------------------------------------------------------------ */

static void
count(struct client *c, const char *text, size_t n)
{
	(void)c, (void)text, (void)n;
}

static void
count_time(struct client *c, const char *text, size_t n)
{
	const char *p = memmem(text, n, "\"at\":", 5);

	(void)c;
	if (p)
		times_add(now_ns() - strtoull(p + 5, NULL, 10));
}

/* Until so many events have come; nothing for ten seconds is the end of the test. */
static void
until(uint64_t events)
{
	uint64_t before = crowd.counts.events, since = now_ns();

	while (crowd.counts.events < events) {
		clients_turn(1000000);
		if (crowd.counts.events != before) {
			before = crowd.counts.events;
			since = now_ns();
		} else if (now_ns() - since > 10 * (uint64_t)SECOND) {
			fail("%llu of %llu messages arrived; %zu clients are ready",
			    (unsigned long long)before, (unsigned long long)events, crowd.n_ready);
		}
	}
}

static void
begin(void (*fn)(struct client *, const char *, size_t))
{
	if (crowd.n_ready != crowd.n)
		fail("only %zu of %zu clients are ready", crowd.n_ready, crowd.n);
	reset();
	crowd.on_event = fn;
}

static void
report(uint64_t start)
{
	double seconds = (double)(now_ns() - start) / SECOND;

	printf("{\"deliveries\":%llu,\"seconds\":%.3f,\"rate\":%.1f,",
	    (unsigned long long)crowd.counts.events, seconds,
	    (double)crowd.counts.events / seconds);
	print_times();
}

/* So many messages to everybody at once, and the next when all have all. */
void
measure_bursts(int messages, double seconds)
{
	uint64_t start, round, expected = 0;

	begin(count);
	start = now_ns();
	do {
		round = now_ns();
		for (int i = 0; i < messages; i++)
			feed_message(NULL);
		feed_flush();
		until(expected += (uint64_t)messages * crowd.n);
		times_add(now_ns() - round);
	} while ((double)(now_ns() - start) < seconds * SECOND);
	report(start);
}

/* Messages to one after another, at most so many on their way. */
void
measure_pairs(int window, double seconds)
{
	uint64_t start, sent = 0;

	begin(count_time);
	for (start = now_ns(); (double)(now_ns() - start) < seconds * SECOND;) {
		while (sent < crowd.counts.events + (uint64_t)window)
			feed_message(&crowd.clients[sent++ * 7919 % crowd.n]);
		feed_flush();
		clients_turn(1000000);
	}
	until(sent);
	report(start);
}

/* Messages to one after another, so many a second whatever happens. */
void
measure_rate(int per_second, double seconds)
{
	uint64_t start, sent = 0, due;

	begin(count_time);
	for (start = now_ns(); (double)(now_ns() - start) < seconds * SECOND;) {
		due = (uint64_t)((double)(now_ns() - start) / SECOND * per_second);
		for (; sent < due; sent++)
			feed_message(&crowd.clients[sent * 7919 % crowd.n]);
		feed_flush();
		clients_turn(100000);
	}
	until(sent);
	report(start);
}
