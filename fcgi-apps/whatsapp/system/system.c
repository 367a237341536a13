/* system: what has logic beside system.yaml and system.sql. */
#include "system.gen.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "conf.h"
#include "conf_table.h"
#include "db.h"
#include "json.h"
#include "core/probe.h"
#include "stats.h"
#include "token.h"

static json_t *
server_time(struct req *r)
{
	return json_string(clock_format(r->arena, clock_now()));
}

/* ---- is it there ---------------------------------------------------------------------------- */

int
system_alive(struct req *r, const struct system_alive_in *in)
{
	(void)in;
	return resp_bytes(r, 200, "text/plain", "ok\n", 3);
}

int
system_health(struct req *r, const struct system_health_in *in)
{
	const char *database = probe_database(r), *redis = probe_redis(r);

	(void)in;
	if (probe_ok(database) && probe_ok(redis))
		return resp_json(
		    r, 200, json_pack("{s:s, s:o}", "status", "ok", "timestamp", server_time(r)));
	req_fail_extra(r, "timestamp", server_time(r));
	return req_fail(r, ERR_UNAVAILABLE, NULL, "%s %s",
	    probe_ok(database) ? "Redis" : "PostgreSQL", probe_ok(database) ? redis : database);
}

int
system_ready(struct req *r, const struct system_ready_in *in)
{
	const char *names[] = {"database", "redis", "relay"};
	const char *answers[] = {probe_database(r), probe_redis(r), probe_relay(r)};
	json_t *checks = json_object();
	struct buf why = buf_new(r->arena);

	(void)in;
	for (int i = 0; i < 3; i++) {
		json_object_set_new(checks, names[i], json_string(answers[i]));
		if (!probe_ok(answers[i]))
			buf_printf(&why, "%s%s: %s", why.n ? "; " : "", names[i], answers[i]);
	}
	if (!why.n)
		return resp_json(
		    r, 200, json_pack("{s:s, s:o}", "status", "ready", "checks", checks));
	req_fail_extra(r, "checks", checks);
	return req_fail(r, ERR_UNAVAILABLE, NULL, "%s", why.p);
}

/* ---- the start of an app -------------------------------------------------------------------- */

/* Settings by the names clients know them by; the list ends with NULL. */
static json_t *
settings(const char *const (*names)[2])
{
	json_t *o = json_object();

	for (; **names; names++)
		json_object_set_new(
		    o, (*names)[0], json_integer((json_int_t)conf_int((*names)[1])));
	return o;
}

/* Classes by their names; those without a limit are left out. */
static json_t *
rates(void)
{
	json_t *o = json_object();

	for (int i = 0; i < conf_table_n; i++) {
		const char *class = conf_table[i].name + strlen("limit.");
		int64_t count, seconds;

		if (conf_table[i].type == SET_LIMIT && conf_limit(class, &count, &seconds))
			json_object_set_new(o, class,
			    json_pack("{s:I, s:I}", "count", (json_int_t)count, "seconds",
				(json_int_t)seconds));
	}
	return o;
}

static json_t *
limits(void)
{
	static const char *const names[][2] = {{"maxMessageBytes", "message.max"},
	    {"maxGroupMembers", "group.max"}, {"maxBroadcastRecipients", "broadcast.max"},
	    {"maxForwardTargets", "forward.max"}, {"maxContacts", "contacts.max"},
	    {"maxDevices", "device.max"}, {"maxDocumentBytes", "document.max"},
	    {"maxImageBytes", "image.max"}, {"maxUploadBytes", "upload.max"},
	    {"maxRequestBytes", "body.max"}, {"statusLifetimeSeconds", "status.lifetime"},
	    {NULL, NULL}};
	json_t *o = settings(names);

	json_object_set_new(o, "requestRates", rates());
	return o;
}

static json_t *
realtime(void)
{
	static const char *const names[][2] = {{"ticketSeconds", "ticket.lifetime"},
	    {"authSeconds", "relay.auth_timeout"}, {"heartbeatSeconds", "relay.ping"},
	    {"idleSeconds", "relay.idle"}, {"maxConnections", "relay.max_per_account"},
	    {NULL, NULL}};
	json_t *o = settings(names);

	json_object_set_new(o, "webSocketPath", json_string("/api/v1/ws"));
	json_object_set_new(o, "subprotocol", json_string("rookery.v1"));
	json_object_set_new(
	    o, "ticketPath", json_string("/api/v1/web/sessions/{sessionId}/websocket-tokens"));
	return o;
}

