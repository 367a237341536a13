/*
 * tree: a YAML file as a tree of nodes that know their line.
 *
 * Scalars keep their text and whether they were quoted; what a plain scalar means is decided by
 * YAML 1.2's core schema, so that "on" and "no" are texts.
 *
 *	const struct node *root = tree_load("devices.yaml");
 *	const struct node *paths = node_need(root, "paths", "the contract");
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <yaml.h>
#include "apigen.h"

#define MAX_DEPTH 64

static struct node *convert(yaml_document_t *doc, int index, const char *file, int depth);

void
die_node(const struct node *node, const char *fmt, ...)
{
	va_list ap;
	char *message;

	va_start(ap, fmt);
	if (vasprintf(&message, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	die_at(node->file, node->line, "%s", message);
}

static void
convert_map(yaml_document_t *doc, yaml_node_t *y, struct node *node, int depth)
{
	int n = 0, m = 0;

	for (yaml_node_pair_t *p = y->data.mapping.pairs.start; p < y->data.mapping.pairs.top;
	     p++) {
		struct node *key = convert(doc, p->key, node->file, depth + 1);

		node_expect(key, NODE_SCALAR, "a key");
		node->n = n;
		if (node_get(node, key->text))
			die_node(key, "key \"%s\" occurs twice", key->text);
		PUSH(node->keys, n, key);
		PUSH(node->values, m, convert(doc, p->value, node->file, depth + 1));
	}
	node->n = n;
}

static struct node *
convert(yaml_document_t *doc, int index, const char *file, int depth)
{
	yaml_node_t *y = yaml_document_get_node(doc, index);
	struct node *node = xalloc(sizeof(*node));

	node->file = file;
	node->line = (int)y->start_mark.line + 1;
	if (depth > MAX_DEPTH)
		die_node(node, "nested more than %d deep", MAX_DEPTH);
	switch (y->type) {
	case YAML_SCALAR_NODE:
		node->kind = NODE_SCALAR;
		node->text = xprintf("%s", (const char *)y->data.scalar.value);
		node->quoted = y->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
		break;
	case YAML_SEQUENCE_NODE:
		node->kind = NODE_LIST;
		for (int *i = y->data.sequence.items.start; i < y->data.sequence.items.top; i++)
			PUSH(node->values, node->n, convert(doc, *i, file, depth + 1));
		break;
	default:
		node->kind = NODE_MAP;
		convert_map(doc, y, node, depth);
	}
	return node;
}

struct node *
tree_load(const char *file)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	struct node *root;
	FILE *f = fopen(file, "r");

	if (!f)
		die("%s: %s", file, strerror(errno));
	if (!yaml_parser_initialize(&parser))
		die("out of memory");
	yaml_parser_set_input_file(&parser, f);
	if (!yaml_parser_load(&parser, &doc))
		die_at(file, (int)parser.problem_mark.line + 1, "%s%s%s", parser.problem,
		    parser.context ? " " : "", parser.context ? parser.context : "");
	if (!yaml_document_get_root_node(&doc))
		die_at(file, 1, "the file is empty");
	root = convert(&doc, 1, file, 0);
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	fclose(f);
	return root;
}

const struct node *
node_get(const struct node *map, const char *key)
{
	for (int i = 0; map && map->kind == NODE_MAP && i < map->n; i++)
		if (!strcmp(map->keys[i]->text, key))
			return map->values[i];
	return NULL;
}

const struct node *
node_need(const struct node *map, const char *key, const char *what)
{
	const struct node *value = node_get(map, key);

	if (!value)
		die_node(map, "%s needs \"%s\"", what, key);
	return value;
}

void
node_expect(const struct node *node, enum node_kind kind, const char *what)
{
	static const char *const names[] = {"a single value", "a list", "a mapping"};

	if (node->kind != kind)
		die_node(node, "%s must be %s", what, names[kind]);
}

void
node_keys(const struct node *map, const char *const *known, const char *what)
{
	node_expect(map, NODE_MAP, what);
	for (int i = 0; i < map->n; i++) {
		const char *const *k = known;

		while (*k && strcmp(*k, map->keys[i]->text))
			k++;
		if (!*k)
			die_node(
			    map->keys[i], "unknown keyword \"%s\" in %s", map->keys[i]->text, what);
	}
}

const char *
node_text(const struct node *scalar, const char *what)
{
	node_expect(scalar, NODE_SCALAR, what);
	return scalar->text;
}

int64_t
node_int(const struct node *scalar, const char *what)
{
	char *end;
	int64_t value;

	if (scalar->kind != NODE_SCALAR || node_type(scalar) != T_INTEGER)
		die_node(scalar, "%s must be a whole number", what);
	errno = 0;
	value = strtoll(scalar->text, &end, 10);
	if (errno || *end)
		die_node(scalar, "%s is out of range", what);
	return value;
}

bool
node_bool(const struct node *scalar, const char *what)
{
	if (scalar->kind != NODE_SCALAR || node_type(scalar) != T_BOOLEAN)
		die_node(scalar, "%s must be true or false", what);
	return !strcmp(scalar->text, "true");
}

int
node_type(const struct node *scalar)
{
	const char *s = scalar->text;
	char *end;

	if (scalar->quoted)
		return T_STRING;
	if (!*s || !strcmp(s, "null") || !strcmp(s, "~"))
		return T_NULL;
	if (!strcmp(s, "true") || !strcmp(s, "false"))
		return T_BOOLEAN;
	if (!isdigit((unsigned char)s[*s == '-']))
		return T_STRING;
	if (s[strspn(s, "-0123456789")] == 0 && strrchr(s, '-') <= s)
		return T_INTEGER;
	if (s[strspn(s, "-+.eE0123456789")])
		return T_STRING;
	strtod(s, &end);
	return *end ? T_STRING : T_NUMBER;
}

const struct node *
node_deref(const struct node *root, const struct node *node, const char *section)
{
	const struct node *ref = node_get(node, "$ref"), *target;
	char *prefix = xprintf("#/components/%s/", section);

	if (!ref)
		return node;
	node_text(ref, "$ref");
	if (strncmp(ref->text, prefix, strlen(prefix)))
		die_node(ref, "$ref must begin with %s here", prefix);
	target =
	    node_get(node_get(node_get(root, "components"), section), ref->text + strlen(prefix));
	if (!target)
		die_node(ref, "$ref \"%s\" names nothing in this file", ref->text);
	return target;
}
