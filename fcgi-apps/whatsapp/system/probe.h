/*
 * probe: are the parts there that apps and events need?
 *
 *	struct probes p = probe_all(r);
 *
 *	if (p.failed)
 *		return req_fail(r, ERR_UNAVAILABLE, NULL, "%s", p.detail);
 */
#ifndef SYSTEM_PROBE_H
#define SYSTEM_PROBE_H

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
