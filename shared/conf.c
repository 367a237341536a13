/* Settings: see conf.h. */
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "conf_table.h"

#ifndef ROOKERY_SYSCONFDIR
#define ROOKERY_SYSCONFDIR "/etc"
#endif

enum origin { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_KEY };

struct value {
	char *text;
	int64_t number; /* of everything but texts; the seconds of a limit are in seconds */
	int64_t seconds;
	enum origin origin;
};

static struct value *values; /* beside conf_table; NULL before the first load */

static void
fault(const char *where, int line, const char *name, const char *what)
{
	if (line)
		fprintf(stderr, "%s:%d: %s: %s\n", where, line, name, what);
	else
		fprintf(stderr, "%s: %s: %s\n", where, name, what);
}

static void *
must(void *p)
{
	if (!p) {
		fputs("rookery: out of memory while settings are read\n", stderr);
		abort();
	}
	return p;
}

static bool
is_called(int i, const char *name)
{
	return conf_table[i].type != SET_GROUP && !strcmp(conf_table[i].name, name);
}

/* Callers ask with the same few literals again and again, so the place of the text in memory is a good
 * guess; it is only a guess. */
static int
find(const char *name)
{
	static uint16_t guess[512];
	uint16_t *g = &guess[(uintptr_t)name / 4 % (sizeof(guess) / sizeof(*guess))];

	if (is_called(*g, name))
		return *g;
	for (int i = 0; i < conf_table_n; i++) {
		if (is_called(i, name)) {
			*g = (uint16_t)i;
			return i;
		}
	}
	return -1;
}

/* ---- reading one value ------------------------------------------------------------------- */

/* A whole number and one of the unit letters; 0 and *out, or -1. */
static int
read_number(const char *s, const char *letters, const int64_t *factors, int64_t *out)
{
	const char *unit;
	int64_t factor = 1;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -1;
	errno = 0;
	*out = strtoll(s, &end, 10);
	if (errno)
		return -1;
	if (*end) {
		unit = strchr(letters, *end);
		if (!unit || end[1])
			return -1;
		factor = factors[unit - letters];
	}
	return __builtin_mul_overflow(*out, factor, out) ? -1 : 0;
}

static int
read_typed(enum setting_type type, const char *s, int64_t *out)
{
	static const int64_t seconds[] = {1, 60, 3600, 86400};
	static const int64_t bytes[] = {1024, 1024 * 1024, 1024 * 1024 * 1024};

	if (type == SET_DURATION)
		return read_number(s, "smhd", seconds, out);
	if (type == SET_SIZE)
		return read_number(s, "kmg", bytes, out);
	return read_number(s, "", NULL, out);
}

static int
read_bool(const char *s, int64_t *out)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strcmp(s, words[i])) {
			*out = i & 1;
			return 0;
		}
	}
	return -1;
}

static int
read_limit(const char *s, struct value *v)
{
	char count[24];
	const char *slash = strchr(s, '/');

	v->seconds = 1;
	if (!slash)
		return strcmp(s, "0") ? -1 : (v->number = 0);
	if ((size_t)(slash - s) >= sizeof(count))
		return -1;
	memcpy(count, s, slash - s);
	count[slash - s] = 0;
	if (read_typed(SET_COUNT, count, &v->number) ||
	    read_typed(SET_DURATION, slash + 1, &v->seconds))
		return -1;
	return v->number > 0 && v->seconds > 0 ? 0 : -1;
}

static bool
is_choice(const char *words, const char *s)
{
	size_t n = strlen(s);

	for (const char *w = words; n && !strchr(s, '|') && w;
	     w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL)
		if (!strncmp(w, s, n) && (w[n] == '|' || !w[n]))
			return true;
	return false;
}

static int
check_number(const struct setting *set, const char *s, int64_t *out, char *why, size_t size)
{
	int64_t edge;

	if (read_typed(set->type, s, out)) {
		snprintf(why, size, "\"%s\" is not a %s", s,
		    set->type == SET_DURATION ? "duration such as 90s, 15m, 12h or 30d"
		    : set->type == SET_SIZE   ? "size such as 4096, 64k, 16m or 1g"
					      : "whole number");
		return -1;
	}
	if (set->min && !read_typed(set->type, set->min, &edge) && *out < edge) {
		snprintf(why, size, "%s is less than %s", s, set->min);
		return -1;
	}
	if (set->max && !read_typed(set->type, set->max, &edge) && *out > edge) {
		snprintf(why, size, "%s is more than %s", s, set->max);
		return -1;
	}
	return 0;
}

