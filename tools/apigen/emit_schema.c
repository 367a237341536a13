/*
 * emit_schema: struct schema tables as C.
 *
 * Equal tables are written once: the initializer's text is the key.
 */
#include "apigen.h"

static const struct {
	int type;
	const char *name;
} type_names[] = {{T_STRING, "T_STRING"}, {T_INTEGER, "T_INTEGER"}, {T_NUMBER, "T_NUMBER"},
    {T_BOOLEAN, "T_BOOLEAN"}, {T_ARRAY, "T_ARRAY"}, {T_OBJECT, "T_OBJECT"}, {T_NULL, "T_NULL"}};
static const char *const format_names[] = {[FMT_NONE] = "FMT_NONE",
    [FMT_UUID] = "FMT_UUID",
    [FMT_DATETIME] = "FMT_DATETIME",
    [FMT_DATE] = "FMT_DATE",
    [FMT_BASE64] = "FMT_BASE64",
    [FMT_PHONE] = "FMT_PHONE",
    [FMT_EMAIL] = "FMT_EMAIL",
    [FMT_URI] = "FMT_URI",
    [FMT_BINARY] = "FMT_BINARY"};

static char **emitted; /* initializers, the index is N of s_N */
static int n_emitted;
static const char **patterns;
static int n_patterns;

static void
put_types(FILE *out, int types)
{
	bool first = true;

	if (types == T_ANY) {
		fputs("T_ANY", out);
		return;
	}
	for (int i = 0; i < COUNT(type_names); i++) {
		if (!(types & type_names[i].type))
			continue;
		fprintf(out, "%s%s", first ? "" : " | ", type_names[i].name);
		first = false;
	}
}

static void
put_fields(FILE *out, FILE *init, const struct schema *s)
{
	int *ids = xalloc((size_t)s->n_fields * sizeof(*ids));

	for (int i = 0; i < s->n_fields; i++)
		ids[i] = put_schema(out, s->fields[i].schema);
	fputs("\t.fields = (const struct field[]){\n", init);
	for (int i = 0; i < s->n_fields; i++) {
		fputs("\t    {", init);
		put_c_string(init, s->fields[i].name);
		fprintf(init, ", &s_%d, %s, %d},\n", ids[i],
		    s->fields[i].required ? "true" : "false", s->fields[i].invalid);
	}
	fprintf(init, "\t},\n\t.n_fields = %d,\n", s->n_fields);
}

static void
put_one_of(FILE *out, FILE *init, const struct schema *s)
{
	int *ids = xalloc((size_t)s->n_one_of * sizeof(*ids));

	for (int i = 0; i < s->n_one_of; i++)
		ids[i] = put_schema(out, s->one_of[i]);
	fputs("\t.one_of = (const struct schema *const[]){", init);
	for (int i = 0; i < s->n_one_of; i++)
		fprintf(init, "%s&s_%d", i ? ", " : "", ids[i]);
	fprintf(init, "},\n\t.n_one_of = %d,\n", s->n_one_of);
}

static void
put_pattern(FILE *out, FILE *init, const char *pattern)
{
	int i = 0;

	while (i < n_patterns && strcmp(patterns[i], pattern))
		i++;
	if (i == n_patterns) {
		PUSH(patterns, n_patterns, pattern);
		fprintf(out, "static void *pattern_%d;\n", i);
	}
	fputs("\t.pattern = ", init);
	put_c_string(init, pattern);
	fprintf(init, ",\n\t.pattern_code = &pattern_%d,\n", i);
}

static void
put_init(FILE *out, FILE *init, const struct schema *s)
{
	fputs("\t.types = ", init);
	put_types(init, s->types);
	fprintf(init, ",\n\t.min_len = %d, .max_len = %d, .min_items = %d, .max_items = %d,\n",
	    s->min_len, s->max_len, s->min_items, s->max_items);
	if (s->format)
		fprintf(init, "\t.format = %s,\n", format_names[s->format]);
	if (s->closed)
		fputs("\t.closed = true,\n", init);
	if (s->has_min)
		fprintf(init, "\t.has_min = true, .min = %.17g,\n", s->min);
	if (s->has_max)
		fprintf(init, "\t.has_max = true, .max = %.17g,\n", s->max);
	if (s->pattern)
		put_pattern(out, init, s->pattern);
	if (s->choices) {
		fputs("\t.choices = (const char *const[]){", init);
		for (int i = 0; s->choices[i]; i++) {
			put_c_string(init, s->choices[i]);
			fputs(", ", init);
		}
		fputs("NULL},\n", init);
	}
	if (s->n_fields)
		put_fields(out, init, s);
	if (s->items)
		fprintf(init, "\t.items = &s_%d,\n", put_schema(out, s->items));
	if (s->extra)
		fprintf(init, "\t.extra = &s_%d,\n", put_schema(out, s->extra));
	if (s->n_one_of)
		put_one_of(out, init, s);
}

int
put_schema(FILE *out, const struct schema *s)
{
	struct text t;
	char *init;

	text_open(&t);
	put_init(out, t.f, s);
	init = text_close(&t);
	for (int i = 0; i < n_emitted; i++)
		if (!strcmp(emitted[i], init))
			return i;
	fprintf(out, "static const struct schema s_%d = {\n%s};\n", n_emitted, init);
	PUSH(emitted, n_emitted, init);
	return n_emitted - 1;
}
