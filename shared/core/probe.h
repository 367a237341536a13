/*
 * probe: are the parts there that apps and events need?
 *
 *	const char *database = probe_database(r);
 *
 *	if (!probe_ok(database))
 *		return req_fail(r, ERR_UNAVAILABLE, NULL, "database: %s", database);
 */
#ifndef ROOKERY_CORE_PROBE_H
#define ROOKERY_CORE_PROBE_H

#include <stdbool.h>

struct req;

/* Each "ok" or why it is not; in the arena. */
const char *probe_database(struct req *r);
const char *probe_redis(struct req *r);
const char *probe_relay(struct req *r); /* it is connected to both and does not lag */
bool probe_ok(const char *answer);
/* What the relay answers to GET path on its socket (NULL when it does not answer), and the status.
 */
const char *probe_ask_relay(struct req *r, const char *path, int *status);

#endif
