/* profiles: QR codes that lead to their owner (POST /contacts/qr takes what they say). */
#include "profiles.gen.h"

#include <string.h>

#include "base64.h"
#include "conf.h"
#include "db.h"
#include "qr.h"
#include "req.h"
#include "token.h"

enum { TOKEN_BYTES = 24 }; /* 32 characters; no two codes meet, none can be guessed */

/* A code is drawn anew whenever it is shown: the row has all that it takes. */
static int
show(struct req *r, int status, struct db_res *row)
{
	const char *link = req_printf(r, "%s%s", conf_str("qr.link"), db_get(row, 0, "_token"));
	int size = (int)db_int(row, 0, "_size");
	json_t *body = db_row_json(r, row, 0);
	const char *image;
	size_t n;

	image = strcmp(db_get(row, 0, "_format"), "svg") == 0 ? qr_svg(r->arena, link, size, &n)
							      : qr_png(r->arena, link, size, &n);
	if (!image)
		return ERR_INTERNAL; /* qr.link is too long */
	json_object_set_new(body, "imageBase64", json_string(base64_encode(r->arena, image, n)));
	json_object_set_new(body, "deepLink", json_string(link));
	json_object_set_new(body, "format", json_string(db_get(row, 0, "_format")));
	json_object_set_new(body, "size", json_integer(size));
	return resp_json(r, status, body);
}

int
qr_code_create(struct req *r, const struct qr_code_create_in *in)
{
	int64_t most = conf_int("qr.max_validity"), validity = conf_int("qr.validity");
	struct db_res *row;
	int err;

	if (in->has_validitySeconds && in->validitySeconds > most)
		return req_fail(
		    r, ERR_VALIDATION, "validitySeconds", "may be %lld at most", (long long)most);
	if (in->has_validitySeconds)
		validity = in->validitySeconds;
	else if (validity > most)
		validity = most;
	err = sql_qr_code_create(r, &row, token_random(r->arena, TOKEN_BYTES), in->format,
	    db_int_text(r, in->size), db_int_text(r, validity));
	return err ? err : show(r, 201, row);
}

int
qr_code_get(struct req *r, const struct qr_code_get_in *in)
{
	struct db_res *row;
	int err = sql_qr_code_get(r, &row, in->qrCodeId);

	if (err)
		return err;
	if (db_rows(row) == 0)
		return ERR_NOT_FOUND;
	if (db_bool(row, 0, "_expired"))
		return req_fail(r, ERR_GONE, NULL, "The code has expired");
	return show(r, 200, row);
}
