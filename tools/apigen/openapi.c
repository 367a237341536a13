/*
 * openapi: the contracts of a surface as one OpenAPI 3.1 document.
 *
 * Parameters and responses are written out where they are used; schemas stay components.  A schema
 * two families share is kept once, and prefixed with the family where its content differs.
 */
#include <ctype.h>
#include <jansson.h>
#include "apigen.h"

#define REF "#/components/schemas/"

static json_t *
scalar_json(const struct node *node)
{
	switch (node_type(node)) {
	case T_NULL:
		return json_null();
	case T_BOOLEAN:
		return json_boolean(!strcmp(node->text, "true"));
	case T_INTEGER:
		return json_integer(strtoll(node->text, NULL, 10));
	case T_NUMBER:
		return json_real(strtod(node->text, NULL));
	default:
		return json_string(node->text);
	}
}

static json_t *
node_json(const struct node *node)
{
	json_t *out;

	if (node->kind == NODE_SCALAR) {
		if (!(out = scalar_json(node)))
			die_node(node, "the text is not valid UTF-8");
		return out;
	}
	out = node->kind == NODE_LIST ? json_array() : json_object();
	for (int i = 0; i < node->n; i++) {
		if (node->kind == NODE_LIST)
			json_array_append_new(out, node_json(node->values[i]));
		else
			json_object_set_new(out, node->keys[i]->text, node_json(node->values[i]));
	}
	return out;
}

/* ---- components ---------------------------------------------------------------------------- */

/* Replace references to schemas by what they mean (full), or by their new names. */
static json_t *
resolve(json_t *value, json_t *schemas, json_t *names)
{
	const char *ref = json_string_value(json_object_get(value, "$ref"));
	const char *key;
	json_t *member;
	size_t i;

	if (ref && !strncmp(ref, REF, strlen(REF))) {
		const char *name = ref + strlen(REF);

		if (!names)
			return resolve(json_object_get(schemas, name), schemas, NULL);
		name = json_string_value(json_object_get(names, name));
		json_object_set_new(value, "$ref", json_string(xprintf("%s%s", REF, name)));
		return value;
	}
	if (json_is_object(value)) {
		json_t *out = names ? value : json_object();

		json_object_foreach (value, key, member)
			json_object_set(out, key, resolve(member, schemas, names));
		return out;
	}
	if (json_is_array(value)) {
		json_t *out = names ? value : json_array();

		json_array_foreach (value, i, member) {
			if (names)
				resolve(member, schemas, names);
			else
				json_array_append(out, resolve(member, schemas, NULL));
		}
		return out;
	}
	return value;
}

static char *
prefixed(const char *family, const char *name)
{
	char *out = xprintf("%s%s", family, name), *w = out;
	bool upper = true;

	for (char *p = out; *p; p++) {
		if (*p == '-' || *p == '_') {
			upper = true;
			continue;
		}
		*w++ = upper ? (char)toupper((unsigned char)*p) : *p;
		upper = false;
	}
	*w = 0;
	return out;
}

/* Add a family's schemas to the document; answers its names as {"Old": "New"}. */
static json_t *
merge_schemas(const struct contract *c, json_t *merged, json_t *meanings)
{
	const struct node *node = node_get(node_get(c->root, "components"), "schemas");
	json_t *schemas = node ? node_json(node) : json_object(), *names = json_object(), *value;
	const char *key;

	json_object_foreach (schemas, key, value) {
		json_t *meaning = resolve(value, schemas, NULL);
		json_t *other = json_object_get(meanings, key);
		const char *name =
		    other && !json_equal(other, meaning) ? prefixed(c->family, key) : key;

		if (name != key && (other = json_object_get(meanings, name)) &&
		    !json_equal(other, meaning))
			die_node(node, "schema \"%s\" and its prefixed name \"%s\" are both taken",
			    key, name);
		json_object_set_new(names, key, json_string(name));
		json_object_set(meanings, name, meaning);
	}
	json_object_foreach (schemas, key, value)
		json_object_set(merged, json_string_value(json_object_get(names, key)), value);
	json_object_foreach (schemas, key, value)
		resolve(value, schemas, names);
	return names;
}

/* ---- errors -------------------------------------------------------------------------------- */

static json_t *
error_schema(const char *surface)
{
	static const struct {
		const char *surface, *fields, *required;
	} shapes[] = {
	    {"whatsapp", "type title status:integer detail instance code field",
		"type title status"},
	    {"sentinal", "success:boolean error code", "success error"},
	    {"gateway", "error code status:integer details:any", "error"},
	    {"chatcall", "detail:any error_code extra_info:any", "detail"},
	    {"intok", "message code details:any", "message"},
	};
	json_t *props = json_object(), *required = json_array();
	int i = 0;

	while (i < COUNT(shapes) - 1 && strcmp(shapes[i].surface, surface))
		i++;
	for (char *w = strtok(xprintf("%s", shapes[i].fields), " "); w; w = strtok(NULL, " ")) {
		char *type = strchr(w, ':');

		if (type)
			*type++ = 0;
		json_object_set_new(props, w,
		    type && !strcmp(type, "any")
			? json_object()
			: json_pack("{ss}", "type", type ? type : "string"));
	}
	for (char *w = strtok(xprintf("%s", shapes[i].required), " "); w; w = strtok(NULL, " "))
		json_array_append_new(required, json_string(w));
	return json_pack("{sssssoso}", "type", "object", "description",
	    "An error; what went wrong and, where one is to blame, the field", "properties", props,
	    "required", required);
}

static const char *
error_media(const char *surface)
{
	return strcmp(surface, "whatsapp") ? "application/json" : "application/problem+json";
}

/* ---- operations ---------------------------------------------------------------------------- */

