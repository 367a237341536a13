/* rt_event: see rt_event.h. */
#include "rt_event.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "map.h"
#include "members.h"
#include "predecessor.h"
#include "utf8.h"

struct parts { /* the fields by name */
	struct rt_field id, t, c, v, s, to, dev, but, not, j, b;
};

static bool
name_is(const struct rt_field *f, const char *name)
{
	return f->name_n == strlen(name) && !memcmp(f->name, name, f->name_n);
}

static void
sort_out(const struct rt_field *fields, int n, struct parts *p)
{
	const struct {
		const char *name;
		struct rt_field *place;
	} known[] = {{"id", &p->id}, {"t", &p->t}, {"c", &p->c}, {"v", &p->v}, {"s", &p->s},
	    {"to", &p->to}, {"dev", &p->dev}, {"but", &p->but}, {"not", &p->not }, {"j", &p->j},
	    {"b", &p->b}};

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			if (name_is(&fields[i], known[k].name))
				*known[k].place = fields[i];
}

static bool
read_number(const struct rt_field *f, int64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < f->value_n; i++)
		if (f->value[i] < '0' || f->value[i] > '9' ||
		    __builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, f->value[i] - '0', out))
			return false;
	return f->value_n > 0;
}

/* Ids of a comma-separated list; how many, or -1 when one is malformed. */
static int
read_ids(const struct rt_field *f, struct uid *out)
{
	size_t at = 0;
	int n = 0;

	while (at < f->value_n) {
		if (f->value_n - at < UID_TEXT || !uid_parse(f->value + at, UID_TEXT, &out[n]))
			return -1;
		n++;
		at += UID_TEXT;
		if (at < f->value_n && f->value[at++] != ',')
			return -1;
	}
	return n;
}

static size_t
most_ids(const struct rt_field *f)
{
	return (f->value_n + 1) / (UID_TEXT + 1) + 1;
}

/* It goes into a text frame as it is: it must be an object and UTF-8, or every receiver would hang
 * up. */
static bool
payload_sound(const struct rt_field *j)
{
	return j->value_n >= 2 && j->value[0] == '{' && j->value[j->value_n - 1] == '}' &&
	       utf8_valid(j->value, j->value_n);
}

/* The end of the line that begins at at: its newline, or the end of the text. */
static size_t
line_end(const char *text, size_t n, size_t at)
{
	const char *end = memchr(text + at, '\n', n - at);

	return end ? (size_t)(end - text) : n;
}

/* Each line: a device, a blank, an object. */
static bool
bodies_sound(const struct rt_field *b)
{
	enum { HEAD = UID_TEXT + 1 };

	for (size_t at = 0, end; at < b->value_n; at = end + 1) {
		struct uid device;

		end = line_end(b->value, b->value_n, at);
		if (end - at < HEAD + 2 || !uid_parse(b->value + at, UID_TEXT, &device) ||
		    b->value[at + UID_TEXT] != ' ' || b->value[at + HEAD] != '{' ||
		    b->value[end - 1] != '}')
			return false;
	}
	return utf8_valid(b->value, b->value_n);
}

const char *
rt_event_body(const struct rt_event *ev, struct uid device, size_t *n)
{
	char name[UID_TEXT + 1];

	uid_text(device, name);
	for (size_t at = 0, end; at < ev->bodies_n; at = end + 1) {
		end = line_end(ev->bodies, ev->bodies_n, at);
		if (memcmp(ev->bodies + at, name, UID_TEXT) != 0)
			continue;
		*n = end - at - UID_TEXT - 1;
		return ev->bodies + at + UID_TEXT + 1;
	}
	return NULL;
}

static bool
type_sound(const struct rt_field *t)
{
	for (size_t i = 0; i < t->value_n; i++) {
		char c = t->value[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("._:-", c))))
			return false;
	}
	return t->value_n > 0 && t->value_n <= 100;
}

