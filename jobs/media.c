/* media: see media.h. */
#include "media.h"

#include "blob.h"
#include "conf.h"
#include "db.h"
#include "jobs_sql.h"
#include "req.h"

/* Delete the bytes of these rows, and say of which they are gone as an array; NULL when of none.
 * What cannot be deleted keeps its row and is tried again. */
static const char *
delete_bytes(struct req *r, const struct db_res *res, int *err, int64_t *rows)
{
	const char **gone = arena_alloc(r->arena, ((size_t)db_rows(res) + 1) * sizeof *gone);
	int one, n = 0;

	for (int i = 0; i < db_rows(res); i++) {
		if ((one = blob_delete(db_get(res, i, "id"))))
			*err = one;
		else
			gone[n++] = db_get(res, i, "id");
	}
	*rows += n;
	return n ? db_array(r, gone, n) : NULL;
}

static int
remove_given_up(struct req *r, const char *batch, int64_t *rows)
{
	struct db_res *res;
	const char *gone;
	int err = sql_media_purgeable(r, &res, batch), one;

	if (err)
		return err;
	gone = delete_bytes(r, res, &err, rows);
	return gone && (one = sql_media_forget(r, &res, gone)) ? one : err;
}

static int
empty_uploads(struct req *r, const char *batch, int64_t *rows)
{
	struct db_res *res;
	const char *gone;
	int err = sql_uploads_purgeable(r, &res, batch), one;

	if (err)
		return err;
	gone = delete_bytes(r, res, &err, rows);
	return gone && (one = sql_uploads_emptied(r, &res, gone)) ? one : err;
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

int
uploads_remove(struct req *r, struct report *out)
{
	const char *batch = db_int_text(r, conf_int("jobs.batch"));
	struct db_res *res;
	int64_t late;
	int err = sql_uploads_abandon(r, &res, db_int_text(r, conf_int("upload.keep")), batch);

	if (err)
		return err;
	late = db_int(res, 0, "rows");
	err = empty_uploads(r, batch, &out->rows);
	if (!err && (late >= conf_int("jobs.batch") || out->rows >= conf_int("jobs.batch")))
		out->again = AGAIN_NOW;
	return err;
}