/* Read s as the setting's type; the text itself is kept in any case. */
static int
read_value(const struct setting *set, const char *s, struct value *v, char *why, size_t size)
{
	free(v->text);
	v->text = must(strdup(s));
	switch (set->type) {
	case SET_COUNT:
	case SET_DURATION:
	case SET_SIZE:
		return check_number(set, s, &v->number, why, size);
	case SET_BOOL:
		snprintf(why, size, "\"%s\" is neither yes nor no", s);
		return read_bool(s, &v->number);
	case SET_LIMIT:
		snprintf(why, size, "\"%s\" is not of the form COUNT/SECONDS, nor 0", s);
		return read_limit(s, v);
	case SET_CHOICE:
		snprintf(why, size, "\"%s\" is not one of %s", s, set->min);
		return is_choice(set->min, s) ? 0 : -1;
	default:
		return 0;
	}
}

/* ---- where values come from -------------------------------------------------------------- */

static int
set_value(struct value *v, int i, const char *s, enum origin origin, const char *where, int line)
{
	char why[256] = "";

	if (read_value(&conf_table[i], s, &v[i], why, sizeof(why))) {
		fault(where, line, conf_table[i].name, why);
		return -1;
	}
	v[i].origin = origin;
	return 0;
}

static char *
trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		*--end = 0;
	return s;
}

/* A comment starts at # when it begins the line or follows a blank. */
static void
cut_comment(char *s)
{
	for (char *p = s; *p; p++) {
		if (*p == '#' && (p == s || isspace((unsigned char)p[-1]))) {
			*p = 0;
			return;
		}
	}
}

static int
read_line(struct value *v, char *text, const char *path, int line)
{
	char *name, *equals;
	int i;

	cut_comment(text);
	name = trim(text);
	if (!*name)
		return 0;
	if (!(equals = strchr(name, '='))) {
		fault(path, line, name, "expected NAME = VALUE");
		return -1;
	}
	*equals = 0;
	name = trim(name);
	if ((i = find(name)) < 0) {
		fault(path, line, name, "unknown setting");
		return -1;
	}
	if (conf_table[i].type == SET_SECRET) {
		fault(path, line, name, "a secret does not belong here; see docs/settings.md");
		return -1;
	}
	return set_value(v, i, trim(equals + 1), FROM_FILE, path, line);
}

static int
read_file(struct value *v, const char *path, bool must_exist)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	int bad = 0;

	if (!f) {
		if (errno == ENOENT && !must_exist)
			return 0;
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int line = 1; getline(&text, &size, f) >= 0; line++)
		bad |= read_line(v, text, path, line);
	if (ferror(f)) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		bad = -1;
	}
	free(text);
	fclose(f);
	return bad;
}