static bool
read_session(struct rt_event *ev)
{
	json_t *payload = json_loadb(ev->payload, ev->payload_n, 0, NULL);
	const char *text = json_string_value(json_object_get(payload, "sessionId"));
	bool ok = text && uid_parse(text, strlen(text), &ev->session);

	json_decref(payload);
	return ok;
}

static bool
starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool
read_ids_of(struct rt_event *ev, const struct parts *p)
{
	int n;

	if (!uid_parse(p->id.value, p->id.value_n, &ev->id))
		return false;
	if (p->c.value_n) {
		ev->has_conversation = true;
		if (!uid_parse(p->c.value, p->c.value_n, &ev->conversation))
			return false;
	}
	if (p->not .value_n) {
		ev->has_except = true;
		if (!uid_parse(p->not .value, p->not .value_n, &ev->except))
			return false;
	}
	if ((n = read_ids(&p->to, (struct uid *)ev->to)) < 0)
		return false;
	ev->n_to = (uint32_t)n;
	if ((n = read_ids(&p->dev, (struct uid *)ev->devices)) < 0)
		return false;
	ev->n_devices = (uint32_t)n;
	if ((n = read_ids(&p->but, (struct uid *)ev->but)) < 0)
		return false;
	ev->n_but = (uint32_t)n;
	return true;
}

static bool
read_rest(struct rt_event *ev, const struct parts *p)
{
	ev->version = -1;
	if (p->v.value_n && (!ev->has_conversation || !read_number(&p->v, &ev->version)))
		return false;
	if (ev->version < 0 && !ev->n_to)
		return false; /* for nobody */
	if (!strcmp(ev->type, "message.new") && p->s.value_n && ev->has_conversation &&
	    (!read_number(&p->s, &ev->seq) || ev->seq < 1))
		return false;
	ev->ephemeral = starts_with(ev->type, "typing.") || starts_with(ev->type, "presence.");
	ev->revokes = !strcmp(ev->type, "session.revoked") && read_session(ev);
	return true;
}

struct rt_event *
rt_event_new(struct rt_pos pos, const struct rt_field *fields, int n)
{
	struct rt_event *ev;
	struct parts p;
	size_t ids, size;
	char *text;

	sort_out(fields, n, &p);
	if (!type_sound(&p.t) || !payload_sound(&p.j) || !bodies_sound(&p.b))
		return NULL;
	ids = most_ids(&p.to) + most_ids(&p.dev) + most_ids(&p.but);
	size = sizeof(*ev) + ids * sizeof(struct uid) + p.t.value_n + 1 + p.j.value_n + p.b.value_n;
	ev = must_alloc(size);
	memset(ev, 0, sizeof(*ev));
	ev->pos = pos;
	ev->size = size;
	ev->to = (struct uid *)(ev + 1);
	ev->devices = ev->to + most_ids(&p.to);
	ev->but = ev->devices + most_ids(&p.dev);
	text = (char *)((struct uid *)(ev + 1) + ids);
	ev->type = memcpy(text, p.t.value, p.t.value_n);
	ev->type_n = (uint32_t)p.t.value_n;
	text[p.t.value_n] = '\0';
	ev->payload = memcpy(text + p.t.value_n + 1, p.j.value, p.j.value_n);
	ev->payload_n = (uint32_t)p.j.value_n;
	if (p.b.value_n) {
		ev->bodies = memcpy((char *)ev->payload + p.j.value_n, p.b.value, p.b.value_n);
		ev->bodies_n = (uint32_t)p.b.value_n;
	}
	if (!read_ids_of(ev, &p) || !read_rest(ev, &p)) {
		free(ev);
		return NULL;
	}
	return ev;
}

void
rt_event_free(struct rt_event *ev)
{
	if (ev && ev->members)
		members_put(ev->members);
	if (ev && ev->predecessor)
		predecessor_put(ev->predecessor);
	free(ev);
}
