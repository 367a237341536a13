/*
 * sql: named queries of a .sql file.
 *
 * A block is "-- name: block_insert :one", comment lines that describe it, and one statement in
 * which :name is a parameter.  Casts (::), := and whatever stands in quotes, dollar quotes or
 * comments is left alone.
 *
 *	-- name: block_find :one
 *	-- The caller's block of a contact.
 *	SELECT id FROM block WHERE owner = :me::uuid AND id = :blockId::uuid;
 */
#include <ctype.h>
#include "apigen.h"

struct scan {
	const char *p; /* next character */
	const char *file;
	int line;
	struct query_source *q;
	FILE *out;
	long end;  /* of the text up to the last character of the statement */
	bool over; /* its semicolon was seen */
};

bool
query_builtin(const char *param)
{
	static const char *const names[] = {
	    "me", "device", "session", "surface", "newid", "limit", "offset"};

	for (int i = 0; i < COUNT(names); i++)
		if (!strcmp(param, names[i]))
			return true;
	return false;
}

struct queries *
queries_new(void)
{
	return xalloc(sizeof(struct queries));
}

struct query_source *
queries_find(const struct queries *qs, const char *name)
{
	for (int i = 0; i < qs->n; i++)
		if (!strcmp(qs->list[i]->q.name, name))
			return qs->list[i];
	return NULL;
}

static int
param_number(struct query_source *q, const char *name)
{
	for (int i = 0; i < q->q.n_params; i++)
		if (!strcmp(q->params[i], name))
			return i + 1;
	PUSH(q->params, q->q.n_params, name);
	return q->q.n_params;
}

static void
copy(struct scan *s, int n)
{
	for (; n > 0 && *s->p; n--) {
		s->line += *s->p == '\n';
		putc(*s->p++, s->out);
	}
}

static void
copy_until(struct scan *s, const char *end, const char *what)
{
	const char *at = strstr(s->p, end);

	if (!at)
		die_at(s->file, s->line, "%s does not end", what);
	copy(s, (int)(at - s->p + (long)strlen(end)));
}

/* 'text' and "name"; a doubled quote simply begins the next text.  E'\'' knows backslashes. */
static void
copy_quoted(struct scan *s, bool backslashes)
{
	char quote = *s->p;

	copy(s, 1);
	while (*s->p && *s->p != quote)
		copy(s, backslashes && *s->p == '\\' ? 2 : 1);
	if (!*s->p)
		die_at(s->file, s->line, "a quoted text does not end");
	copy(s, 1);
}

/* $tag$ … $tag$; false when the dollar begins none. */
static bool
copy_dollar(struct scan *s)
{
	const char *end = s->p + 1;
	char *tag;

	while (isalnum((unsigned char)*end) || *end == '_')
		end++;
	if (*end != '$' || isdigit((unsigned char)s->p[1]))
		return false;
	tag = xprintf("%.*s", (int)(end - s->p + 1), s->p);
	copy(s, (int)strlen(tag));
	copy_until(s, tag, "a dollar quote");
	return true;
}

static void
copy_comment(struct scan *s)
{
	int depth = 0;

	do {
		if (!*s->p)
			die_at(s->file, s->line, "a comment does not end");
		if (!strncmp(s->p, "/*", 2))
			depth++;
		else if (!strncmp(s->p, "*/", 2))
			depth--;
		copy(s, !strncmp(s->p, "/*", 2) || !strncmp(s->p, "*/", 2) ? 2 : 1);
	} while (depth);
}

static void
replace_param(struct scan *s)
{
	const char *end = ++s->p;
	char *name;

	while (isalnum((unsigned char)*end) || *end == '_')
		end++;
	name = xprintf("%.*s", (int)(end - s->p), s->p);
	if (s->q->q.kind == QUERY_LIST && (!strcmp(name, "limit") || !strcmp(name, "offset")))
		die_at(s->file, s->line, ":%s is added to :list queries by itself", name);
	fprintf(s->out, "$%d", param_number(s->q, name));
	s->p = end;
}

/* One token of the statement, without white space and comments. */
static void
copy_token(struct scan *s)
{
	const char *p = s->p;

	if (s->over)
		die_at(s->file, s->line, "query \"%s\" has more than one statement", s->q->q.name);
	if (*p == '\'' || *p == '"') {
		copy_quoted(s, false);
	} else if ((*p == 'e' || *p == 'E') && p[1] == '\'') {
		copy(s, 1);
		copy_quoted(s, true);
	} else if (isalpha((unsigned char)*p) || *p == '_') {
		while (isalnum((unsigned char)*s->p) || *s->p == '_' || *s->p == '$')
			copy(s, 1);
	} else if (*p == '$') {
		if (isdigit((unsigned char)p[1]))
			die_at(s->file, s->line, "write parameters as :name");
		if (!copy_dollar(s))
			copy(s, 1);
	} else if (*p == ':' && (p[1] == ':' || p[1] == '=')) {
		copy(s, 2);
	} else if (*p == ':' && (isalpha((unsigned char)p[1]) || p[1] == '_')) {
		replace_param(s);
	} else if (*p == ';') {
		s->over = true;
		s->p++;
		return;
	} else {
		copy(s, 1);
	}
	fflush(s->out);
	s->end = ftell(s->out);
}

