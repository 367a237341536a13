/* health: see health.h. */
#include "health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "conf.h"
#include "conn.h"
#include "log.h"
#include "pg.h"
#include "share.h"
#include "stream.h"

static struct {
	bool degraded, stopping;
} health;

/* The word clients get; NULL when all is well. */
static const char *
trouble(void)
{
	if (!stream_connected())
		return "stream";
	if (!pg_up())
		return "database";
	return stream_lag() > (double)conf_int("relay.max_lag") ? "lag" : NULL;
}

static void
tell_degraded(struct conn *c, void *reason)
{
	if (c->ready)
		dialect_at(c->dialect)->degraded(c, reason);
}

static void
tell_restored(struct conn *c, void *unused)
{
	(void)unused;
	if (c->ready)
		dialect_at(c->dialect)->restored(c);
}

void
health_changed(void)
{
	const char *reason = trouble();

	if (!reason == !health.degraded)
		return;
	health.degraded = reason != NULL;
	if (reason) {
		log_warn("degraded", "reason", reason);
		conn_each(tell_degraded, (void *)reason);
	} else {
		log_info("restored");
		conn_each(tell_restored, NULL);
	}
}

void
health_tell(struct conn *c)
{
	if (health.degraded)
		tell_degraded(c, (void *)trouble());
}

void
health_tell_adopted(struct conn *c, bool told)
{
	if (!told)
		health_tell(c);
	else if (!health.degraded)
		tell_restored(c, NULL);
}

bool
health_degraded(void)
{
	return health.degraded;
}

void
health_stopping(void)
{
	health.stopping = true;
}

void
health_note(void)
{
	char *out = share_mine->reason;
	size_t n = 0, size = sizeof(share_mine->reason);
	double lag = stream_lag();

	if (health.stopping)
		n += (size_t)snprintf(out + n, size - n, "stopping\n");
	if (!stream_connected())
		n += (size_t)snprintf(out + n, size - n, "redis: %.120s\n", stream_reason());
	else if (!stream_live())
		n += (size_t)snprintf(out + n, size - n, "stream: loading\n");
	if (!pg_up())
		n += (size_t)snprintf(out + n, size - n, "database: %.120s\n", pg_reason());
	if (lag > (double)conf_int("relay.max_lag"))
		n += (size_t)snprintf(out + n, size - n, "lag: %.1f s\n", lag);
	out[n] = '\0';
	share_mine->ready = !n;
}

/* Lines of one process that another has not said yet. */
static size_t
add_lines(char *out, size_t size, size_t n, const char *lines)
{
	char line[SHARE_REASON];

	while (*lines) {
		size_t length = strcspn(lines, "\n");

		snprintf(line, sizeof(line), "%.*s\n", (int)length, lines);
		if (!strstr(out, line))
			n += (size_t)snprintf(out + n, size - n, "%s", line);
		lines += length + (lines[length] == '\n');
		if (n >= size)
			return size - 1;
	}
	return n;
}

bool
health_ready(char *out, size_t size)
{
	size_t n = 0;

	health_note();
	out[0] = '\0';
	for (int i = 0; i < SHARE_SLOTS; i++) {
		const struct share_slot *s = &share->slot[i];

		if (!s->pid || !s->accepting)
			continue; /* it is coming or going */
		if (!share_alive(s))
			n = add_lines(out, size, n, "a process does not move\n");
		else if (!s->ready)
			n = add_lines(out, size, n, s->reason);
	}
	if (!share_mine->accepting && !share_mine->ready)
		n = add_lines(out, size, n, share_mine->reason);
	if (n)
		return false;
	snprintf(out, size, "ready\n");
	return true;
}

size_t
health_status(char *out, size_t size)
{
	uint64_t connections = 0;

	for (int i = 0; i < SHARE_SLOTS; i++)
		for (int k = 0; k < METRICS_SURFACES; k++)
			connections += share->slot[i].gauges.upgraded[k];
	return (size_t)snprintf(out, size,
	    "processes %d\nconnections %" PRIu64 "\ngeneration %u\nfailures %u\nfailure %.180s\n",
	    share_count_alive(), connections, share->generation, share->failures, share->failure);
}

void
health_start(void)
{
	health.degraded = trouble() != NULL;
	pg_watch(health_changed);
}
