/* send: see send.h. */
#include "send.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "conf.h"
#include "messages.gen.h"

enum { FORMATTING_END = 65536 }; /* of texts whose length the client does not tell */

void
send_meta(struct message_item *m, const char *name, const char *text)
{
	if (text)
		json_object_set_new(m->meta, name, json_string(text));
}

json_int_t
send_seq(const struct message_item *m)
{
	return strtoll(m->seq, NULL, 10);
}

bool
send_is_past(const char *rfc3339)
{
	int64_t us;

	return clock_parse(rfc3339, &us) && us <= clock_now();
}

int
send_check_formatting(struct req *r, const json_t *formatting)
{
	const json_t *length = json_object_get(formatting, "textLength");
	json_int_t end = length ? json_integer_value(length) : FORMATTING_END;
	size_t i;
	json_t *entity;

	json_array_foreach (json_object_get(formatting, "entities"), i, entity) {
		json_int_t from = json_integer_value(json_object_get(entity, "offset"));
		json_int_t n = json_integer_value(json_object_get(entity, "length"));

		if (from < 0 || n < 1 || from > end || n > end - from)
			return req_fail(r, ERR_UNPROCESSABLE,
			    req_printf(r, "formatting.entities[%zu]", i), "lies outside the text");
	}
	return 0;
}

/* Files named by the items must be the sender's own. */
static void
check_media(struct message_item *items, int n)
{
	const char *ids[MESSAGE_BATCH], *owners[MESSAGE_BATCH];
	bool owned[MESSAGE_BATCH] = {false};
	struct req *r = items[0].r;
	struct db_res *res;
	int named = 0, err;

	for (int i = 0; i < n; i++) {
		ids[i] = items[i].err
			     ? NULL
			     : json_string_value(json_object_get(items[i].meta, "mediaId"));
		owners[i] = items[i].r->me;
		named += ids[i] != NULL;
	}
	if (!named)
		return;
	err = sql_media_owned(r, &res, db_array(r, ids, n), db_array(r, owners, n));
	for (int i = 0; !err && i < db_rows(res); i++)
		owned[db_int(res, i, "n") - 1] = true;
	for (int i = 0; i < n; i++) {
		if (ids[i] && err)
			items[i].err = err;
		else if (ids[i] && !owned[i])
			items[i].err =
			    req_fail(items[i].r, ERR_NOT_FOUND, "mediaId", "does not exist");
	}
}

int
send_check_size(struct req *r, const char *body)
{
	int64_t max = conf_int("message.max");

	if (body && (int64_t)strlen(body) > max)
		return req_fail(
		    r, ERR_TOO_LARGE, "ciphertext", "may have at most %lld bytes", (long long)max);
	return 0;
}

void
send_items(struct req **r, struct message_item *items, int n)
{
	struct message_item ready[MESSAGE_BATCH];
	int from[MESSAGE_BATCH], count = 0;

	for (int i = 0; i < n; i++)
		items[i].err = r[i]->err ? r[i]->err : send_check_size(r[i], items[i].body);
	check_media(items, n);
	for (int i = 0; i < n; i++) {
		if (!items[i].err) {
			from[count] = i;
			ready[count++] = items[i];
		}
	}
	if (count)
		message_send(ready, count);
	for (int i = 0; i < count; i++)
		items[from[i]] = ready[i];
	for (int i = 0; i < n; i++)
		r[i]->err = items[i].err;
}