static char *
rewrite(struct query_source *q, const char *sql, int line)
{
	struct scan s = {.p = sql, .file = q->q.file, .line = line, .q = q};
	struct text t;
	char *out;
	int limit, offset;

	text_open(&t);
	s.out = t.f;
	while (*s.p) {
		if (isspace((unsigned char)*s.p))
			copy(&s, 1);
		else if (!strncmp(s.p, "--", 2))
			copy(&s, (int)strcspn(s.p, "\n"));
		else if (!strncmp(s.p, "/*", 2))
			copy_comment(&s);
		else
			copy_token(&s);
	}
	out = text_close(&t);
	if (!s.end)
		die_at(q->q.file, q->q.line, "query \"%s\" has no statement", q->q.name);
	out[s.end] = 0;
	if (q->q.kind != QUERY_LIST)
		return out;
	limit = param_number(q, "limit");
	offset = param_number(q, "offset");
	/* A query that knows how many there are is not made to read them all. */
	return xprintf("SELECT *%s FROM (\n%s\n) AS page\nLIMIT $%d::bigint OFFSET $%d::bigint",
	    strstr(out, " AS _total") ? "" : ", count(*) OVER () AS _total", out, limit, offset);
}

/* "-- name: block_insert :one" */
static struct query_source *
parse_head(const char *line, int n, const char *file, int number)
{
	static const char *const kinds[] = {[QUERY_ONE] = ":one",
	    [QUERY_MANY] = ":many",
	    [QUERY_LIST] = ":list",
	    [QUERY_EXEC] = ":exec",
	    [QUERY_BINARY] = ":binary"};
	struct query_source *q = xalloc(sizeof(*q));
	char *head = xprintf("%.*s", n, line), *name = NULL, *kind = NULL, *rest = NULL;

	strtok(head, " \t\r");
	strtok(NULL, " \t\r");
	name = strtok(NULL, " \t\r");
	kind = strtok(NULL, " \t\r");
	rest = strtok(NULL, " \t\r");
	if (!name || !kind || rest)
		die_at(file, number, "expected \"-- name: NAME :one|:many|:list|:exec|:binary\"");
	if (!is_identifier(name))
		die_at(file, number, "query name \"%s\" is no C identifier", name);
	q->q.name = name;
	q->q.file = file;
	q->q.line = number;
	for (int i = 0; i < COUNT(kinds); i++)
		if (!strcmp(kind, kinds[i])) {
			q->q.kind = i;
			return q;
		}
	die_at(file, number, "unknown kind \"%s\" of query \"%s\"", kind, name);
}

static bool
is_head(const char *line)
{
	return !strncmp(line, "-- name:", 8);
}

/* Comment lines right below the head describe the query. */
static const char *
parse_about(const char *p, int *line, const char **about)
{
	struct text t;

	text_open(&t);
	while (!strncmp(p, "--", 2) && !is_head(p)) {
		int n = (int)strcspn(p, "\n"), skip = 2 + (p[2] == ' ');

		fprintf(t.f, "%s%.*s", ftell(t.f) ? "\n" : "", n > skip ? n - skip : 0, p + skip);
		p += n + (p[n] == '\n');
		++*line;
	}
	*about = text_close(&t);
	return p;
}

static const char *
parse_block(struct queries *qs, const char *p, int *line, const char *file, bool core)
{
	int n = (int)strcspn(p, "\n"), first;
	struct query_source *q = parse_head(p, n, file, *line), *other;
	const char *end;

	if ((other = queries_find(qs, q->q.name)))
		die_at(file, *line, "query \"%s\" is taken in %s:%d", q->q.name, other->q.file,
		    other->q.line);
	p += n + (p[n] == '\n');
	first = ++*line;
	p = parse_about(p, &first, &q->about);
	*line = first;
	for (end = p; *end && !is_head(end); ++*line) {
		end += strcspn(end, "\n");
		end += *end == '\n';
	}
	q->core = core;
	q->q.slot = qs->n;
	q->q.sql = rewrite(q, xprintf("%.*s", (int)(end - p), p), first);
	q->q.params = q->params;
	PUSH(qs->list, qs->n, q);
	return end;
}

void
queries_load(struct queries *qs, const char *file, bool core)
{
	const char *p = file_read(file);
	int line = 1;

	while (*p) {
		if (is_head(p)) {
			p = parse_block(qs, p, &line, file, core);
			continue;
		}
		if (strncmp(p, "--", 2) && p[strspn(p, " \t\r")] != '\n' && p[strspn(p, " \t\r")])
			die_at(file, line, "text before the first \"-- name:\"");
		p += strcspn(p, "\n");
		p += *p == '\n';
		line++;
	}
}
