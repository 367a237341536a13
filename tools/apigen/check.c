/*
 * check: what holds between contract, queries and C sources.
 *
 * C sources are read as text without comments and strings; that is enough to see whether a name is
 * defined or used, and needs no compiler.
 */
#include <ctype.h>
#include "apigen.h"

static const struct input *
input_bound(const struct operation *o, const char *param)
{
	for (int i = 0; i < o->op.n_inputs; i++)
		if (!strcmp(o->inputs[i].bind, param))
			return &o->inputs[i];
	return NULL;
}

static void
check_params(const struct operation *o, const struct query_source *q)
{
	for (int i = 0; i < q->q.n_params; i++) {
		const char *p = q->params[i];

		if (input_bound(o, p))
			continue;
		if (!query_builtin(p))
			die_node(o->x_query_node,
			    "parameter :%s of query \"%s\" (%s:%d) is no input of %s", p, q->q.name,
			    q->q.file, q->q.line, o->op.id);
		if (o->op.auth != AUTH_BEARER && o->op.auth != AUTH_OPTIONAL &&
		    (!strcmp(p, "me") || !strcmp(p, "device") || !strcmp(p, "session")))
			die_node(o->x_query_node,
			    "query \"%s\" (%s:%d) uses :%s, but %s takes no access token",
			    q->q.name, q->q.file, q->q.line, p, o->op.id);
	}
}

static void
check_list(const struct operation *o, const struct query_source *q)
{
	bool many = q->q.kind == QUERY_LIST || q->q.kind == QUERY_MANY;

	if (q->q.kind == QUERY_LIST && !o->op.list_field)
		die_node(o->x_query_node, "query \"%s\" is a :list, so %s needs x-list", q->q.name,
		    o->op.id);
	if (q->q.kind == QUERY_MANY && o->op.total_field)
		die_node(o->x_query_node,
		    "x-list: a total needs a :list query, \"%s\" (%s:%d) is :many", q->q.name,
		    q->q.file, q->q.line);
	if (!many && o->op.list_field)
		die_node(o->x_query_node,
		    "x-list needs a :list or :many query, \"%s\" (%s:%d) is none", q->q.name,
		    q->q.file, q->q.line);
}

void
check_bindings(struct contract *c, struct queries *qs)
{
	for (int i = 0; i < c->n_ops; i++) {
		struct operation *o = &c->ops[i];
		struct query_source *q;

		if (!o->x_query)
			continue;
		if (!(q = queries_find(qs, o->x_query)))
			die_node(o->x_query_node, "there is no query \"%s\"", o->x_query);
		check_params(o, q);
		check_list(o, q);
		if (q->q.kind == QUERY_BINARY)
			die_node(o->x_query_node,
			    "query \"%s\" (%s:%d) is :binary, which is for handlers alone",
			    q->q.name, q->q.file, q->q.line);
		q->used = true;
		o->query = q;
	}
}

/* ---- C sources ----------------------------------------------------------------------------- */

static char *
blank(char *p, const char *end)
{
	while (p < end) {
		if (*p != '\n')
			*p = ' ';
		p++;
	}
	return p;
}

/* The file with comments, strings and characters blanked. */
static char *
source_read(const char *file)
{
	char *text = file_read(file), *p = text;

	while (*p) {
		char *end;

		if (p[0] == '/' && p[1] == '*') {
			end = strstr(p + 2, "*/");
			p = blank(p, end ? end + 2 : p + strlen(p));
		} else if (p[0] == '/' && p[1] == '/') {
			p = blank(p, p + strcspn(p, "\n"));
		} else if (*p == '"' || *p == '\'') {
			for (end = p + 1; *end && *end != *p && *end != '\n'; end++)
				if (*end == '\\' && end[1])
					end++;
			p = blank(p, *end ? end + 1 : end);
		} else {
			p++;
		}
	}
	return text;
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Next place after from where name stands as a word of its own. */
static const char *
find_word(const char *text, const char *from, const char *name)
{
	const char *at = from;

	while ((at = strstr(at, name))) {
		if ((at == text || !is_word(at[-1])) && !is_word(at[strlen(name)]))
			return at;
		at++;
	}
	return NULL;
}

/* NAME ( … ) { */
static bool
defines(const char *text, const char *name)
{
	for (const char *at = text; (at = find_word(text, at, name)); at++) {
		const char *p = at + strlen(name);
		int depth = 0;

		p += strspn(p, " \t\n");
		if (*p != '(')
			continue;
		do {
			depth += (*p == '(') - (*p == ')');
			p++;
		} while (*p && depth);
		p += strspn(p, " \t\n");
		if (*p == '{')
			return true;
	}
	return false;
}

static void
mark_used(struct queries *qs, const char *text)
{
	for (int i = 0; i < qs->n; i++) {
		struct query_source *q = qs->list[i];

		if (!q->used)
			q->used = find_word(text, text, xprintf("sql_%s", q->q.name)) ||
				  find_word(text, text, xprintf("query_%s", q->q.name));
	}
}

static void
check_used(const struct queries *qs, bool core)
{
	for (int i = 0; i < qs->n; i++) {
		const struct query_source *q = qs->list[i];

		if (q->core == core && !q->used)
			die_at(q->q.file, q->q.line,
			    "query \"%s\" is used by no operation and no C source", q->q.name);
	}
}

void
check_sources(const struct contract *c, struct queries *qs, const char *const *files, int n)
{
	char **texts = xalloc((size_t)n * sizeof(*texts));

	for (int i = 0; i < n; i++) {
		texts[i] = source_read(files[i]);
		mark_used(qs, texts[i]);
	}
	check_used(qs, false);
	for (int i = 0; n && i < c->n_ops; i++) {
		const struct op *op = &c->ops[i].op;
		const char *name = op->batch ? xprintf("%s_batch", op->id) : op->id;
		int k = 0;

		if (c->ops[i].query)
			continue;
		while (k < n && !defines(texts[k], name))
			k++;
		if (k == n)
			die_at(op->file, op->line,
			    "operation %s has no x-query, and %s() is not defined in %s", op->id,
			    name, files[0]);
	}
}

/* Contracts use queries by x-query.  They are read as text, because another family's fault is not
 * the core's. */
static void
mark_used_by(struct queries *qs, const char *contract)
{
	static const char word[] = "x-query:";

	for (const char *p = contract; (p = strstr(p, word));) {
		int n;

		p += strlen(word);
		p += strspn(p, " '\"");
		n = (int)strspn(
		    p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
		for (int i = 0; i < qs->n; i++)
			if ((int)strlen(qs->list[i]->q.name) == n &&
			    !strncmp(qs->list[i]->q.name, p, (size_t)n))
				qs->list[i]->used = true;
	}
}

static void
mark_used_in(struct queries *qs, const char *file)
{
	size_t n = strlen(file);

	if (n > 5 && !strcmp(file + n - 5, ".yaml"))
		mark_used_by(qs, file_read(file));
	else
		mark_used(qs, source_read(file));
}

void
check_core_used(struct queries *qs, const char *const *files, int n)
{
	for (int i = 0; i < n; i++)
		mark_used_in(qs, files[i]);
	check_used(qs, true);
	check_used(qs, false);
}
