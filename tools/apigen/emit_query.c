/*
 * emit_query: queries as const tables and functions.
 *
 * A function takes the query's parameters in order of their first appearance; what the request
 * knows (me, device, session, surface, newid) is filled in.
 */
#include "apigen.h"

static const struct {
	const char *name, *value;
} builtins[] = {{"me", "r->me"}, {"device", "r->device"}, {"session", "r->session"},
    {"surface", "r->family->surface"}, {"newid", "req_newid(r)"},
    {"limit", "db_int_text(r, limit)"}, {"offset", "db_int_text(r, offset)"}};

static const char *
builtin_value(const char *param)
{
	for (int i = 0; i < COUNT(builtins); i++)
		if (!strcmp(param, builtins[i].name))
			return builtins[i].value;
	return NULL;
}

/* Name of the C argument, kept apart from the function's own names. */
static const char *
argument(const char *param)
{
	static const char *const own[] = {"r", "out", "params", "res"};

	for (int i = 0; i < COUNT(own); i++)
		if (!strcmp(param, own[i]))
			return xprintf("%s_", param);
	return c_name(param);
}

static bool
has_param(const struct query_source *q, const char *name)
{
	for (int i = 0; i < q->q.n_params; i++)
		if (!strcmp(q->params[i], name))
			return true;
	return false;
}

static void
put_signature(FILE *out, const struct query_source *q)
{
	fprintf(out, "sql_%s(struct req *r", q->q.name);
	if (q->q.kind != QUERY_EXEC)
		fputs(", struct db_res **out", out);
	for (int i = 0; i < q->q.n_params; i++)
		if (!builtin_value(q->params[i]))
			fprintf(out, ", const char *%s", argument(q->params[i]));
	if (has_param(q, "limit"))
		fputs(", int64_t limit", out);
	if (has_param(q, "offset"))
		fputs(", int64_t offset", out);
	putc(')', out);
}

static void
put_comment(FILE *out, const char *about)
{
	if (!*about)
		return;
	fputs("/* ", out);
	for (const char *p = about; *p; p++) {
		putc(*p, out);
		if (*p == '\n')
			fputs(" * ", out);
		if (p[0] == '*' && p[1] == '/')
			putc(' ', out);
	}
	fputs(" */\n", out);
}

void
put_query_header(FILE *out, const struct query_source *q)
{
	put_comment(out, q->about);
	fprintf(out, "extern const struct query query_%s;\nint ", q->q.name);
	put_signature(out, q);
	fputs(";\n\n", out);
}

static void
put_table(FILE *out, const struct query_source *q)
{
	static const char *const kinds[] = {[QUERY_ONE] = "QUERY_ONE",
	    [QUERY_MANY] = "QUERY_MANY",
	    [QUERY_LIST] = "QUERY_LIST",
	    [QUERY_EXEC] = "QUERY_EXEC",
	    [QUERY_BINARY] = "QUERY_BINARY"};

	fprintf(out, "const struct query query_%s = {\n\t.name = \"%s\",\n\t.sql =", q->q.name,
	    q->q.name);
	for (const char *p = q->q.sql; *p;) {
		int n = (int)strcspn(p, "\n");

		n += p[n] == '\n';
		fputs("\n\t    ", out);
		put_c_string(out, xprintf("%.*s", n, p));
		p += n;
	}
	fputs(",\n", out);
	if (q->q.n_params) {
		fputs("\t.params = (const char *const[]){", out);
		for (int i = 0; i < q->q.n_params; i++)
			fprintf(out, "%s\"%s\"", i ? ", " : "", q->params[i]);
		fprintf(out, "},\n\t.n_params = %d,\n", q->q.n_params);
	}
	fprintf(out, "\t.kind = %s,\n\t.slot = %d,\n\t.file = ", kinds[q->q.kind], q->q.slot);
	put_c_string(out, q->q.file);
	fprintf(out, ",\n\t.line = %d,\n};\n\n", q->q.line);
}

void
put_query(FILE *out, const struct query_source *q)
{
	const char *result = q->q.kind == QUERY_EXEC ? "&res" : "out";

	put_table(out, q);
	fputs("int\n", out);
	put_signature(out, q);
	fputs("\n{\n", out);
	if (q->q.kind == QUERY_EXEC)
		fputs("\tstruct db_res *res;\n", out);
	if (q->q.n_params) {
		fputs("\tconst char *const params[] = {", out);
		for (int i = 0; i < q->q.n_params; i++) {
			const char *value = builtin_value(q->params[i]);

			fprintf(out, "%s%s", i ? ", " : "", value ? value : argument(q->params[i]));
		}
		fputs("};\n", out);
	}
	fprintf(out, "\n\treturn db_query(r, &query_%s, %s, %s);\n}\n\n", q->q.name,
	    q->q.n_params ? "params" : "NULL", result);
}
