/*
 * schema: the JSON Schema subset of the contract language, compiled to struct schema.
 *
 * Strict on purpose: a keyword that is unknown, or that does not belong to the declared type, is an
 * error, because a constraint nobody checks is worse than none.
 *
 *	const struct schema *s = schema_compile(root, node_get(parameter, "schema"));
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include "apigen.h"

#define MAX_REFS 32

static const char *const schema_words[] = {"type", "format", "enum", "const", "minimum", "maximum",
    "minLength", "maxLength", "pattern", "minItems", "maxItems", "minProperties", "maxProperties",
    "properties", "required", "additionalProperties", "items", "oneOf", "default", "description",
    "title", "example", "examples", "deprecated", "readOnly", "x-invalid", NULL};

static const struct {
	const char *word;
	int types;
} word_types[] = {
    {"minimum", T_INTEGER | T_NUMBER},
    {"maximum", T_INTEGER | T_NUMBER},
    {"minLength", T_STRING},
    {"maxLength", T_STRING},
    {"pattern", T_STRING},
    {"minItems", T_ARRAY},
    {"maxItems", T_ARRAY},
    {"items", T_ARRAY},
    {"minProperties", T_OBJECT},
    {"maxProperties", T_OBJECT},
    {"properties", T_OBJECT},
    {"required", T_OBJECT},
    {"additionalProperties", T_OBJECT},
    {"enum", T_STRING | T_INTEGER | T_NUMBER | T_BOOLEAN},
    {"const", T_STRING | T_INTEGER | T_NUMBER | T_BOOLEAN},
};

static int
type_named(const struct node *node)
{
	static const struct {
		const char *name;
		int type;
	} table[] = {{"string", T_STRING}, {"integer", T_INTEGER}, {"number", T_NUMBER},
	    {"boolean", T_BOOLEAN}, {"array", T_ARRAY}, {"object", T_OBJECT}, {"null", T_NULL}};
	const char *name = node_text(node, "type");

	for (int i = 0; i < COUNT(table); i++)
		if (!strcmp(name, table[i].name))
			return table[i].type;
	die_node(node, "unknown type \"%s\"", name);
}

static int
types_of(const struct node *node)
{
	const struct node *type = node_get(node, "type");
	int types = 0;

	if (!type)
		return T_ANY;
	if (type->kind == NODE_SCALAR)
		return type_named(type);
	node_expect(type, NODE_LIST, "type");
	for (int i = 0; i < type->n; i++)
		types |= type_named(type->values[i]);
	if (!types)
		die_node(type, "type is empty");
	return types;
}

static void
check_words(const struct node *node, bool typed, int types)
{
	node_keys(node, schema_words, "a schema");
	for (int i = 0; i < COUNT(word_types); i++) {
		const struct node *word = node_get(node, word_types[i].word);

		if (!word)
			continue;
		if (!typed)
			die_node(word, "\"%s\" needs a type beside it", word_types[i].word);
		if (!(types & word_types[i].types))
			die_node(word, "\"%s\" does not fit the type", word_types[i].word);
	}
}

static int
format_of(const struct node *node, int types)
{
	static const struct {
		const char *name;
		enum schema_format format;
		int types;
	} table[] = {{"uuid", FMT_UUID, T_STRING}, {"date-time", FMT_DATETIME, T_STRING},
	    {"date", FMT_DATE, T_STRING}, {"base64", FMT_BASE64, T_STRING},
	    {"byte", FMT_BASE64, T_STRING}, {"phone", FMT_PHONE, T_STRING},
	    {"email", FMT_EMAIL, T_STRING}, {"uri", FMT_URI, T_STRING},
	    {"binary", FMT_BINARY, T_STRING}, {"int32", FMT_NONE, T_INTEGER},
	    {"int64", FMT_NONE, T_INTEGER}, {"float", FMT_NONE, T_NUMBER},
	    {"double", FMT_NONE, T_NUMBER}};
	const struct node *f = node_get(node, "format");

	if (!f)
		return FMT_NONE;
	for (int i = 0; i < COUNT(table); i++) {
		if (strcmp(node_text(f, "format"), table[i].name))
			continue;
		if (!(types & table[i].types))
			die_node(f, "format \"%s\" does not fit the type", f->text);
		return table[i].format;
	}
	die_node(f, "unknown format \"%s\"", f->text);
}

/* A scalar's type fits: whole numbers are numbers as well. */
static bool
value_fits(const struct node *value, int types)
{
	int t = value->kind == NODE_LIST ? T_ARRAY : T_OBJECT;

	if (value->kind == NODE_SCALAR)
		t = node_type(value);
	return (types & t) || (t == T_INTEGER && (types & T_NUMBER));
}