/* "db.name" -> ROOKERY_DB_NAME; run.dir is also ROOKERY_RUN. */
static const char *
environment(const char *name, char *out, size_t size)
{
	const char *s;

	snprintf(out, size, "ROOKERY_%s", name);
	for (char *p = out; *p; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	s = getenv(out);
	if (!s && !strcmp(name, "run.dir"))
		s = getenv("ROOKERY_RUN");
	return s;
}

static int
read_environment(struct value *v)
{
	char name[128];
	const char *s;
	int bad = 0;

	for (int i = 0; i < conf_table_n; i++)
		if (conf_table[i].type != SET_GROUP &&
		    (s = environment(conf_table[i].name, name, sizeof(name))))
			bad |= set_value(v, i, s, FROM_ENVIRONMENT, name, 0);
	return bad;
}

/* Secrets are files of mode 600 in RUN/keys, first line; one that is not there is an empty secret.
 */
static int
read_secret(struct value *v, int i, const char *run)
{
	char path[PATH_MAX], line[1024] = "";
	FILE *f;

	if (v[i].origin != FROM_DEFAULT)
		return 0;
	snprintf(path, sizeof(path), "%s/keys/%s", run, conf_table[i].name);
	if (!(f = fopen(path, "re")))
		return 0; /* not every program may read every secret */
	if (fgets(line, sizeof(line), f) && *trim(line))
		set_value(v, i, trim(line), FROM_KEY, path, 0);
	explicit_bzero(line, sizeof(line));
	fclose(f);
	return 0;
}

/* "RUN/x" -> run.dir/x. */
static void
expand_run(struct value *v, const char *run)
{
	char *s;

	if (strncmp(v->text, "RUN/", 4))
		return;
	if (asprintf(&s, "%s%s", run, v->text + 3) < 0)
		s = must(NULL);
	free(v->text);
	v->text = s;
}

static void
finish(struct value *v)
{
	const char *run = v[find("run.dir")].text;

	for (int i = 0; i < conf_table_n; i++) {
		if (conf_table[i].type == SET_TEXT)
			expand_run(&v[i], run);
		else if (conf_table[i].type == SET_SECRET)
			read_secret(v, i, run);
	}
}

static struct value *
defaults(void)
{
	struct value *v = must(calloc(conf_table_n, sizeof(*v)));

	for (int i = 0; i < conf_table_n; i++)
		if (conf_table[i].type != SET_GROUP &&
		    set_value(v, i, conf_table[i].dflt, FROM_DEFAULT, "conf_table.c", 0))
			abort();
	return v;
}

static void
release(struct value *v)
{
	for (int i = 0; v && i < conf_table_n; i++) {
		if (v[i].text && conf_table[i].type == SET_SECRET)
			explicit_bzero(v[i].text, strlen(v[i].text));
		free(v[i].text);
	}
	free(v);
}

int
conf_load(const char *path)
{
	bool named = true;
	struct value *v = defaults();
	int bad;

	if (!path)
		path = getenv("ROOKERY_CONF");
	if (!path || !*path) {
		path = ROOKERY_SYSCONFDIR "/rookery.conf";
		named = false;
	}
	bad = read_file(v, path, named);
	bad |= read_environment(v);
	if (bad) {
		release(v); /* what was in force stays in force */
		return -1;
	}
	finish(v);
	release(values);
	values = v;
	return 0;
}

/* ---- asking ------------------------------------------------------------------------------ */

static const struct value *
ask(const char *name)
{
	int i = find(name);

	if (i < 0) {
		fprintf(stderr, "conf: no setting is called %s\n", name);
		abort();
	}
	if (!values) {
		values = defaults();
		finish(values);
	}
	return &values[i];
}

bool
conf_known(const char *name)
{
	return find(name) >= 0;
}

bool
conf_is_secret(const char *name)
{
	int i = find(name);

	return i >= 0 && conf_table[i].type == SET_SECRET;
}

const char *
conf_str(const char *name)
{
	return ask(name)->text;
}

int64_t
conf_int(const char *name)
{
	return ask(name)->number;
}

bool
conf_bool(const char *name)
{
	return ask(name)->number != 0;
}

bool
conf_limit(const char *rate_class, int64_t *count, int64_t *seconds)
{
	char name[128];
	const struct value *v;

	snprintf(name, sizeof(name), "limit.%s", rate_class ? rate_class : "general");
	v = ask(find(name) < 0 ? "limit.general" : name);
	*count = v->number;
	*seconds = v->seconds;
	return v->number > 0;
}

const char *
conf_run_path(char *out, size_t size, const char *relative)
{
	snprintf(out, size, "%s/%s", conf_str("run.dir"), relative);
	return out;
}

void
conf_print(FILE *out, bool with_comments)
{
	static const char *const origins[] = {"default", "file", "environment", "key file"};
	const struct value *v;

	for (int i = 0; i < conf_table_n; i++) {
		const struct setting *set = &conf_table[i];

		if (set->type == SET_GROUP) {
			if (with_comments)
				fprintf(out, "%s# ---- %s\n", i ? "\n" : "", set->name);
			continue;
		}
		v = ask(set->name);
		if (with_comments)
			fprintf(out, "# %s\n", set->about);
		fprintf(out, "%s = %s  # %s\n", set->name,
		    set->type == SET_SECRET ? *v->text ? "(set)" : "" : v->text,
		    origins[v->origin]);
	}
}
