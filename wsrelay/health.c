/* health: see health.h. */
#include "health.h"

#include <stdio.h>
#include <string.h>
#include "conn.h"
#include "log.h"
#include "pg.h"
#include "stream.h"

enum { LAG_SECONDS = 10 };

static struct {
	bool degraded, stopping;
} health;

/* The word clients get; NULL when all is well. */
static const char *
trouble(void)
{
	if (!stream_connected())
		return "stream";
	return pg_up() ? NULL : "database";
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
health_stopping(void)
{
	health.stopping = true;
}

bool
health_ready(char *out, size_t size)
{
	size_t n = 0;
	double lag = stream_lag();

	out[0] = '\0';
	if (health.stopping)
		n += (size_t)snprintf(out + n, size - n, "stopping\n");
	if (!stream_connected())
		n += (size_t)snprintf(out + n, size - n, "redis: %.160s\n", stream_reason());
	else if (!stream_live())
		n += (size_t)snprintf(out + n, size - n, "stream: loading\n");
	if (!pg_up())
		n += (size_t)snprintf(out + n, size - n, "database: %.160s\n", pg_reason());
	if (lag > LAG_SECONDS)
		n += (size_t)snprintf(out + n, size - n, "lag: %.1f s\n", lag);
	if (n)
		return false;
	snprintf(out, size, "ready\n");
	return true;
}

void
health_start(void)
{
	health.degraded = trouble() != NULL;
	pg_watch(health_changed);
}