static const char *const *
choices_of(const struct node *node, int types)
{
	const struct node *list = node_get(node, "enum"), *one = node_get(node, "const");
	const char **out = NULL;
	int n = 0, values = list ? list->n : 1;

	if (!list && !one)
		return NULL;
	if (list && one)
		die_node(one, "const and enum exclude each other");
	if (list)
		node_expect(list, NODE_LIST, "enum");
	for (int i = 0; i < values; i++) {
		const struct node *value = list ? list->values[i] : one;

		node_expect(value, NODE_SCALAR, list ? "a value of enum" : "const");
		if (!value_fits(value, types))
			die_node(value, "the value \"%s\" does not fit the type", value->text);
		if (node_type(value) != T_NULL)
			PUSH(out, n, value->text);
	}
	if (!n)
		die_node(list ? list : one, "there is no value to choose");
	PUSH(out, n, NULL);
	return out;
}

static int
length_of(const struct node *node, const char *word, const char *other)
{
	const struct node *value = node_get(node, word);
	int64_t n;

	if (value && other && node_get(node, other))
		die_node(value, "\"%s\" and \"%s\" exclude each other", word, other);
	if (!value)
		value = other ? node_get(node, other) : NULL;
	if (!value)
		return -1;
	n = node_int(value, word);
	if (n < 0 || n > INT32_MAX)
		die_node(value, "\"%s\" is out of range", word);
	return (int)n;
}

static bool
bound_of(const struct node *node, const char *word, double *out)
{
	const struct node *value = node_get(node, word);

	if (!value)
		return false;
	if (value->kind != NODE_SCALAR || !value_fits(value, T_NUMBER))
		die_node(value, "\"%s\" must be a number", word);
	*out = strtod(value->text, NULL);
	return true;
}

static const char *
pattern_of(const struct node *node)
{
	const struct node *pattern = node_get(node, "pattern");
	PCRE2_SIZE at;
	int err;
	PCRE2_UCHAR message[128];

	if (!pattern)
		return NULL;
	if (!pcre2_compile((PCRE2_SPTR)node_text(pattern, "pattern"), PCRE2_ZERO_TERMINATED,
		PCRE2_UTF, &err, &at, NULL)) {
		pcre2_get_error_message(err, message, sizeof(message));
		die_node(pattern, "pattern does not compile: %s", (char *)message);
	}
	return pattern->text;
}

short
schema_invalid(const struct node *root, const struct node *node)
{
	const struct node *bad = node_get(node, "x-invalid");
	int64_t status;

	if (!bad && !(bad = node_get(node_deref(root, node, "schemas"), "x-invalid")))
		return 0;
	status = node_int(bad, "x-invalid");
	if (status < 400 || status > 499)
		die_node(bad, "x-invalid must be a status from 400 to 499");
	return (short)status;
}

static void
compile_object(const struct node *root, const struct node *node, struct schema *s)
{
	const struct node *props = node_get(node, "properties"), *need = node_get(node, "required");
	const struct node *extra = node_get(node, "additionalProperties");
	struct field *fields = NULL;

	if (props)
		node_expect(props, NODE_MAP, "properties");
	for (int i = 0; props && i < props->n; i++) {
		const struct node *sub = props->values[i];
		struct field f = {
		    .name = props->keys[i]->text, .schema = schema_compile(root, sub)};

		f.invalid = schema_invalid(root, sub);
		PUSH(fields, s->n_fields, f);
	}
	if (need)
		node_expect(need, NODE_LIST, "required");
	for (int i = 0; need && i < need->n; i++) {
		const char *name = node_text(need->values[i], "a name in required");
		int at = 0;

		while (at < s->n_fields && strcmp(fields[at].name, name))
			at++;
		if (at == s->n_fields)
			die_node(need->values[i], "required \"%s\" is not in properties", name);
		fields[at].required = true;
	}
	s->fields = fields;
	if (extra && extra->kind == NODE_MAP)
		s->extra = schema_compile(root, extra);
	else if (extra)
		s->closed = !node_bool(extra, "additionalProperties");
}

