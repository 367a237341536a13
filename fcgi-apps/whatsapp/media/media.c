/* media: files that messages name.  They are encrypted by their senders, so nothing looks into
 * them. */
#include "media.gen.h"

#include <string.h>

#include "blob.h"
#include "blob_send.h"
#include "clock.h"
#include "conf.h"
#include "core/link.h"
#include "core/media.h"
#include "db.h"
#include "json.h"
#include "req.h"

struct upload {
	const char *kind;
	const char *mime; /* as the client names it, NULL: what its part says */
	bool opaque;      /* the kind is told, so the type need not be */
	json_t *meta;
	const struct req_file *file;
};

/* ---- what is uploaded -------------------------------------------------------------------- */

static int
check_size(struct req *r, const struct upload *u)
{
	int64_t max = conf_int(req_printf(r, "%s.max", u->kind));

	if (u->file->size == 0)
		return req_fail(r, ERR_VALIDATION, "file", "is empty");
	if (u->file->size > max)
		return req_fail(r, ERR_TOO_LARGE, "file", "may have at most %lld bytes as %s",
		    (long long)max, u->kind);
	return 0;
}

/* Ciphertext is often sent as application/octet-stream, which says nothing of what it is. */
static int
check_type(struct req *r, struct upload *u)
{
	const char *field = u->mime ? "mimeType" : "file";
	const char *mime = media_type(r, u->mime         ? u->mime
					 : u->file->type ? u->file->type
							 : MEDIA_OPAQUE);
	bool untold = !u->mime && mime && strcmp(mime, MEDIA_OPAQUE) == 0;

	if (untold && !u->opaque)
		return req_fail(r, ERR_VALIDATION, "mimeType", "is required");
	if (!mime)
		return req_fail(r, ERR_MEDIA_TYPE, field, "is not of a media type");
	if (!untold && !media_type_fits(mime, u->kind))
		return req_fail(r, ERR_MEDIA_TYPE, field, "is not of a type of %s", u->kind);
	u->mime = mime;
	return 0;
}

/* Store the file; *row describes it.  Should this fail midway, the job that removes files finds the
 * row. */
static int
store(struct req *r, struct upload *u, struct db_res **row)
{
	const char *id, *meta = u->meta ? json_text(r->arena, u->meta, NULL) : NULL;
	char sum[BLOB_SUM_SIZE];
	int err;

	u->file = req_file(r, "file");
	if ((err = check_size(r, u)) || (err = check_type(r, u)))
		return err;
	if ((err = sql_media_begin(r, row, u->kind, u->mime, db_int_text(r, u->file->size), meta)))
		return err;
	id = db_get(*row, 0, "id");
	if ((err = blob_put(id, u->file->fd, sum)))
		return err;
	return sql_media_finish(r, row, sum, id, db_int_text(r, conf_int("media.keep")));
}

/* ---- uploads ----------------------------------------------------------------------------- */

int
media_image_create(struct req *r, const struct media_image_create_in *in)
{
	struct upload u = {.kind = "image", .mime = in->mimeType};
	struct db_res *row;
	const char *why;
	json_t *info;
	int err;

	if (in->encryptionInfo) {
		info = json_read(r->arena, in->encryptionInfo, strlen(in->encryptionInfo), &why);
		if (!json_is_object(info))
			return req_fail(
			    r, ERR_VALIDATION, "encryptionInfo", "must be a JSON object");
		u.meta = json_pack("{s:O}", "encryption", info);
	}
	err = store(r, &u, &row);
	return err ? err : resp_row(r, 201, row);
}

int
media_video_create(struct req *r, const struct media_video_create_in *in)
{
	struct upload u = {.kind = "video", .mime = in->mimeType};
	struct db_res *row;
	int err;

	if (in->has_fileSize && in->fileSize != req_file(r, "file")->size)
		return req_fail(r, ERR_VALIDATION, "fileSize", "is not the size of the file, %lld",
		    (long long)req_file(r, "file")->size);
	if (in->encryption)
		u.meta = json_pack("{s:O}", "encryption", in->encryption);
	err = store(r, &u, &row);
	return err ? err : resp_row(r, 201, row);
}

/* Add an address to a description of a file, under that name. */
static int
add_link(struct req *r, json_t *reply, const char *name, const char *until)
{
	const char *id = json_string_value(json_object_get(reply, "mediaId")), *query;
	int64_t expires;

	query = link_query(r, id, conf_int("media.url_lifetime"), &expires);
	if (!query)
		return ERR_INTERNAL;
	json_object_set_new(reply, name,
	    json_string(req_printf(r, "%s/media/%s/content?%s", r->family->base, id, query)));
	if (until)
		json_object_set_new(reply, until, json_string(clock_format(r->arena, expires)));
	return 0;
}

int
media_create(struct req *r, const struct media_create_in *in)
{
	struct upload u = {.kind = in->mediaType, .opaque = true};
	struct db_res *row;
	json_t *reply;
	int err = store(r, &u, &row);

	if (err)
		return err;
	if (!db_rows(row))
		return ERR_INTERNAL;
	reply = db_row_json(r, row, 0);
	json_object_set_new(reply, "status", json_string("uploaded"));
	if ((err = add_link(r, reply, "url", NULL)))
		return err;
	return resp_json(r, 201, reply);
}

/* ---- fetching ---------------------------------------------------------------------------- */

int
media_get(struct req *r, const struct media_get_in *in)
{
	struct db_res *row;
	json_t *reply;
	int err = sql_media_get(r, &row, in->mediaId);

	if (err)
		return err;
	if (!db_rows(row))
		return ERR_NOT_FOUND;
	reply = db_row_json(r, row, 0);
	if ((err = add_link(r, reply, "downloadUrl", "expiresAt")))
		return err;
	return resp_json(r, 200, reply);
}

int
media_content(struct req *r, const struct media_content_in *in)
{
	struct db_res *row;
	int err = link_check(r, in->mediaId, in->expires, in->signature);

	if (err || (err = sql_media_content(r, &row, in->mediaId)))
		return err;
	if (!db_rows(row))
		return ERR_NOT_FOUND;
	return blob_send(r, in->mediaId, db_get(row, 0, "mime_type"), db_get(row, 0, "sha256"));
}
