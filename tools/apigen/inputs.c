/*
 * inputs: parameters and request bodies as the inputs of an operation.
 *
 * Order: path, query, header, body; parameters of the operation replace those that the path's
 * operations share.
 */
#include <strings.h>
#include "apigen.h"

static const char *const parameter_words[] = {"name", "in", "required", "description", "schema",
    "x-self", "x-invalid", "example", "examples", "deprecated", NULL};

/* Of a field whose kind differs between the alternatives of a body. */
static const struct schema anything = {
    .types = T_ANY, .min_len = -1, .max_len = -1, .min_items = -1, .max_items = -1};

static bool
input_is(const struct input *in, const char *name, enum input_where where)
{
	return in->where == where &&
	       !(where == IN_HEADER ? strcasecmp(in->name, name) : strcmp(in->name, name));
}

static enum input_where
where_of(const struct node *node)
{
	const struct node *in = node_need(node, "in", "a parameter");
	const char *word = node_text(in, "in");

	if (!strcmp(word, "path"))
		return IN_PATH;
	if (!strcmp(word, "query"))
		return IN_QUERY;
	if (!strcmp(word, "header"))
		return IN_HEADER;
	die_node(in, "in must be path, query or header");
}

static void
check_place(const struct input *in, const struct path *path, const struct node *node)
{
	const struct schema *s = in->schema;
	int i = 0;

	if (in->where == IN_PATH) {
		while (i < path->n_params && strcmp(path->params[i], in->name))
			i++;
		if (i == path->n_params)
			die_node(node, "the path has no {%s}", in->name);
	}
	if (in->kind != KIND_JSON)
		return;
	if (in->where != IN_QUERY || s->types != T_ARRAY || !s->items ||
	    schema_kind(s->items) == KIND_JSON)
		die_node(node, "parameter \"%s\" must be a text, number or boolean%s", in->name,
		    in->where == IN_QUERY ? ", or an array of them" : "");
}

static const char *
default_of(const struct contract *c, const struct node *schema)
{
	const struct node *dflt = node_get(node_deref(c->root, schema, "schemas"), "default");

	return dflt && dflt->kind == NODE_SCALAR && node_type(dflt) != T_NULL ? dflt->text : NULL;
}

static void
add_parameter(
    struct contract *c, struct operation *o, const struct path *path, const struct node *item)
{
	const struct node *node = node_deref(c->root, item, "parameters");
	const struct node *schema, *required, *self;
	struct input in = {0};

	if (node == item)
		node_keys(node, parameter_words, "a parameter");
	in.name = node_text(node_need(node, "name", "a parameter"), "name");
	in.where = where_of(node);
	schema = node_need(node, "schema", "a parameter");
	in.schema = schema_compile(c->root, schema);
	in.kind = schema_kind(in.schema);
	if ((required = node_get(node, "required")))
		in.required = node_bool(required, "required");
	if (in.where == IN_PATH && required && !in.required)
		die_node(required, "a path parameter is always required");
	in.required |= in.where == IN_PATH;
	if ((self = node_get(node, "x-self")))
		in.self = node_bool(self, "x-self");
	if (in.self && in.kind != KIND_TEXT)
		die_node(self, "x-self is for texts");
	if (in.self && o->op.auth != AUTH_BEARER)
		die_node(self, "x-self needs a caller, but %s is open without token", o->op.id);
	in.invalid = schema_invalid(c->root, node);
	if (!in.invalid)
		in.invalid = schema_invalid(c->root, schema);
	in.dflt = default_of(c, schema);
	in.bind = sql_name(in.name);
	check_place(&in, path, node);
	for (int i = 0; i < o->op.n_inputs; i++)
		if (input_is(&o->inputs[i], in.name, in.where))
			die_node(item, "parameter \"%s\" occurs twice", in.name);
	PUSH(o->inputs, o->op.n_inputs, in);
}

static bool
replaced(struct contract *c, const struct node *own, const struct node *item)
{
	const struct node *shared = node_deref(c->root, item, "parameters");
	const char *name = node_text(node_need(shared, "name", "a parameter"), "name");

	for (int i = 0; own && i < own->n; i++) {
		const struct node *mine = node_deref(c->root, own->values[i], "parameters");

		if (!strcmp(node_text(node_need(mine, "name", "a parameter"), "name"), name) &&
		    where_of(mine) == where_of(shared))
			return true;
	}
	return false;
}

static int
by_place(const void *a, const void *b)
{
	const struct input *x = a, *y = b;

	if (x->where != y->where)
		return x->where < y->where ? -1 : 1;
	return strcmp(x->name, y->name);
}

void
op_inputs(struct contract *c, struct operation *o, const struct path *path)
{
	const struct node *own = node_get(o->node, "parameters");
	const struct node *shared = node_get(o->path_item, "parameters");

	if (own)
		node_expect(own, NODE_LIST, "parameters");
	if (shared)
		node_expect(shared, NODE_LIST, "parameters");
	for (int i = 0; shared && i < shared->n; i++)
		if (!replaced(c, own, shared->values[i]))
			add_parameter(c, o, path, shared->values[i]);
	for (int i = 0; own && i < own->n; i++)
		add_parameter(c, o, path, own->values[i]);
	for (int i = 0; i < path->n_params; i++) {
		int k = 0;

		while (k < o->op.n_inputs && !input_is(&o->inputs[k], path->params[i], IN_PATH))
			k++;
		if (k == o->op.n_inputs)
			die_at(o->op.file, o->op.line, "path parameter {%s} is not declared",
			    path->params[i]);
	}
	if (o->op.n_inputs)
		qsort(o->inputs, (size_t)o->op.n_inputs, sizeof(*o->inputs), by_place);
}