static const struct schema *
compile_one_of(const struct node *root, const struct node *node, struct schema *s)
{
	static const char *const words[] = {"oneOf", "description", "title", "example", "examples",
	    "deprecated", "x-invalid", NULL};
	const struct node *list = node_get(node, "oneOf");
	const struct schema **alternatives = NULL;

	node_keys(node, words, "a schema with oneOf, which stands alone");
	node_expect(list, NODE_LIST, "oneOf");
	if (list->n < 2)
		die_node(list, "oneOf needs two alternatives");
	s->types = 0;
	for (int i = 0; i < list->n; i++) {
		const struct schema *a = schema_compile(root, list->values[i]);

		s->types |= a->types;
		PUSH(alternatives, s->n_one_of, a);
	}
	s->one_of = alternatives;
	return s;
}

static const struct schema *
compile_ref(const struct node *root, const struct node *node)
{
	static const char *open[MAX_REFS];
	static int depth;
	static const char *const words[] = {"$ref", "description", "deprecated", "x-invalid", NULL};
	const struct node *ref = node_get(node, "$ref");
	const struct node *target = node_deref(root, node, "schemas");
	const struct schema *s;

	node_keys(node, words, "a schema with $ref");
	for (int i = 0; i < depth; i++)
		if (!strcmp(open[i], ref->text))
			die_node(ref, "\"%s\" contains itself; recursive schemas are not supported",
			    ref->text);
	if (depth == MAX_REFS)
		die_node(ref, "references are nested more than %d deep", MAX_REFS);
	open[depth++] = ref->text;
	s = schema_compile(root, target);
	depth--;
	return s;
}

const struct schema *
schema_compile(const struct node *root, const struct node *node)
{
	struct schema *s = xalloc(sizeof(*s));
	const struct node *dflt, *items, *type;

	node_expect(node, NODE_MAP, "a schema");
	if (node_get(node, "$ref"))
		return compile_ref(root, node);
	type = node_get(node, "type");
	s->types = (unsigned char)types_of(node);
	s->min_len = s->max_len = s->min_items = s->max_items = -1;
	if (node_get(node, "oneOf"))
		return compile_one_of(root, node, s);
	check_words(node, type, s->types);
	s->format = (unsigned char)format_of(node, type ? s->types : 0);
	s->choices = choices_of(node, s->types);
	s->has_min = bound_of(node, "minimum", &s->min);
	s->has_max = bound_of(node, "maximum", &s->max);
	s->min_len = length_of(node, "minLength", NULL);
	s->max_len = length_of(node, "maxLength", NULL);
	s->min_items = length_of(node, "minItems", "minProperties");
	s->max_items = length_of(node, "maxItems", "maxProperties");
	s->pattern = pattern_of(node);
	compile_object(root, node, s);
	if ((items = node_get(node, "items")))
		s->items = schema_compile(root, items);
	if ((dflt = node_get(node, "default")) && !value_fits(dflt, s->types))
		die_node(dflt, "the default does not fit the type");
	return s;
}

enum input_kind
schema_kind(const struct schema *s)
{
	switch (s->types & ~T_NULL) {
	case T_STRING:
		return KIND_TEXT;
	case T_INTEGER:
		return KIND_INTEGER;
	case T_NUMBER:
	case T_NUMBER | T_INTEGER:
		return KIND_NUMBER;
	case T_BOOLEAN:
		return KIND_BOOLEAN;
	default:
		return KIND_JSON;
	}
}
