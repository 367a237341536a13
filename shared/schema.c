/* schema: see schema.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "schema.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "id.h"
#include "json.h"

/* The way from the top to the value being checked; nested on the C stack, printed only on a fault.
 */
struct place {
	const struct place *up;
	const char *name; /* NULL: index */
	size_t index;
	int invalid;
};

struct check {
	struct arena *arena;
	struct schema_fault *fault;
};

static char *
place_text(struct arena *a, const struct place *p)
{
	const char *up;

	if (!p)
		return arena_strdup(a, "");
	up = place_text(a, p->up);
	if (!p->name)
		return arena_printf(a, "%s[%zu]", up, p->index);
	return arena_printf(a, "%s%s%s", up, *up ? "." : "", p->name);
}

static bool
wrong(struct check *c, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->fault->why = arena_vprintf(c->arena, fmt, ap);
	va_end(ap);
	c->fault->path = place_text(c->arena, at);
	c->fault->invalid = 0;
	for (; at && !c->fault->invalid; at = at->up)
		c->fault->invalid = at->invalid;
	return false;
}

static bool check_value(struct check *c, const struct schema *s, json_t *v, const struct place *at);

static unsigned
type_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		return T_STRING;
	case JSON_INTEGER:
		return T_INTEGER | T_NUMBER;
	case JSON_REAL:
		/* 3.0 is an integer by JSON Schema, but no client writes it; it stays a number. */
		return T_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE:
		return T_BOOLEAN;
	case JSON_ARRAY:
		return T_ARRAY;
	case JSON_OBJECT:
		return T_OBJECT;
	default:
		return T_NULL;
	}
}

static const char *
types_text(struct arena *a, unsigned types)
{
	static const char *const names[] = {
	    "a string", "an integer", "a number", "a boolean", "an array", "an object", "null"};
	char *out = arena_strdup(a, "");

	for (int i = 0; i < 7; i++) {
		if (types & (1u << i))
			out = arena_printf(a, "%s%s%s", out, *out ? " or " : "", names[i]);
	}
	return out;
}

static int
code_points(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static bool
is_base64(const char *s)
{
	size_t n = strlen(s),
	       body = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				"0123456789+/-_");
	size_t padding = n - body;

	if (body == 0 || padding > 2 || strspn(s + body, "=") != padding)
		return false;
	return padding ? n % 4 == 0 : body % 4 != 1;
}

static bool
is_phone(const char *s)
{
	size_t digits;

	if (*s++ != '+' || *s == '0')
		return false;
	digits = strspn(s, "0123456789");
	return digits >= 7 && digits <= 15 && !s[digits];
}

static bool
is_email(const char *s)
{
	const char *at = strrchr(s, '@'), *dot = at ? strrchr(at, '.') : NULL;

	if (!at || at == s || !dot || dot == at + 1 || !dot[1] || strlen(s) > 254 ||
	    strchr(s, '@') != at)
		return false;
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("<>()[],;:\\\"", *s))
			return false;
	}
	return true;
}

static bool
is_uri(const char *s)
{
	size_t scheme =
	    strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	if (scheme == 0 || s[scheme] != ':' || !s[scheme + 1] || !isalpha((unsigned char)*s))
		return false;
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	}
	return true;
}

static bool
is_date(const char *s)
{
	int64_t us;
	char full[32];

	if (strlen(s) != 10)
		return false;
	memcpy(full, s, 10);
	strcpy(full + 10, "T00:00:00Z");
	return clock_parse(full, &us);
}

/* Check the format; *normal is the text to hand on (s itself when it is fine as it is). */
static const char *
format_fault(struct arena *a, int format, const char *s, const char **normal)
{
	char id[ID_SIZE];
	int64_t us;

	*normal = s;
	switch (format) {
	case FMT_UUID:
		if (!id_parse(s, id))
			return "must be a UUID";
		*normal = arena_strdup(a, id);
		return NULL;
	case FMT_DATETIME:
		if (!clock_parse(s, &us))
			return "must be an RFC 3339 date and time, like 2026-01-31T12:00:00Z";
		*normal = clock_format(a, us);
		return NULL;
	case FMT_DATE:
		return is_date(s) ? NULL : "must be a date like 2026-01-31";
	case FMT_BASE64:
		return is_base64(s) ? NULL : "must be base64";
	case FMT_PHONE:
		return is_phone(s) ? NULL
				   : "must be a phone number in E.164 form, like +4915112345678";
	case FMT_EMAIL:
		return is_email(s) ? NULL : "must be an e-mail address";
	case FMT_URI:
		return is_uri(s) ? NULL : "must be a URI";
	default:
		return NULL;
	}
}

