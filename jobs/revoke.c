/* revoke: see revoke.h. */
#include "revoke.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "conf.h"
#include "db.h"
#include "err.h"
#include "jobs_sql.h"
#include "log.h"
#include "req.h"
#include "surface.h"

enum { SPARE = 60 }; /* seconds a mark outlives the last token, as in shared/auth.c */

static char marked_in[64]; /* run_id of the Redis in which everything is marked */

/* Which Redis is it (run_id changes at each start), and does it still know that everything was
 * marked? */
static int
look(char id[sizeof marked_in], bool *fresh)
{
	const char *line;
	int info, mark;

	cache_begin();
	info = cache_cmd("INFO server");
	mark = cache_cmd("EXISTS rev:all");
	if (cache_flush() || !cache_str(info) || !(line = strstr(cache_str(info), "run_id:")))
		return ERR_UNAVAILABLE;
	line += strlen("run_id:");
	snprintf(id, sizeof marked_in, "%.*s", (int)strcspn(line, "\r\n"), line);
	*fresh = cache_int(mark) != 1 || strcmp(id, marked_in) != 0;
	return 0;
}

static int
mark(const struct db_res *sessions, bool all)
{
	int last = -1;

	cache_begin();
	for (int i = 0; i < db_rows(sessions); i++) {
		if (db_int(sessions, i, "seconds") > 0)
			last = cache_cmd("SET rev:%s 1 EX %s", db_get(sessions, i, "id"),
			    db_get(sessions, i, "seconds"));
	}
	if (all)
		last = cache_cmd("SET rev:all 1");
	if (last < 0)
		return 0;
	return cache_flush() || !cache_str(last) ? ERR_UNAVAILABLE : 0;
}

int
revocations_run(struct req *r, struct report *out)
{
	int64_t lifetime = surface_longest_token() + SPARE;
	int64_t recent = conf_int("jobs.sweep") + conf_int("db.timeout");
	char id[sizeof marked_in];
	struct db_res *sessions;
	bool all;
	int err;

	if ((err = look(id, &all)) ||
	    (err = sql_jobs_revoked(r, &sessions, db_int_text(r, lifetime),
		 db_int_text(r, all ? lifetime : recent))) ||
	    (err = mark(sessions, all)))
		return err;
	if (!all)
		return 0;
	snprintf(marked_in, sizeof marked_in, "%s", id);
	out->rows = db_rows(sessions);
	log_info("ended sessions marked again", "count", db_int_text(r, out->rows));
	return 0;
}