static void
add_parameters(const struct contract *c, const struct operation *o, json_t *out)
{
	const struct node *lists[] = {
	    node_get(o->path_item, "parameters"), node_get(o->node, "parameters")};
	json_t *all = json_array();

	for (int k = 0; k < COUNT(lists); k++)
		for (int i = 0; lists[k] && i < lists[k]->n; i++) {
			const struct node *p =
			    node_deref(c->root, lists[k]->values[i], "parameters");
			json_t *param = node_json(p), *old;
			const char *in = json_string_value(json_object_get(param, "in"));
			size_t at;

			if (!strcmp(in, "path"))
				json_object_set_new(param, "required", json_true());
			json_array_foreach (all, at, old)
				if (json_equal(json_object_get(old, "name"),
					json_object_get(param, "name")) &&
				    json_equal(
					json_object_get(old, "in"), json_object_get(param, "in")))
					break;
			if (at < json_array_size(all))
				json_array_set(all, at, param);
			else
				json_array_append(all, param);
		}
	if (json_array_size(all))
		json_object_set(out, "parameters", all);
	else
		json_object_del(out, "parameters");
}

static void
add_responses(const struct contract *c, const struct operation *o, json_t *out)
{
	const struct node *responses = node_get(o->node, "responses");
	json_t *all = json_object();

	for (int i = 0; i < responses->n; i++) {
		const struct node *r = node_deref(c->root, responses->values[i], "responses");

		json_object_set(all, responses->keys[i]->text, node_json(r));
	}
	json_object_set(out, "responses", all);
}

/* Errors without content of their own have the surface's shape. */
static void
add_errors(const struct contract *c, json_t *out)
{
	const char *code;
	json_t *response;

	json_object_foreach (json_object_get(out, "responses"), code, response)
		if (atoi(code) >= 400 && !json_object_get(response, "content"))
			json_object_set_new(response, "content",
			    json_pack("{s{s{ss}}}", error_media(c->surface), "schema", "$ref",
				REF "Error"));
}

static json_t *
security_of(enum auth_mode auth)
{
	switch (auth) {
	case AUTH_NONE:
		return json_array();
	case AUTH_OPTIONAL:
		return json_pack("[{}{s[]}]", "bearer");
	case AUTH_OPERATOR:
		return json_pack("[{s[]}]", "operator");
	default:
		return json_pack("[{s[]}]", "bearer");
	}
}

static json_t *
operation_json(const struct contract *c, const struct operation *o, json_t *names)
{
	json_t *out = node_json(o->node), *body;

	if (!json_object_get(out, "tags"))
		json_object_set_new(out, "tags", json_pack("[s]", c->family));
	add_parameters(c, o, out);
	add_responses(c, o, out);
	resolve(out, NULL, names);
	add_errors(c, out);
	if ((body = json_object_get(out, "requestBody")) && o->op.body_limit)
		json_object_set_new(out, "x-body-limit", json_integer(o->op.body_limit));
	json_object_set_new(out, "x-limit", json_string(o->op.limit));
	json_object_set_new(out, "x-family", json_string(c->family));
	json_object_set_new(out, "security", security_of(o->op.auth));
	return out;
}

static void
add_paths(const struct contract *c, const char *base, json_t *names, json_t *paths)
{
	for (int i = 0; i < c->n_paths; i++) {
		const struct path *p = &c->paths[i];
		bool outside = strcmp(c->base, base);
		char *key =
		    outside ? xprintf("%s%s", c->base, p->template) : xprintf("%s", p->template);
		json_t *item = json_object_get(paths, key);

		if (!item) {
			item =
			    outside ? json_pack("{s[{ss}]}", "servers", "url", "/") : json_object();
			json_object_set(paths, key, item);
		}
		for (int k = 0; k < p->n_ops; k++) {
			const struct operation *o = &c->ops[p->ops[k]];
			char *method = xprintf("%s", o->op.method);

			for (char *m = method; *m; m++)
				*m = (char)tolower((unsigned char)*m);
			if (json_object_get(item, method))
				die_node(
				    p->node, "%s %s is in another family too", o->op.method, key);
			json_object_set(item, method, operation_json(c, o, names));
		}
	}
}

static json_t *
tag_json(const struct contract *c)
{
	return c->about ? json_pack("{ssss}", "name", c->family, "description", c->about)
			: json_pack("{ss}", "name", c->family);
}

void
emit_openapi(struct contract **list, int n, const char *title, const char *base,
    const char *version, const char *out)
{
	json_t *paths = json_object(), *schemas = json_object(), *meanings = json_object();
	json_t *tags = json_array(), *doc, *error = error_schema(list[0]->surface);
	char *text;

	json_object_set(schemas, "Error", error);
	json_object_set(meanings, "Error", error);
	for (int i = 0; i < n; i++) {
		add_paths(list[i], base, merge_schemas(list[i], schemas, meanings), paths);
		json_array_append_new(tags, tag_json(list[i]));
	}
	doc = json_pack("{ss s{ssss} s[{ss}] so so s{so s{s{ssssss} s{ssssss}}} s[{s[]}]}",
	    "openapi", "3.1.0", "info", "title", title, "version", version, "servers", "url",
	    *base ? base : "/", "tags", tags, "paths", paths, "components", "schemas", schemas,
	    "securitySchemes", "bearer", "type", "http", "scheme", "bearer", "bearerFormat", "JWT",
	    "operator", "type", "http", "scheme", "bearer", "description",
	    "The operator's token; not needed from the loopback address", "security", "bearer");
	if (!doc || !(text = json_dumps(doc, JSON_INDENT(1))))
		die("the document cannot be written as JSON");
	file_write(out, xprintf("%s\n", text));
}
