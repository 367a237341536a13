/* uploads: files that arrive in pieces, at addresses that need no token. */
#include "uploads.gen.h"

#include <string.h>

#include "blob.h"
#include "blob_send.h"
#include "clock.h"
#include "conf.h"
#include "core/link.h"
#include "core/media.h"
#include "db.h"
#include "page.h"
#include "piece.h"
#include "req.h"

/* ---- shown ------------------------------------------------------------------------------- */

static const char *
write_name(struct req *r, const char *id)
{
	return req_printf(r, "upload into %s", id);
}

static const char *
read_name(struct req *r, const char *id)
{
	return req_printf(r, "upload from %s", id);
}

/* The address of the content, for writing while it is unfinished and for reading afterwards. */
static int
add_links(struct req *r, json_t *row)
{
	const char *id = json_string_value(json_object_get(row, "id"));
	const char *status = json_string_value(json_object_get(row, "status")), *query;
	bool done = strcmp(status, "COMPLETED") == 0;
	bool open = strcmp(status, "PENDING") == 0 || strcmp(status, "IN_PROGRESS") == 0;
	json_t *address = json_null();
	int64_t expires;

	if (done || open) {
		query = link_query(r, done ? read_name(r, id) : write_name(r, id),
		    conf_int(done ? "media.url_lifetime" : "upload.keep"), &expires);
		if (!query)
			return ERR_INTERNAL;
		address = json_string(req_printf(
		    r, "%s%s/uploads/%s/content?%s", link_origin(r), r->family->base, id, query));
	}
	json_object_set(row, "upload_url", open ? address : json_null());
	json_object_set(row, "file_url", done ? address : json_null());
	return 0;
}

static int
reply(struct req *r, int status, const struct db_res *res)
{
	json_t *row;
	int err;

	if (db_rows(res) == 0)
		return ERR_NOT_FOUND;
	row = db_row_json(r, res, 0);
	err = add_links(r, row);
	return err ? err : resp_json(r, status, row);
}

/* ---- beginning --------------------------------------------------------------------------- */

int
uploads_create(struct req *r, const struct uploads_create_in *in)
{
	const char *type = media_type(r, in->content_type), *kind;
	struct db_res *res;
	int64_t most;
	int err;

	if (!type)
		return req_fail(r, ERR_VALIDATION, "content_type", "is no media type");
	kind = media_kind(type);
	most = conf_int(req_printf(r, "%s.max", kind));
	if (in->file_size > most)
		return req_fail(r, ERR_VALIDATION, "file_size",
		    "is more than the %lld bytes that a file of kind %s may have", (long long)most,
		    kind);
	err = sql_uploads_begin(r, &res, in->uploader_id, in->file_name, kind, type,
	    db_int_text(r, in->file_size), in->checksum, db_int_text(r, conf_int("upload.open")),
	    db_int_text(r, conf_int("upload.quota")));
	return err ? err : reply(r, 201, res);
}

/* ---- bytes ------------------------------------------------------------------------------- */

static int
gap(struct req *r, int64_t uploaded)
{
	req_fail_extra(r, "uploaded_bytes", json_integer(uploaded));
	return req_fail(r, ERR_CONFLICT, "Content-Range",
	    "leaves a gap behind the %lld bytes that have arrived", (long long)uploaded);
}

/* Which bytes of a file of that size the body is; without a Content-Range it is all of them. */
static int
place(struct req *r, const char *header, int64_t size, struct piece *g)
{
	if (!header) {
		*g = (struct piece){.last = size - 1, .total = size};
		if (r->body_size != size)
			return req_fail(r, ERR_UNPROCESSABLE, "file_size",
			    "was announced as %lld; the body has %lld bytes", (long long)size,
			    (long long)r->body_size);
		return 0;
	}
	if (!piece_parse(header, g))
		return req_fail(r, ERR_VALIDATION, "Content-Range", "is malformed");
	if (g->total >= 0 ? g->total != size : g->last >= size)
		return req_fail(
		    r, ERR_VALIDATION, "Content-Range", "is not of %lld bytes", (long long)size);
	if (r->body_size != (g->asks ? 0 : g->last - g->from + 1))
		return req_fail(r, ERR_VALIDATION, "Content-Range",
		    "does not fit a body of %lld bytes", (long long)r->body_size);
	return 0;
}

/* Clients that encrypt send ciphertext as what it is. */
static int
check_type(struct req *r, const char *announced)
{
	const char *type = r->content_type ? media_type(r, r->content_type) : MEDIA_OPAQUE;

	if (type && (strcmp(type, announced) == 0 || strcmp(type, MEDIA_OPAQUE) == 0))
		return 0;
	return req_fail(r, ERR_MEDIA_TYPE, "Content-Type", "was announced as %s", announced);
}