static json_t *
security(const struct db_res *state)
{
	static const char *const names[][2] = {{"accessTokenSeconds", "token.lifetime"},
	    {"sessionSeconds", "session.lifetime"}, {"oneTimePreKeysLow", "prekeys.low"},
	    {"maxOneTimePreKeys", "prekeys.max"}, {NULL, NULL}};
	json_t *o = settings(names);

	json_object_set_new(o, "encryptionProtocol", json_string("signal"));
	json_object_set_new(o, "keySetPath", json_string("/.well-known/jwks.json"));
	json_object_set_new(o, "twoFactorEnabled", json_boolean(db_bool(state, 0, "two_factor")));
	json_object_set_new(o, "pinEnabled", json_boolean(db_bool(state, 0, "pin")));
	json_object_set_new(o, "keysRegistered", json_boolean(db_bool(state, 0, "keys")));
	json_object_set_new(
	    o, "oneTimePreKeysLeft", json_integer((json_int_t)db_int(state, 0, "one_time")));
	return o;
}

static json_t *
offline(const struct db_res *state)
{
	static const char *const names[][2] = {
	    {"keepSeconds", "queue.keep"}, {"maxQueuedMessages", "queue.max"}, {NULL, NULL}};
	const char *queue = db_get(state, 0, "queue");
	json_t *o = settings(names);

	json_object_set_new(o, "queueId", queue ? json_string(queue) : json_null());
	return o;
}

/* As BCP 47 writes it: language small, script with a capital, region large. */
static const char *
canonical(struct req *r, const char *locale)
{
	char *out = arena_strdup(r->arena, locale);
	size_t start = 0;

	for (size_t i = 0; out[i]; i++) {
		size_t n = strcspn(out + start, "-_");

		if (i == start + n) {
			out[i] = '-';
			start = i + 1;
		} else if (start > 0 && (n == 2 || (n == 4 && i == start))) {
			out[i] = (char)toupper((unsigned char)out[i]);
		} else {
			out[i] = (char)tolower((unsigned char)out[i]);
		}
	}
	return out;
}

enum { PARTS = 4, MARK = 16 };

/* "1." and a mark of 16 digits for each part: the beginning of the hash of what it says. */
int
system_startup(struct req *r, const struct system_startup_in *in)
{
	static const char *const names[PARTS] = {"limits", "realtime", "security", "offline"};
	json_t *parts[PARTS], *reply = json_object();
	const char *known = in->syncToken ? in->syncToken + 2 : NULL;
	struct buf token = buf_new(r->arena);
	struct db_res *state;
	int err;

	if ((err = sql_startup_state(r, &state, in->locale)))
		return err;
	if (!db_rows(state))
		return ERR_INTERNAL;
	parts[0] = limits();
	parts[1] = realtime();
	parts[2] = security(state);
	parts[3] = offline(state);
	buf_puts(&token, "1");
	for (int i = 0; i < PARTS; i++) {
		const char *mark = token_hash(r->arena, json_text(r->arena, parts[i], NULL));
		bool same = known && strncmp(known + i * (MARK + 1), mark, MARK) == 0;

		buf_printf(&token, ".%.*s", MARK, mark);
		json_object_set_new(reply, names[i], same ? json_null() : parts[i]);
	}
	json_object_set_new(reply, "syncToken", json_string(token.p));
	json_object_set_new(reply, "serverTime", server_time(r));
	json_object_set_new(reply, "locale", json_string(canonical(r, db_get(state, 0, "locale"))));
	return resp_json(r, 200, reply);
}

/* ---- keys and counters ---------------------------------------------------------------------- */

int
system_keys(struct req *r, const struct system_keys_in *in)
{
	(void)in;
	resp_header(r, "Cache-Control", "public, max-age=300");
	return resp_json(r, 200, token_jwks());
}

static void
put_up(struct buf *b, const char *service, bool up)
{
	buf_printf(b, "rookery_up{service=\"%s\"} %d\n", service, up);
}

/* What the jobs daemon wrote; false when there is no such file. */
static bool
put_jobs(struct buf *b)
{
	char path[512], piece[4096];
	ssize_t n;
	int fd = open(conf_run_path(path, sizeof path, "stats/jobs.prom"), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while ((n = read(fd, piece, sizeof piece)) > 0)
		buf_put(b, piece, (size_t)n);
	close(fd);
	return true;
}

int
system_metrics(struct req *r, const struct system_metrics_in *in)
{
	struct buf b = buf_new(r->arena);
	const char *relay;
	int status = 0;
	bool jobs;

	(void)in;
	buf_puts(&b, stats_prometheus(r->arena));
	relay = probe_ask_relay(r, "/metrics", &status);
	if (relay && status == 200)
		buf_puts(&b, relay);
	jobs = put_jobs(&b);
	buf_puts(&b, "# HELP rookery_up Does it answer\n# TYPE rookery_up gauge\n");
	put_up(&b, "database", probe_ok(probe_database(r)));
	put_up(&b, "redis", probe_ok(probe_redis(r)));
	put_up(&b, "relay", relay && status == 200);
	put_up(&b, "jobs", jobs);
	return resp_bytes(r, 200, "text/plain; version=0.0.4; charset=utf-8", b.p, b.n);
}
