/*
 * main: the command line of apigen.
 */
#include "apigen.h"

static const char usage[] =
    "usage: apigen family SURFACE NAME --yaml FILE [--sql FILE]... [--core-sql FILE]...\n"
    "              [--core-h NAME] [--c FILE]... --out-c FILE --out-h FILE\n"
    "       apigen core [--name NAME] --sql FILE... [--core-sql FILE]... [--used-in FILE...]\n"
    "              --out-c FILE --out-h FILE\n"
    "       apigen openapi SURFACE --title TEXT --base PATH [--version TEXT] --out FILE YAML...\n"
    "       apigen routes SURFACE --server lighttpd|apache|relay --out FILE YAML...\n"
    "       apigen queries --sql FILE...\n";

struct files {
	const char **list;
	int n;
};

struct options {
	struct files words, yaml, sql, core_sql, c, used_in;
	const char *name, *core_h, *title, *base, *version, *server, *out, *out_c, *out_h;
};

static _Noreturn void
usage_die(const char *what, const char *word)
{
	fprintf(stderr, "apigen: %s%s%s\n%s", what, word ? " " : "", word ? word : "", usage);
	exit(2);
}

/* Lists take every word up to the next option; single values take one. */
static struct options
parse(int argc, char **argv)
{
	struct options o = {.name = "core", .core_h = "core_sql.h", .version = "1.0.0"};
	struct {
		const char *word;
		const char **value;
		struct files *files;
	} table[] = {{"--yaml", NULL, &o.yaml}, {"--sql", NULL, &o.sql},
	    {"--core-sql", NULL, &o.core_sql}, {"--c", NULL, &o.c}, {"--used-in", NULL, &o.used_in},
	    {"--name", &o.name, NULL}, {"--core-h", &o.core_h, NULL}, {"--title", &o.title, NULL},
	    {"--base", &o.base, NULL}, {"--version", &o.version, NULL},
	    {"--server", &o.server, NULL}, {"--out", &o.out, NULL}, {"--out-c", &o.out_c, NULL},
	    {"--out-h", &o.out_h, NULL}};
	struct files *into = &o.words;

	for (int i = 2; i < argc; i++) {
		int k = 0;

		if (strncmp(argv[i], "--", 2)) {
			PUSH(into->list, into->n, argv[i]);
			continue;
		}
		while (k < COUNT(table) && strcmp(argv[i], table[k].word))
			k++;
		if (k == COUNT(table))
			usage_die("unknown option", argv[i]);
		if (i + 1 == argc || !strncmp(argv[i + 1], "--", 2))
			usage_die("no value for", argv[i]);
		into = table[k].files ? table[k].files : &o.words;
		if (table[k].value)
			*table[k].value = argv[++i];
	}
	return o;
}

static const char *
need(const char *value, const char *option)
{
	if (!value)
		usage_die("missing", option);
	return value;
}

static struct queries *
load_queries(const struct options *o)
{
	struct queries *qs = queries_new();

	for (int i = 0; i < o->core_sql.n; i++)
		queries_load(qs, o->core_sql.list[i], true);
	for (int i = 0; i < o->sql.n; i++)
		queries_load(qs, o->sql.list[i], false);
	return qs;
}

static struct contract *
load_of_surface(const char *file, const char *surface)
{
	struct contract *c = contract_load(file);

	if (strcmp(c->surface, surface))
		die_node(node_get(c->root, "surface"), "the surface is \"%s\", not \"%s\"", surface,
		    c->surface);
	return c;
}

static void
command_family(const struct options *o)
{
	struct contract *c;
	struct queries *qs;

	if (o->words.n != 2 || o->yaml.n != 1)
		usage_die("family takes a surface, a name and one --yaml", NULL);
	need(o->out_c, "--out-c");
	need(o->out_h, "--out-h");
	c = load_of_surface(o->yaml.list[0], o->words.list[0]);
	if (strcmp(c->family, o->words.list[1]))
		die_node(node_get(c->root, "family"), "the family is \"%s\", not \"%s\"",
		    o->words.list[1], c->family);
	qs = load_queries(o);
	check_bindings(c, qs);
	check_sources(c, qs, o->c.list, o->c.n);
	emit_family(c, qs, o->core_sql.n ? o->core_h : NULL, o->out_c, o->out_h);
}

static void
command_core(const struct options *o)
{
	struct queries *qs;

	if (o->words.n || !o->sql.n)
		usage_die("core takes --sql files", NULL);
	need(o->out_c, "--out-c");
	need(o->out_h, "--out-h");
	qs = load_queries(o);
	if (o->used_in.n)
		check_core_used(qs, o->used_in.list, o->used_in.n);
	emit_core(qs, o->name, o->out_c, o->out_h);
}

static struct contract **
load_all(const struct options *o)
{
	struct contract **list = NULL;
	int n = 0;

	if (o->words.n < 2)
		usage_die("a surface and contract files are needed", NULL);
	for (int i = 1; i < o->words.n; i++) {
		struct contract *c = load_of_surface(o->words.list[i], o->words.list[0]);

		for (int k = 0; k < n; k++)
			if (!strcmp(list[k]->family, c->family))
				die_node(node_get(c->root, "family"), "family \"%s\" is also in %s",
				    c->family, list[k]->file);
		PUSH(list, n, c);
	}
	return list;
}

static void
command_openapi(const struct options *o)
{
	emit_openapi(load_all(o), o->words.n - 1, need(o->title, "--title"),
	    need(o->base, "--base"), o->version, need(o->out, "--out"));
}

static void
command_routes(const struct options *o)
{
	const char *server = need(o->server, "--server");

	if (!strcmp(server, "relay")) {
		emit_relay_routes(load_all(o), o->words.n - 1, need(o->out, "--out"));
		return;
	}
	if (strcmp(server, "lighttpd") && strcmp(server, "apache"))
		usage_die("unknown server", server);
	emit_routes(load_all(o), o->words.n - 1, !strcmp(server, "apache"), need(o->out, "--out"));
}

static void
command_queries(const struct options *o)
{
	if (o->words.n || !o->sql.n)
		usage_die("queries takes --sql files", NULL);
	list_queries(o->sql.list, o->sql.n);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(const struct options *o);
	} commands[] = {{"family", command_family}, {"core", command_core},
	    {"openapi", command_openapi}, {"routes", command_routes}, {"queries", command_queries}};
	struct options o;

	if (argc < 2)
		usage_die("a command is needed", NULL);
	o = parse(argc, argv);
	for (int i = 0; i < COUNT(commands); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			commands[i].run(&o);
			return 0;
		}
	usage_die("unknown command", argv[1]);
}
