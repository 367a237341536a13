/* probe: see probe.h. */
#include "probe.h"

#include <string.h>

#include "cache.h"
#include "conf.h"
#include "db.h"
#include "http.h"
#include "req.h"

enum { PATIENCE_MS = 2000, LARGEST = 1 << 20 };

bool
probe_ok(const char *answer)
{
	return strcmp(answer, "ok") == 0;
}

const char *
probe_database(struct req *r)
{
	return db_ping(r) ? "ok" : "does not answer";
}

const char *
probe_redis(struct req *r)
{
	int pong, write;

	cache_begin();
	pong = cache_cmd("PING");
	write = cache_cmd("SET health:%s 1 EX 5", r->family->surface);
	if (cache_flush())
		return "does not answer";
	if (!cache_str(pong))
		return "is not ready";
	return cache_str(write) ? "ok" : "takes nothing";
}

const char *
probe_ask_relay(struct req *r, const char *path, int *status)
{
	char socket[512];
	struct http_request q = {.policy = HTTP_TRUSTED,
	    .url = req_printf(r, "http://relay%s", path),
	    .unix_socket = conf_run_path(socket, sizeof socket, "ws/whatsapp.sock"),
	    .total_ms = PATIENCE_MS,
	    .max_reply = LARGEST};
	struct http_reply reply;

	if (http_send(r->arena, &q, &reply))
		return NULL;
	*status = reply.status;
	return reply.body;
}

/* Its reasons are lines; as one they go into an error's detail. */
const char *
probe_relay(struct req *r)
{
	int status;
	const char *text = probe_ask_relay(r, "/readyz", &status);
	char *line;

	if (!text)
		return "does not answer";
	if (status == 200)
		return "ok";
	line = arena_strdup(r->arena, text);
	for (size_t n = strlen(line); n && line[n - 1] == '\n'; n--)
		line[n - 1] = '\0';
	for (char *p = line; *p; p++) {
		if (*p == '\n')
			*p = ';';
	}
	return *line ? line : "is not ready";
}
