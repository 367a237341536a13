/*
 * emit_family: the .c and .h of a family, and of the core's queries.
 */
#include <libgen.h>
#include "apigen.h"

static const char *
base_name(const char *path)
{
	return basename(xprintf("%s", path));
}

static char *
guard(const char *path)
{
	char *name = sql_name(base_name(path));

	for (char *p = name; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	return xprintf("GENERATED_%s", name);
}

static void
put_open(FILE *h, const char *out_h, const char *sources)
{
	fprintf(h,
	    "/* Made by apigen from %s; changes here are lost. */\n#ifndef %s\n#define %s\n\n",
	    sources, guard(out_h), guard(out_h));
	fputs("#include \"req.h\"\n#include \"db.h\"\n", h);
}

static void
put_handler_header(FILE *h, const struct operation *o)
{
	put_struct(h, o);
	fprintf(h, "/* %s %s */\n", o->op.method, o->op.path);
	if (o->op.batch)
		fprintf(h,
		    "void %s_batch(struct req **r, const struct %s_in *const *in, int n);\n\n",
		    o->op.id, o->op.id);
	else
		fprintf(
		    h, "int %s(struct req *r, const struct %s_in *in);\n\n", o->op.id, o->op.id);
}

static char *
family_header(
    const struct contract *c, const struct queries *qs, const char *core_header, const char *out_h)
{
	struct text t;

	text_open(&t);
	put_open(t.f, out_h, c->file);
	if (core_header)
		fprintf(t.f, "#include \"%s\"\n", core_header);
	putc('\n', t.f);
	fprintf(t.f, "extern const struct family family_%s;\n\n", sql_name(c->family));
	for (int i = 0; i < qs->n; i++)
		if (!qs->list[i]->core)
			put_query_header(t.f, qs->list[i]);
	for (int i = 0; i < c->n_ops; i++)
		if (!c->ops[i].query)
			put_handler_header(t.f, &c->ops[i]);
	fputs("#endif\n", t.f);
	return text_close(&t);
}

static void
put_routes(FILE *out, const struct contract *c)
{
	fputs("static const struct route routes[] = {\n", out);
	for (int i = 0; i < c->n_paths; i++) {
		const struct path *p = &c->paths[i];

		fprintf(out, "\t{ /* %s */\n", p->template);
		if (p->n_params) {
			fputs("\t\t.params = (const char *const[]){", out);
			for (int k = 0; k < p->n_params; k++) {
				fputs(k ? ", " : "", out);
				put_c_string(out, p->params[k]);
			}
			fprintf(out, "},\n\t\t.n_params = %d,\n", p->n_params);
		}
		fputs("\t\t.ops = (const struct op *const[]){", out);
		for (int k = 0; k < p->n_ops; k++)
			fprintf(out, "%s&ops[%d]", k ? ", " : "", p->ops[k]);
		fprintf(out, "},\n\t\t.n_ops = %d,\n\t},\n", p->n_ops);
	}
	fputs("};\n\n", out);
}

static void
put_query_list(FILE *out, const struct queries *qs, const char *declaration)
{
	fprintf(out, "%s = {\n", declaration);
	for (int i = 0; i < qs->n; i++)
		fprintf(out, "\t&query_%s,\n", qs->list[i]->q.name);
	if (!qs->n)
		fputs("\tNULL,\n", out);
	fputs("};\n\n", out);
}

static void
put_family(FILE *out, const struct contract *c, const struct queries *qs)
{
	put_query_list(out, qs, "static const struct query *const queries[]");
	fprintf(out, "const struct family family_%s = {\n\t.surface = ", sql_name(c->family));
	put_c_string(out, c->surface);
	fputs(",\n\t.name = ", out);
	put_c_string(out, c->family);
	fputs(",\n\t.base = ", out);
	put_c_string(out, c->base);
	fputs(",\n\t.regex = ", out);
	put_c_string(out, family_regex(c));
	fprintf(out,
	    ",\n\t.routes = routes,\n\t.n_routes = %d,\n\t.ops = ops,\n\t.n_ops = %d,\n"
	    "\t.queries = queries,\n\t.n_queries = %d,\n\t.catch_all = %s,\n};\n\n",
	    c->n_paths, c->n_ops, qs->n, c->catch_all ? "true" : "false");
	fprintf(out,
	    "int\nmain(int argc, char **argv)\n{\n\treturn app_main(argc, argv, &family_%s);\n}\n",
	    sql_name(c->family));
}

void
emit_family(const struct contract *c, const struct queries *qs, const char *core_header,
    const char *out_c, const char *out_h)
{
	struct text t;

	text_open(&t);
	fprintf(t.f, "/* Made by apigen from %s; changes here are lost. */\n#include <stddef.h>\n",
	    c->file);
	fprintf(t.f, "#include \"app.h\"\n#include \"%s\"\n\n", base_name(out_h));
	for (int i = 0; i < qs->n; i++)
		if (!qs->list[i]->core)
			put_query(t.f, qs->list[i]);
	put_operations(t.f, c);
	put_routes(t.f, c);
	put_family(t.f, c, qs);
	file_write(out_h, family_header(c, qs, core_header, out_h));
	file_write(out_c, text_close(&t));
}

/* Only the queries that were not declared as another file's core. */
void
emit_core(const struct queries *qs, const char *name, const char *out_c, const char *out_h)
{
	struct text c, h;
	char *id = sql_name(name);

	text_open(&c);
	text_open(&h);
	put_open(h.f, out_h, xprintf("the queries of %s", name));
	fprintf(h.f,
	    "\nextern const struct query *const queries_%s[];\nextern const int n_queries_%s;\n\n",
	    id, id);
	fprintf(c.f, "/* Made by apigen; changes here are lost. */\n#include \"%s\"\n\n",
	    base_name(out_h));
	for (int i = 0; i < qs->n; i++) {
		if (qs->list[i]->core) {
			fprintf(
			    h.f, "extern const struct query query_%s;\n\n", qs->list[i]->q.name);
			continue;
		}
		put_query_header(h.f, qs->list[i]);
		put_query(c.f, qs->list[i]);
	}
	put_query_list(c.f, qs, xprintf("const struct query *const queries_%s[]", id));
	fprintf(c.f, "const int n_queries_%s = %d;\n", id, qs->n);
	fputs("#endif\n", h.f);
	file_write(out_h, text_close(&h));
	file_write(out_c, text_close(&c));
}
