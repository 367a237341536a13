/*
 * envelope: surfaces that answer {"success": true, "data": …} to everything that went well.
 *
 * Their contracts describe what data holds.  The envelope is put around the schemas in the tree,
 * before anything is compiled, so that the served document, the test builds' check of replies and
 * the runtime agree.  "x-envelope: false" at an operation leaves its answer bare.
 */
#include "apigen.h"

bool
envelope_of(const struct contract *c, const struct node *operation)
{
	const struct node *flag = node_get(operation, "x-envelope");

	if (flag && strcmp(c->surface, "sentinal"))
		die_node(flag, "the surface %s has no envelope", c->surface);
	return !strcmp(c->surface, "sentinal") && (!flag || node_bool(flag, "x-envelope"));
}

static struct node *
scalar(const struct node *at, const char *text, bool quoted)
{
	struct node *n = xalloc(sizeof(*n));

	*n = (struct node){.kind = NODE_SCALAR,
	    .file = at->file,
	    .line = at->line,
	    .text = text,
	    .quoted = quoted};
	return n;
}

static struct node *
collection(const struct node *at, enum node_kind kind)
{
	struct node *n = xalloc(sizeof(*n));

	*n = (struct node){.kind = kind, .file = at->file, .line = at->line};
	return n;
}

static void
put(struct node *to, const char *key, struct node *value)
{
	if (key)
		to->keys = list_grow(to->keys, to->n, sizeof(*to->keys));
	to->values = list_grow(to->values, to->n, sizeof(*to->values));
	if (key)
		to->keys[to->n] = scalar(value, key, true);
	to->values[to->n++] = value;
}

static struct node *
wrap(const struct node *at, struct node *data)
{
	struct node *out = collection(at, NODE_MAP), *props = collection(at, NODE_MAP);
	struct node *required = collection(at, NODE_LIST), *success = collection(at, NODE_MAP);

	put(success, "type", scalar(at, "boolean", true));
	put(success, "const", scalar(at, "true", false));
	put(props, "success", success);
	put(props, "data", data);
	put(required, NULL, scalar(at, "success", true));
	put(required, NULL, scalar(at, "data", true));
	put(out, "type", scalar(at, "object", true));
	put(out, "required", required);
	put(out, "properties", props);
	return out;
}

/* A good answer without content has data null. */
static struct node *
empty_content(const struct node *at)
{
	struct node *type = collection(at, NODE_MAP), *media = collection(at, NODE_MAP);
	struct node *content = collection(at, NODE_MAP);

	put(type, "type", scalar(at, "null", true));
	put(media, "schema", wrap(at, type));
	put(content, "application/json", media);
	return content;
}

static void
wrap_response(struct node *response)
{
	struct node *content = (struct node *)node_get(response, "content"), *media;

	if (response->kind != NODE_MAP)
		return;
	if (node_get(response, "$ref"))
		die_node(response, "a good answer in an envelope is written out, not referred to");
	if (!content) {
		put(response, "content", empty_content(response));
		return;
	}
	media = (struct node *)node_get(content, "application/json");
	for (int i = 0; media && media->kind == NODE_MAP && i < media->n; i++) {
		if (!strcmp(media->keys[i]->text, "schema"))
			media->values[i] = wrap(media->values[i], media->values[i]);
	}
}

void
envelope_wrap(const struct node *operation)
{
	const struct node *responses = node_get(operation, "responses");

	for (int i = 0; responses && responses->kind == NODE_MAP && i < responses->n; i++) {
		if (responses->keys[i]->text[0] == '2')
			wrap_response(responses->values[i]);
	}
}