static bool
pattern_holds(const struct schema *s, const char *text)
{
	pcre2_match_data *match;
	int found, error;
	PCRE2_SIZE where;

	if (!*s->pattern_code) {
		*s->pattern_code = pcre2_compile((PCRE2_SPTR)s->pattern, PCRE2_ZERO_TERMINATED,
		    PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &where, NULL);
		if (!*s->pattern_code)
			abort(); /* apigen compiled it before */
	}
	match = pcre2_match_data_create(1, NULL);
	found = pcre2_match(
	    *s->pattern_code, (PCRE2_SPTR)text, strlen(text), 0, PCRE2_NO_UTF_CHECK, match, NULL);
	pcre2_match_data_free(match);
	return found >= 0;
}

static bool
check_choices(struct check *c, const struct schema *s, const char *text, const struct place *at)
{
	char *list = arena_strdup(c->arena, "");

	for (int i = 0; s->choices[i]; i++) {
		if (strcmp(s->choices[i], text) == 0)
			return true;
		list = arena_printf(c->arena, "%s%s%s", list, *list ? ", " : "", s->choices[i]);
	}
	return wrong(c, at, "must be one of %s", list);
}

static bool
check_string(struct check *c, const struct schema *s, json_t *v, const struct place *at)
{
	const char *text = json_string_value(v), *normal, *fault;

	if (strlen(text) != json_string_length(v))
		return wrong(c, at, "must not contain NUL characters");
	if (s->choices)
		return check_choices(c, s, text, at);
	if (s->min_len >= 0 || s->max_len >= 0) {
		int n = code_points(text);

		if (n < s->min_len)
			return n == 0
				   ? wrong(c, at, "must not be empty")
				   : wrong(c, at, "must have at least %d characters", s->min_len);
		if (s->max_len >= 0 && n > s->max_len)
			return wrong(c, at, "must have at most %d characters", s->max_len);
	}
	if ((fault = format_fault(c->arena, s->format, text, &normal)))
		return wrong(c, at, "%s", fault);
	if (normal != text)
		json_string_set(v, normal);
	if (s->pattern && !pattern_holds(s, text))
		return wrong(c, at, "has the wrong form");
	return true;
}

static bool
check_number(struct check *c, const struct schema *s, json_t *v, const struct place *at)
{
	double n = json_number_value(v);

	if (s->choices)
		return check_choices(c, s, json_text(c->arena, v, NULL), at);
	if (s->has_min && n < s->min)
		return wrong(c, at, "must be at least %.15g", s->min);
	if (s->has_max && n > s->max)
		return wrong(c, at, "must be at most %.15g", s->max);
	return true;
}

static bool
check_count(
    struct check *c, const struct schema *s, size_t n, const char *what, const struct place *at)
{
	if (s->min_items >= 0 && n < (size_t)s->min_items)
		return wrong(c, at, "must have at least %d %s", s->min_items, what);
	if (s->max_items >= 0 && n > (size_t)s->max_items)
		return wrong(c, at, "must have at most %d %s", s->max_items, what);
	return true;
}

static bool
check_array(struct check *c, const struct schema *s, json_t *v, const struct place *at)
{
	struct place inner = {.up = at};
	json_t *item;

	if (!check_count(c, s, json_array_size(v), "entries", at))
		return false;
	if (!s->items)
		return true;
	json_array_foreach (v, inner.index, item) {
		if (!check_value(c, s->items, item, &inner))
			return false;
	}
	return true;
}

static const struct field *
field_named(const struct schema *s, const char *name)
{
	for (int i = 0; i < s->n_fields; i++) {
		if (strcmp(s->fields[i].name, name) == 0)
			return &s->fields[i];
	}
	return NULL;
}

static bool
check_members(struct check *c, const struct schema *s, json_t *v, const struct place *at)
{
	struct place inner = {.up = at};
	json_t *value;

	json_object_foreach (v, inner.name, value) {
		const struct field *f = field_named(s, inner.name);

		inner.invalid = f ? f->invalid : 0;
		if (f) {
			/* null for an optional field means: not given. */
			if (json_is_null(value) && !f->required)
				continue;
			if (!check_value(c, f->schema, value, &inner))
				return false;
		} else if (s->closed) {
			return wrong(c, &inner, "is not a known field");
		} else if (s->extra && !check_value(c, s->extra, value, &inner)) {
			return false;
		}
	}
	return true;
}