/* ---- bodies -------------------------------------------------------------------------------- */

static int64_t
limit_of(const struct node *node)
{
	const char *s = node_text(node, "x-body-limit");
	char *end;
	long long n = strtoll(s, &end, 10);
	int shift = *end == 'k' ? 10 : *end == 'm' ? 20 : *end == 'g' ? 30 : 0;

	if (end == s || n <= 0 || n > 1 << 20 || end[shift ? 1 : 0])
		die_node(node, "x-body-limit must be like 64k, 16m or 2g");
	return (int64_t)n << shift;
}

static void
add_field(struct contract *c, struct operation *o, const struct field *f, bool certain,
    const struct node *props)
{
	const struct node *schema = node_get(props, f->name);
	struct input in = {.name = f->name, .where = IN_BODY, .schema = f->schema};

	in.kind = schema_kind(f->schema);
	in.required = certain && f->required;
	in.invalid = f->invalid;
	in.dflt = schema ? default_of(c, schema) : NULL;
	in.bind = sql_name(f->name);
	for (int i = 0; i < o->op.n_inputs; i++) {
		struct input *other = &o->inputs[i];

		if (strcmp(other->name, f->name))
			continue;
		if (other->where == IN_BODY) { /* in an earlier alternative */
			if (other->kind != in.kind) {
				other->kind = KIND_JSON;
				other->schema = &anything;
			}
			return;
		}
		in.bind = xprintf("%s_body", in.bind);
	}
	PUSH(o->inputs, o->op.n_inputs, in);
}

static void
add_fields(struct contract *c, struct operation *o, const struct schema *s, bool certain,
    const struct node *schema)
{
	const struct node *props = node_get(node_deref(c->root, schema, "schemas"), "properties");

	for (int i = 0; i < s->n_fields; i++)
		add_field(c, o, &s->fields[i], certain, props);
}

static void
body_inputs(struct contract *c, struct operation *o, const struct node *schema)
{
	const struct schema *s = o->op.body;
	const struct node *target = node_deref(c->root, schema, "schemas");
	const struct node *alternatives = node_get(target, "oneOf");

	for (int i = 0; i < s->n_one_of; i++) {
		if (s->one_of[i]->types != T_OBJECT || s->one_of[i]->n_one_of)
			die_node(
			    alternatives->values[i], "an alternative of a body must be an object");
		add_fields(c, o, s->one_of[i], false, alternatives->values[i]);
	}
	if (s->n_one_of)
		return;
	if (s->types == T_OBJECT && s->n_fields) {
		add_fields(c, o, s, true, schema);
	} else {
		struct input in = {.name = "body",
		    .where = IN_BODY,
		    .kind = KIND_JSON,
		    .schema = s,
		    .required = o->op.body_required,
		    .bind = "body"};

		PUSH(o->inputs, o->op.n_inputs, in);
	}
}

static const struct node *
body_schema(const struct node *content, int at)
{
	static const char *const words[] = {"schema", "example", "examples", NULL};

	node_keys(content->values[at], words, "a media type");
	return node_get(content->values[at], "schema");
}

/* JSON and multipart bodies have inputs; anything else is one file. */
static void
body_media(struct contract *c, struct operation *o, const struct node *content)
{
	const struct node *schema = NULL;
	bool json = false;

	for (int i = 0; i < content->n; i++) {
		const struct node *this = body_schema(content, i);
		const char *type = content->keys[i]->text;

		if (!strcmp(type, "application/json"))
			json = true;
		else if (!strcmp(type, "multipart/form-data"))
			o->op.multipart = true;
		else
			o->op.raw_body = true;
		if (!this && !o->op.raw_body)
			die_node(content->keys[i], "a %s body needs a schema", type);
		if (this && o->op.raw_body)
			schema_compile(c->root, this);
		schema = this;
	}
	if (json + o->op.multipart + o->op.raw_body != 1)
		die_node(content, "one operation takes JSON, a multipart body or raw bodies");
	if (o->op.raw_body)
		return;
	o->op.body = schema_compile(c->root, schema);
	if (o->op.multipart && (o->op.body->types != T_OBJECT || o->op.body->n_one_of))
		die_node(schema, "a multipart body is one object, its fields are the parts");
	body_inputs(c, o, schema);
	for (int i = 0; json && i < o->op.n_inputs; i++)
		if (o->inputs[i].where == IN_BODY && input_is_file(&o->inputs[i]))
			die_node(schema, "\"%s\": a binary field needs a multipart body",
			    o->inputs[i].name);
}

bool
input_is_file(const struct input *in)
{
	return in->kind == KIND_TEXT && in->schema->format == FMT_BINARY;
}

void
op_body(struct contract *c, struct operation *o)
{
	static const char *const words[] = {"required", "description", "content", NULL};
	const struct node *body = node_get(o->node, "requestBody"), *content, *required;
	const struct node *limit = node_get(o->node, "x-body-limit");

	if (!body) {
		if (limit)
			die_node(limit, "x-body-limit without requestBody");
		return;
	}
	node_keys(body, words, "requestBody");
	content = node_need(body, "content", "requestBody");
	node_expect(content, NODE_MAP, "content");
	if ((required = node_get(body, "required")))
		o->op.body_required = node_bool(required, "required");
	body_media(c, o, content);
	if (!limit && (o->op.raw_body || o->op.multipart))
		die_node(body, "a body that is not JSON needs x-body-limit");
	o->op.body_limit = limit ? limit_of(limit) : 0;
}
