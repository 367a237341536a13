/* health: what has logic beside health.yaml. */
#include "health.gen.h"

#include <dirent.h>
#include <string.h>

#include "conf.h"
#include "core/probe.h"
#include "req.h"
#include "stats.h"

int
ping(struct req *r, const struct ping_in *in)
{
	(void)in;
	return resp_json(r, 200, json_pack("{s:s}", "message", "pong"));
}

static int
healthy(struct req *r)
{
	return resp_json(r, 200, json_pack("{s:s}", "status", "healthy"));
}

static int
check(struct req *r, const char *what, const char *answer)
{
	return probe_ok(answer) ? 0 : req_fail(r, ERR_UNAVAILABLE, NULL, "%s %s", what, answer);
}

int
health(struct req *r, const struct health_in *in)
{
	int err;

	(void)in;
	if ((err = check(r, "The database", probe_database(r))) ||
	    (err = check(r, "Redis", probe_redis(r))))
		return err;
	return healthy(r);
}

int
ready(struct req *r, const struct ready_in *in)
{
	int err;

	(void)in;
	if ((err = check(r, "The database", probe_database(r))) ||
	    (err = check(r, "Redis", probe_redis(r))) ||
	    (err = check(r, "The relay", probe_relay(r))))
		return err;
	return healthy(r);
}

/* The statistics of every app of the surface tell its workers. */
int
goroutines(struct req *r, const struct goroutines_in *in)
{
	char folder[512];
	DIR *dir = opendir(conf_run_path(folder, sizeof folder, "stats"));
	struct dirent *entry;
	int64_t workers = 0;

	(void)in;
	while (dir && (entry = readdir(dir))) {
		const struct stats *s;
		size_t size;

		if (strncmp(entry->d_name, "sentinal-", 9) != 0 ||
		    !(s = stats_open(req_printf(r, "%s/%s", folder, entry->d_name), &size)))
			continue;
		workers += s->workers;
		stats_unmap(s, size);
	}
	if (dir)
		closedir(dir);
	return resp_json(r, 200, json_pack("{s:I}", "goroutines", (json_int_t)workers));
}
