/* media: see media.h. */
#include "media.h"

#include "blob.h"
#include "conf.h"
#include "db.h"
#include "jobs_sql.h"
#include "req.h"

/* What cannot be deleted keeps its row and is tried again. */
static int
remove_given_up(struct req *r, const char *batch, int64_t *rows)
{
	const char **gone;
	struct db_res *res;
	int err = sql_media_purgeable(r, &res, batch), one, n = 0;

	if (err || db_rows(res) == 0)
		return err;
	gone = arena_alloc(r->arena, (size_t)db_rows(res) * sizeof *gone);
	for (int i = 0; i < db_rows(res); i++) {
		if ((one = blob_delete(db_get(res, i, "id"))))
			err = one;
		else
			gone[n++] = db_get(res, i, "id");
	}
	*rows += n;
	return n && (one = sql_media_forget(r, &res, db_array(r, gone, n))) ? one : err;
}

int
media_remove(struct req *r, struct report *out)
{
	const char *batch = db_int_text(r, conf_int("jobs.batch"));
	struct db_res *res;
	int64_t seen;
	int err = sql_media_expire(r, &res, db_int_text(r, conf_int("media.keep")), batch);

	if (err)
		return err;
	seen = db_int(res, 0, "rows");
	err = remove_given_up(r, batch, &out->rows);
	if (!err && (seen >= conf_int("jobs.batch") || out->rows >= conf_int("jobs.batch")))
		out->again = AGAIN_NOW;
	return err;
}
