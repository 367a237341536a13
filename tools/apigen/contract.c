/*
 * contract: FAMILY.yaml as operations and paths.
 *
 *	struct contract *c = contract_load("devices.yaml");
 *	c->ops[0].op.id                         // "devices_list"
 */
#include <ctype.h>
#include <strings.h>
#include "apigen.h"

static const char *const file_words[] = {
    "family", "surface", "base", "description", "paths", "components", "x-catch-all", NULL};
static const char *const op_words[] = {"operationId", "summary", "description", "tags",
    "deprecated", "parameters", "requestBody", "responses", "x-requirement", "x-auth", "x-limit",
    "x-body-limit", "x-batch", "x-idempotent", "x-query", "x-list", "x-constraints", "x-envelope",
    NULL};
static const char *const methods[] = {"get", "post", "put", "patch", "delete"};

static enum auth_mode
auth_of(const struct node *node)
{
	static const char *const names[] = {[AUTH_NONE] = "none",
	    [AUTH_BEARER] = "bearer",
	    [AUTH_OPTIONAL] = "optional",
	    [AUTH_OPERATOR] = "operator"};
	const struct node *auth = node_get(node, "x-auth");

	if (!auth)
		return AUTH_BEARER;
	for (int i = 0; i < COUNT(names); i++)
		if (!strcmp(node_text(auth, "x-auth"), names[i]))
			return i;
	die_node(auth, "x-auth must be none, bearer, optional or operator");
}

static bool
flag_of(const struct node *node, const char *word, bool otherwise)
{
	const struct node *value = node_get(node, word);

	return value ? node_bool(value, word) : otherwise;
}

static const struct schema *
reply_of(const struct contract *c, const struct node *response)
{
	static const char *const media_words[] = {"schema", "example", "examples", NULL};
	const struct node *content = node_get(response, "content");
	const struct schema *reply = NULL;

	if (content)
		node_expect(content, NODE_MAP, "content");
	for (int i = 0; content && i < content->n; i++) {
		const struct node *schema;

		node_keys(content->values[i], media_words, "a media type");
		schema = node_get(content->values[i], "schema");
		if (schema && !strcmp(content->keys[i]->text, "application/json"))
			reply = schema_compile(c->root, schema);
		else if (schema)
			schema_compile(c->root, schema);
	}
	return reply;
}

static int
status_code(const struct node *node)
{
	const char *s = node->text;

	if (strlen(s) != 3 || s[0] < '1' || s[0] > '5' || !isdigit((unsigned char)s[1]) ||
	    !isdigit((unsigned char)s[2]))
		die_node(node, "\"%s\" is no HTTP status", s);
	return atoi(s);
}

static void
op_responses(const struct contract *c, struct operation *o)
{
	static const char *const words[] = {"description", "content", "headers", "$ref", NULL};
	const struct node *responses = node_need(o->node, "responses", "an operation");

	node_expect(responses, NODE_MAP, "responses");
	for (int i = 0; i < responses->n; i++) {
		const struct node *r = node_deref(c->root, responses->values[i], "responses");
		struct status st = {.code = status_code(responses->keys[i])};

		node_keys(responses->values[i], words, "a response");
		node_keys(r, words, "a response");
		st.about = node_text(node_need(r, "description", "a response"), "description");
		st.reply = reply_of(c, r);
		if (st.code >= 300)
			st.reply = NULL;
		PUSH(o->statuses, o->op.n_statuses, st);
		if (!o->op.success && st.code >= 200 && st.code < 300)
			o->op.success = st.code;
	}
	for (int i = 0; !o->op.success && i < o->op.n_statuses; i++)
		if (o->statuses[i].code < 400)
			o->op.success = o->statuses[i].code;
	if (!o->op.success)
		die_node(responses, "no successful response is documented");
	o->op.statuses = o->statuses;
}

/* A status named by an x- keyword must be documented. */
static int
documented(const struct operation *o, const struct node *node, const char *what)
{
	int code = (int)node_int(node, what);

	for (int i = 0; i < o->op.n_statuses; i++)
		if (o->statuses[i].code == code)
			return code;
	die_node(node, "%s: status %d is not among the responses", what, code);
}