static bool
check_object(struct check *c, const struct schema *s, json_t *v, const struct place *at)
{
	struct place inner = {.up = at};

	for (int i = 0; i < s->n_fields; i++) {
		inner.name = s->fields[i].name;
		if (s->fields[i].required && !json_object_get(v, inner.name))
			return wrong(c, &inner, "is required");
	}
	return check_count(c, s, json_object_size(v), "members", at) && check_members(c, s, v, at);
}

static int
missing_fields(const struct schema *s, const json_t *v)
{
	int missing = 0;

	for (int i = 0; i < s->n_fields; i++)
		missing += s->fields[i].required && !json_object_get(v, s->fields[i].name);
	return missing;
}

/* The alternative with the fewest required fields missing, the first of equals. */
static int
best_alternative(const struct schema *s, const json_t *v)
{
	int best = 0, fewest = 1 << 30;

	for (int i = 0; i < s->n_one_of; i++) {
		const struct schema *alt = s->one_of[i];
		int missing =
		    json_is_object(v) ? missing_fields(alt, v) : !(alt->types & type_of(v));

		if (missing < fewest) {
			fewest = missing;
			best = i;
		}
	}
	return best;
}

static bool
check_value(struct check *c, const struct schema *s, json_t *v, const struct place *at)
{
	if (s->n_one_of > 0) {
		int best = best_alternative(s, v);

		if (!at)
			c->fault->form = best;
		return check_value(c, s->one_of[best], v, at);
	}
	if (!(s->types & type_of(v)))
		return wrong(c, at, "must be %s", types_text(c->arena, s->types));
	switch (json_typeof(v)) {
	case JSON_STRING:
		return check_string(c, s, v, at);
	case JSON_INTEGER:
	case JSON_REAL:
		return check_number(c, s, v, at);
	case JSON_ARRAY:
		return check_array(c, s, v, at);
	case JSON_OBJECT:
		return check_object(c, s, v, at);
	default:
		return true;
	}
}

bool
schema_check(struct arena *a, const struct schema *s, json_t *value, struct schema_fault *fault)
{
	struct check c = {a, fault};

	*fault = (struct schema_fault){.path = "", .why = ""};
	return check_value(&c, s, value, NULL);
}

static json_t *
parse_integer(const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	return errno || end == text || *end || isspace((unsigned char)*text) ? NULL
									     : json_integer(n);
}

static json_t *
parse_number(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	return end == text || *end || !isfinite(n) ? NULL : json_real(n);
}

/* "a,b,c": an array of simple values. */
static json_t *
parse_list(struct arena *a, const struct schema *s, const char *text, struct schema_fault *fault)
{
	json_t *list = json_array(), *value;

	while (*text) {
		size_t n = strcspn(text, ",");

		if (s->items &&
		    !schema_check_text(a, s->items, arena_memdup(a, text, n), &value, fault))
			return NULL;
		json_array_append_new(list, s->items ? value : json_stringn(text, n));
		text += n + (text[n] == ',');
	}
	return list;
}

bool
schema_check_text(struct arena *a, const struct schema *s, const char *text, json_t **value,
    struct schema_fault *fault)
{
	json_t *v = NULL;

	if (s->types & T_ARRAY && !(v = parse_list(a, s, text, fault)))
		return false;
	if (s->types & T_STRING)
		v = json_string(text); /* NULL when it is not UTF-8 */
	else if (s->types & T_INTEGER)
		v = parse_integer(text);
	else if (s->types & T_NUMBER)
		v = parse_number(text);
	else if (s->types & T_BOOLEAN)
		v = strcmp(text, "true") == 0    ? json_true()
		    : strcmp(text, "false") == 0 ? json_false()
						 : NULL;
	if (!v) {
		*fault = (struct schema_fault){.path = ""};
		fault->why = s->types & T_STRING
				 ? "must be UTF-8 text"
				 : arena_printf(a, "must be %s", types_text(a, s->types));
		return false;
	}
	*value = v;
	return schema_check(a, s, v, fault);
}
