/* sealed: see sealed.h. */
#include "sealed.h"

#include <string.h>

#include "base64.h"
#include "conf.h"
#include "json.h"
#include "req.h"

static json_t *
header_text(struct req *r, const json_t *header)
{
	const char *text;
	size_t n;

	if (!json_is_object(header))
		return json_copy((json_t *)header);
	text = json_text(r->arena, (json_t *)header, &n);
	return json_string(base64_encode(r->arena, (const unsigned char *)text, n));
}

int
sealed_size(struct req *r, const char *field, const char *ciphertext)
{
	int64_t max = conf_int("message.max");

	if ((int64_t)strlen(ciphertext) <= max)
		return 0;
	return req_fail(r, ERR_TOO_LARGE, field, "may have at most %lld bytes", (long long)max);
}

int
sealed_bodies(struct req *r, const char *field, const json_t *entries, json_t **out)
{
	json_t *entry;
	size_t i;
	int err;

	*out = json_array();
	json_array_foreach ((json_t *)entries, i, entry) {
		const char *text = json_string_value(json_object_get(entry, "ciphertext"));
		const json_t *header = json_object_get(entry, "header");
		json_t *body = json_object();

		if ((err = sealed_size(r, req_printf(r, "%s[%zu].ciphertext", field, i), text)))
			return err;
		json_object_set(body, "device", json_object_get(entry, "recipient_device_id"));
		json_object_set_new(body, "body", json_string(text));
		if (header && !json_is_null(header))
			json_object_set_new(body, "header", header_text(r, header));
		json_array_append_new(*out, body);
	}
	return 0;
}