static void
op_constraints(struct operation *o)
{
	static const char *const words[] = {"status", "field", "detail", NULL};
	const struct node *map = node_get(o->node, "x-constraints");

	if (map)
		node_expect(map, NODE_MAP, "x-constraints");
	for (int i = 0; map && i < map->n; i++) {
		const struct node *value = map->values[i], *field, *detail;
		struct constraint_map m = {.constraint = map->keys[i]->text};

		if (value->kind == NODE_SCALAR) {
			m.status = documented(o, value, "x-constraints");
		} else {
			node_keys(value, words, "a constraint");
			m.status = documented(
			    o, node_need(value, "status", "a constraint"), "x-constraints");
			if ((field = node_get(value, "field")))
				m.field = node_text(field, "field");
			if ((detail = node_get(value, "detail")))
				m.detail = node_text(detail, "detail");
			for (int k = 0; m.field && k <= o->op.n_inputs; k++) {
				if (k == o->op.n_inputs)
					die_node(field, "field \"%s\" is no input of %s", m.field,
					    o->op.id);
				if (!strcmp(o->inputs[k].name, m.field))
					break;
			}
		}
		PUSH(o->constraints, o->op.n_constraints, m);
	}
	o->op.constraints = o->constraints;
}

static const struct schema *
inside_envelope(const struct operation *o, const struct schema *reply)
{
	for (int i = 0; o->op.envelope && reply && i < reply->n_fields; i++)
		if (!strcmp(reply->fields[i].name, "data"))
			return reply->fields[i].schema;
	return reply;
}

static bool
answers_field(const struct schema *reply, const char *name)
{
	for (int i = 0; i < reply->n_fields; i++)
		if (!strcmp(reply->fields[i].name, name))
			return true;
	for (int i = 0; i < reply->n_one_of; i++)
		if (answers_field(reply->one_of[i], name))
			return true;
	return false;
}

/* The answer of a list is an object with the named fields, or one of its alternatives is. */
static const char *
list_word(const struct operation *o, const struct node *list, const char *word)
{
	const struct node *name = node_get(list, word);
	const struct schema *reply = NULL;

	if (!name)
		return NULL;
	node_text(name, word);
	for (int i = 0; i < o->op.n_statuses; i++)
		if (o->statuses[i].code == o->op.success)
			reply = inside_envelope(o, o->statuses[i].reply);
	if (reply && answers_field(reply, name->text))
		return name->text;
	die_node(name, "x-list: \"%s\" is no field of the answer", name->text);
}

static void
op_query(struct operation *o)
{
	static const char *const words[] = {"field", "total", NULL};
	const struct node *query = node_get(o->node, "x-query"),
			  *list = node_get(o->node, "x-list");

	if (query) {
		o->x_query = node_text(query, "x-query");
		o->x_query_node = query;
		if (o->op.batch)
			die_node(query, "x-query and x-batch exclude each other");
	}
	if (!list)
		return;
	node_keys(list, words, "x-list");
	node_need(list, "field", "x-list");
	o->op.list_field = list_word(o, list, "field");
	o->op.total_field = list_word(o, list, "total");
}

/* Settings limit.NAME are whatsapp's; other surfaces have limit.SURFACE.NAME. */
static const char *
limit_class(const struct contract *c, const char *name)
{
	return strcmp(c->surface, "whatsapp") ? xprintf("%s.%s", c->surface, name) : name;
}