int
uploads_content_put(struct req *r, const struct uploads_content_put_in *in)
{
	int err = link_check(r, write_name(r, in->id), in->expires, in->signature);
	struct db_res *res;
	struct piece g;
	int64_t uploaded;

	if (err || (err = db_begin(r)) || (err = sql_uploads_lock(r, &res, in->id, NULL)) ||
	    (err = place(r, in->Content_Range, db_int(res, 0, "size"), &g)))
		return err;
	uploaded = db_int(res, 0, "uploaded");
	if (g.asks) {
		err = sql_uploads_state(r, &res, in->id);
		return err ? err : reply(r, 200, res);
	}
	if ((err = check_type(r, db_get(res, 0, "mime_type"))))
		return err;
	if (g.from > uploaded)
		return gap(r, uploaded);
	if ((err = blob_part_write(in->id, r->body_fd, r->body_size, g.from)) ||
	    (err = sql_uploads_arrived(r, &res, in->id, db_int_text(r, g.last + 1))) ||
	    (err = db_commit(r)))
		return err;
	return reply(r, 200, res);
}

int
uploads_content_get(struct req *r, const struct uploads_content_get_in *in)
{
	int err = link_check(r, read_name(r, in->id), in->expires, in->signature);
	struct db_res *res;

	if (err || (err = sql_uploads_file(r, &res, in->id)))
		return err;
	if (db_rows(res) == 0)
		return ERR_NOT_FOUND;
	return blob_send(r, in->id, db_get(res, 0, "mime_type"), db_get(res, 0, "sha256"));
}

/* ---- ending ------------------------------------------------------------------------------ */

int
uploads_progress(struct req *r, const struct uploads_progress_in *in)
{
	struct db_res *res;
	int err = sql_uploads_report(r, &res, in->id, db_int_text(r, in->uploaded_bytes));

	return err ? err : reply(r, 200, res);
}

/* Bytes first, then the row: should this fail midway, it can be asked for again. */
static int
complete(struct req *r, const char *id, struct db_res **res)
{
	char sum[BLOB_SUM_SIZE];
	int64_t missing;
	int err;

	if ((err = db_begin(r)) || (err = sql_uploads_lock(r, res, id, r->me)))
		return err;
	missing = db_int(*res, 0, "size") - db_int(*res, 0, "uploaded");
	if (missing > 0) {
		req_fail_extra(r, "uploaded_bytes", json_integer(db_int(*res, 0, "uploaded")));
		return req_fail(
		    r, ERR_CONFLICT, NULL, "%lld bytes are missing", (long long)missing);
	}
	if ((err = blob_part_sum(id, db_int(*res, 0, "size"), sum)))
		return err;
	if (db_get(*res, 0, "sha256") && strcmp(db_get(*res, 0, "sha256"), sum) != 0)
		return req_fail(r, ERR_UNPROCESSABLE, "checksum",
		    "was announced, but what has arrived has %s", sum);
	if ((err = blob_part_keep(id)) || (err = sql_uploads_complete(r, res, id, sum)))
		return err;
	return db_commit(r);
}

int
uploads_complete(struct req *r, const struct uploads_complete_in *in)
{
	struct db_res *res;
	int err = sql_uploads_own(r, &res, in->id);

	if (err)
		return err;
	if (db_rows(res) == 0)
		return ERR_NOT_FOUND;
	if (strcmp(db_get(res, 0, "status"), "COMPLETED") != 0 && (err = complete(r, in->id, &res)))
		return err;
	return reply(r, 200, res);
}

int
uploads_fail(struct req *r, const struct uploads_fail_in *in)
{
	struct db_res *res;
	int err = sql_uploads_fail(r, &res, in->id);

	return err ? err : reply(r, 200, res);
}

/* ---- looking ----------------------------------------------------------------------------- */

int
uploads_get(struct req *r, const struct uploads_get_in *in)
{
	struct db_res *res;
	int err = sql_uploads_own(r, &res, in->id);

	return err ? err : reply(r, 200, res);
}

static int
list(struct req *r, const void *in, const char *which, int64_t seconds)
{
	struct page p = page_of(r, in);
	const char *age = db_int_text(r, seconds);
	struct db_res *res, *first;
	json_t *rows, *row;
	int64_t total;
	size_t i;
	int err = sql_uploads_of(r, &res, which, age, p.limit, p.offset);

	if (err)
		return err;
	total = page_total(res);
	if (total < 0 && p.offset > 0) { /* behind the end */
		if ((err = sql_uploads_of(r, &first, which, age, 1, 0)))
			return err;
		total = page_total(first);
	}
	rows = db_rows_json(r, res);
	json_array_foreach (rows, i, row) {
		if ((err = add_links(r, row)))
			return err;
	}
	return page_reply_rows(r, &p, rows, total < 0 ? 0 : total);
}

int
uploads_list(struct req *r, const struct uploads_list_in *in)
{
	return list(r, in, "all", 0);
}

int
uploads_completed(struct req *r, const struct uploads_completed_in *in)
{
	return list(r, in, "completed", 0);
}

int
uploads_in_progress(struct req *r, const struct uploads_in_progress_in *in)
{
	return list(r, in, "in_progress", 0);
}

int
uploads_stale(struct req *r, const struct uploads_stale_in *in)
{
	return list(r, in, "stale", in->older_than_sec);
}
