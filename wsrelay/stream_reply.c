/* stream_reply: see stream_reply.h. */
#include "stream_reply.h"

#include <string.h>
#include "metrics.h"

enum { MOST_FIELDS = 32 };

bool
stream_read_pos(const redisReply *r, struct rt_pos *out)
{
	return r->type == REDIS_REPLY_STRING && pos_parse(r->str, r->len, out);
}

struct rt_event *
stream_read_entry(const redisReply *r, struct rt_pos *pos)
{
	struct rt_field fields[MOST_FIELDS];
	const redisReply *list;
	struct rt_event *ev = NULL;
	int n = 0;

	if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 ||
	    !stream_read_pos(r->element[0], pos))
		return NULL;
	list = r->element[1];
	for (size_t i = 0; i + 1 < list->elements && n < MOST_FIELDS; i += 2) {
		const redisReply *name = list->element[i], *value = list->element[i + 1];

		fields[n++] = (struct rt_field){name->str, value->str, name->len, value->len};
	}
	ev = rt_event_new(*pos, fields, n);
	if (!ev)
		metrics->events_bad++;
	return ev;
}

bool
stream_read_info(const redisReply *r, struct stream_info *out)
{
	long long length = 0, added = -1;

	memset(out, 0, sizeof(*out));
	if (!r)
		return false;
	if (r->type == REDIS_REPLY_ERROR)
		return !strstr(r->str, "LOADING"); /* no such key: an empty stream */
	for (size_t i = 0; i + 1 < r->elements; i += 2) {
		const char *name = r->element[i]->str;
		const redisReply *value = r->element[i + 1];

		if (!strcmp(name, "length"))
			length = value->integer;
		else if (!strcmp(name, "entries-added"))
			added = value->integer;
		else if (!strcmp(name, "last-generated-id"))
			stream_read_pos(value, &out->last);
		else if (!strcmp(name, "first-entry") && value->type == REDIS_REPLY_ARRAY)
			stream_read_pos(value->element[0], &out->first);
	}
	out->trimmed = added != length;
	if (!length)
		out->first = out->last;
	return true;
}