static void
op_parse(struct contract *c, struct operation *o, const struct path *path, const char *method)
{
	const struct node *id, *limit, *n = o->node;
	char *upper = xprintf("%s", method);

	for (char *p = upper; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	node_keys(n, op_words, "an operation");
	id = node_need(n, "operationId", "an operation");
	if (!is_identifier(node_text(id, "operationId")))
		die_node(id, "operationId \"%s\" is no C identifier", id->text);
	for (int i = 0; i < c->n_ops; i++)
		if (!strcmp(c->ops[i].op.id, id->text))
			die_node(id, "operationId \"%s\" is taken in line %d", id->text,
			    c->ops[i].op.line);
	o->op.id = id->text;
	o->op.method = upper;
	o->op.path = path->template;
	o->op.file = n->file;
	o->op.line = id->line;
	o->op.auth = auth_of(n);
	limit = node_get(n, "x-limit");
	o->op.limit = limit_class(c, limit ? node_text(limit, "x-limit") : "general");
	if ((o->op.envelope = envelope_of(c, n)))
		envelope_wrap(n);
	o->op.batch = flag_of(n, "x-batch", false);
	o->op.idempotent =
	    flag_of(n, "x-idempotent", !strcmp(upper, "POST") && o->op.auth == AUTH_BEARER);
	op_responses(c, o);
	op_inputs(c, o, path);
	op_body(c, o);
	o->op.inputs = o->inputs;
	for (int i = 0; i < o->op.n_inputs; i++) {
		struct node at = {.kind = NODE_SCALAR, .file = n->file, .line = o->op.line};

		if (o->inputs[i].invalid) {
			at.text = xprintf("%d", o->inputs[i].invalid);
			documented(o, &at, xprintf("x-invalid of \"%s\"", o->inputs[i].name));
		}
	}
	op_constraints(o);
	op_query(o);
}

static void
path_params(struct path *p, const struct node *key)
{
	for (const char *s = strpbrk(p->template, "{}"); s; s = strpbrk(s, "{}")) {
		const char *end = strpbrk(s + 1, "{}");

		if (*s != '{' || !end || *end != '}' || end == s + 1 || s[-1] != '/' ||
		    (end[1] && end[1] != '/'))
			die_node(key, "a {parameter} must be a whole, named segment of the path");
		PUSH(p->params, p->n_params, xprintf("%.*s", (int)(end - s - 1), s + 1));
		s = end + 1;
	}
}

static bool
is_method(const char *word)
{
	for (int i = 0; i < COUNT(methods); i++)
		if (!strcmp(word, methods[i]))
			return true;
	return false;
}

static void
parse_path(struct contract *c, const struct node *key, const struct node *item)
{
	struct path p = {.template = key->text, .node = key};

	node_expect(item, NODE_MAP, "a path");
	if (key->text[0] != '/')
		die_node(key, "a path begins with /");
	path_params(&p, key);
	for (int i = 0; i < c->n_paths; i++)
		if (!path_compare(c->paths[i].template, p.template))
			die_node(key,
			    "\"%s\" has the shape of \"%s\" in line %d: write them as one path",
			    key->text, c->paths[i].template, c->paths[i].node->line);
	for (int i = 0; i < item->n; i++) {
		struct operation o = {.node = item->values[i], .path_item = item};
		const char *word = item->keys[i]->text;

		if (!strcmp(word, "parameters") || !strcmp(word, "summary") ||
		    !strcmp(word, "description"))
			continue;
		if (!is_method(word))
			die_node(item->keys[i], "unknown keyword \"%s\" in a path", word);
		op_parse(c, &o, &p, word);
		PUSH(p.ops, p.n_ops, c->n_ops);
		PUSH(c->ops, c->n_ops, o);
	}
	if (!p.n_ops)
		die_node(key, "the path has no operation");
	PUSH(c->paths, c->n_paths, p);
}

/* Components that nothing refers to are compiled too, so that their faults are found. */
static void
check_components(const struct contract *c)
{
	static const char *const words[] = {"schemas", "parameters", "responses", NULL};
	const struct node *components = node_get(c->root, "components"), *schemas;

	if (!components)
		return;
	node_keys(components, words, "components");
	for (int i = 0; i < components->n; i++)
		node_expect(components->values[i], NODE_MAP, components->keys[i]->text);
	schemas = node_get(components, "schemas");
	for (int i = 0; schemas && i < schemas->n; i++) {
		if (!is_identifier(schemas->keys[i]->text))
			die_node(schemas->keys[i], "a schema's name must be an identifier");
		schema_compile(c->root, schemas->values[i]);
	}
}

struct contract *
contract_load(const char *file)
{
	struct contract *c = xalloc(sizeof(*c));
	const struct node *root = tree_load(file), *paths, *about;

	c->file = file;
	c->root = root;
	node_keys(root, file_words, "the contract");
	c->family = node_text(node_need(root, "family", "the contract"), "family");
	c->surface = node_text(node_need(root, "surface", "the contract"), "surface");
	c->base = node_text(node_need(root, "base", "the contract"), "base");
	if (*c->base && (*c->base != '/' || c->base[strlen(c->base) - 1] == '/'))
		die_node(node_get(root, "base"), "base must be \"\" or begin, and not end, with /");
	if ((about = node_get(root, "description")))
		c->about = node_text(about, "description");
	c->catch_all = flag_of(root, "x-catch-all", false);
	check_components(c);
	paths = node_need(root, "paths", "the contract");
	node_expect(paths, NODE_MAP, "paths");
	for (int i = 0; i < paths->n; i++)
		parse_path(c, paths->keys[i], paths->values[i]);
	if (!c->n_ops)
		die_node(paths, "the family has no operation");
	paths_sort(c);
	return c;
}
