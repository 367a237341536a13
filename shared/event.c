/* event: see event.h. */
#include "event.h"

#include <string.h>

#include "cache.h"
#include "conf.h"
#include "db.h"
#include "json.h"
#include "log.h"
#include "req.h"

enum { MAX_FIELDS = 20 };

void
event_queue(struct req *r, const struct event *ev)
{
	struct req_event *node = arena_zalloc(r->arena, sizeof *node);

	node->event = (struct event *)arena_memdup(r->arena, ev, sizeof *ev);
	if (!r->events_tail)
		r->events_tail = &r->events;
	*r->events_tail = node;
	r->events_tail = &node->next;
}

static const char *
joined(struct req *r, const json_t *ids)
{
	struct buf b;
	size_t i;
	json_t *id;

	if (!json_is_array(ids) || json_array_size(ids) == 0)
		return NULL;
	b = buf_new(r->arena);
	json_array_foreach (ids, i, id) {
		if (i)
			buf_putc(&b, ',');
		buf_puts(&b, json_string_value(id));
	}
	return b.p;
}

static void
queue_object(struct req *r, const json_t *o)
{
	const json_t *version = json_object_get(o, "v");
	struct event ev = {
	    .id = json_string_value(json_object_get(o, "id")),
	    .type = json_string_value(json_object_get(o, "t")),
	    .conversation = json_string_value(json_object_get(o, "c")),
	    .to = joined(r, json_object_get(o, "to")),
	    .devices = joined(r, json_object_get(o, "dev")),
	    .except = json_string_value(json_object_get(o, "not")),
	    .payload = json_text(r->arena, json_object_get(o, "j"), NULL),
	};

	if (json_is_integer(version))
		ev.version = req_printf(r, "%lld", (long long)json_integer_value(version));
	if (ev.id && ev.type)
		event_queue(r, &ev);
}

void
event_queue_json(struct req *r, const char *json)
{
	const char *why;
	json_t *value = json_read(r->arena, json, strlen(json), &why), *one;
	size_t i;

	if (json_is_object(value))
		queue_object(r, value);
	json_array_foreach (value, i, one) {
		if (json_is_object(one))
			queue_object(r, one);
	}
}

static void
append_event(const struct event *ev, const char *keep)
{
	const struct {
		const char *name, *value;
	} fields[] = {{"id", ev->id}, {"t", ev->type}, {"c", ev->conversation}, {"v", ev->version},
	    {"s", ev->seq}, {"to", ev->to}, {"dev", ev->devices}, {"not", ev->except},
	    {"j", ev->payload}, {"b", ev->bodies}};
	const char *argv[6 + MAX_FIELDS] = {"XADD", "rt", "MAXLEN", "~", keep, "*"};
	int argc = 6;

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (fields[i].value) {
			argv[argc++] = fields[i].name;
			argv[argc++] = fields[i].value;
		}
	}
	cache_argv(argc, argv, NULL);
}

/* The events of n requests, as commands; how many. */
static int
append_all(struct req **r, int n)
{
	char keep[24];
	int queued = 0;

	snprintf(keep, sizeof keep, "%lld", (long long)conf_int("events.stream_keep"));
	cache_begin();
	for (int i = 0; i < n; i++) {
		for (const struct req_event *e = r[i]->events; e; e = e->next, queued++)
			append_event(e->event, keep);
		r[i]->events = NULL;
		r[i]->events_tail = NULL;
	}
	return queued;
}

void
event_publish(struct req **r, int n)
{
	int queued = append_all(r, n);

	/* Not waited for: the rows are committed, and what is lost now the sweeper adds as it would
	 * a moment later. */
	if (queued && cache_send())
		log_warn("events left to the sweeper", "count", db_int_text(r[0], queued));
}

int
event_publish_wait(struct req *r)
{
	return append_all(&r, 1) ? cache_flush() : 0;
}
