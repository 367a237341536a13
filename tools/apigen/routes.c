/*
 * routes: which paths belong to which family's socket, as configuration of a web server, and as a
 * table of C for the relay, which calls operations for its clients.
 *
 * The families' expressions exclude each other: where another family has the more literal of two
 * overlapping paths, a look-ahead takes that path out.  So order is only a matter of speed, and
 * families with batches come first.  What no other family has goes to the surface's x-catch-all.
 *
 * lighttpd matches the decoded path, in which an encoded slash is a slash like any other; Apache
 * with "AllowEncodedSlashes NoDecode" leaves %2F, which therefore no family's expression admits.
 */
#include "apigen.h"

static void
put_exclusions(
    FILE *f, struct contract **list, int n, const struct contract *c, const struct path *p)
{
	char *mine = xprintf("%s%s", c->base, p->template);

	for (int i = 0; i < n; i++) {
		if (list[i] == c)
			continue;
		for (int k = 0; k < list[i]->n_paths; k++) {
			const struct path *o = &list[i]->paths[k];
			char *other = xprintf("%s%s", list[i]->base, o->template);

			if (!paths_overlap(mine, other))
				continue;
			if (!path_compare(mine, other))
				die_node(p->node,
				    "\"%s\" is in family %s too (%s:%d): give it one home",
				    p->template, list[i]->family, o->node->file, o->node->line);
			if (path_compare(other, mine) > 0)
				continue;
			fputs("(?!", f);
			put_path_regex(f, list[i]->base, o->template, false);
			fputs("$)", f);
		}
	}
}

static char *
web_regex(struct contract **list, int n, const struct contract *c, bool apache)
{
	struct text t;

	text_open(&t);
	fprintf(t.f, "^%s(?:", apache ? "(?!.*%2[Ff])" : "");
	for (int i = 0; i < c->n_paths; i++) {
		if (i)
			putc('|', t.f);
		put_exclusions(t.f, list, n, c, &c->paths[i]);
		put_path_regex(t.f, c->base, c->paths[i].template, false);
	}
	fputs(")$", t.f);
	return text_close(&t);
}

/* Families with batches first, then the rest in the given order. */
static struct contract **
ordered(struct contract **list, int n)
{
	struct contract **out = NULL;
	int m = 0;

	for (int batch = 1; batch >= 0; batch--)
		for (int i = 0; i < n; i++) {
			int has = 0;

			for (int k = 0; k < list[i]->n_ops; k++)
				has |= list[i]->ops[k].op.batch;
			if (has == batch)
				PUSH(out, m, list[i]);
		}
	return out;
}

static const struct contract *
catch_all(struct contract **list, int n)
{
	const struct contract *found = NULL;

	for (int i = 0; i < n; i++) {
		if (!list[i]->catch_all)
			continue;
		if (found)
			die_node(node_get(list[i]->root, "x-catch-all"),
			    "family %s is the catch-all already", found->family);
		found = list[i];
	}
	return found;
}

static void
put_lighttpd(FILE *f, const struct contract *c, const char *condition)
{
	fprintf(f,
	    "%s {\n\tfastcgi.server = (\"/\" => ((\n"
	    "\t\t\"socket\" => var.run + \"/fcgi/%s-%s.sock\",\n"
	    "\t\t\"check-local\" => \"disable\")))\n}",
	    condition, c->surface, c->family);
}

static void
put_apache(FILE *f, const struct contract *c, const char *regex)
{
	fprintf(f,
	    "ProxyPassMatch \"%s\" \"unix:${ROOKERY_RUN}/fcgi/%s-%s.sock|fcgi://%s-%s\" "
	    "enablereuse=off\n",
	    regex, c->surface, c->family, c->surface, c->family);
}

static void
put_relay(FILE *f, const struct contract *c, const char *regex)
{
	fprintf(f, "\t{\"%s-%s\", ", c->surface, c->family);
	put_c_string(f, regex);
	fputs("},\n", f);
}

void
emit_relay_routes(struct contract **list, int n, const char *out)
{
	struct contract **order = ordered(list, n);
	const struct contract *rest = catch_all(list, n);
	struct text t;

	text_open(&t);
	fputs("/* Made by apigen from the contracts; changes here are lost. */\n"
	      "#include \"wsrelay/call_route.h\"\n\n"
	      "static const struct call_route routes[] = {\n",
	    t.f);
	for (int i = 0; i < n; i++)
		if (order[i] != rest)
			put_relay(t.f, order[i], web_regex(list, n, order[i], true));
	if (rest)
		put_relay(t.f, rest, "^/");
	fprintf(t.f, "};\nCALL_ROUTES(\"%s\", routes)\n", list[0]->surface);
	file_write(out, text_close(&t));
}

void
emit_routes(struct contract **list, int n, bool apache, const char *out)
{
	struct contract **order = ordered(list, n);
	const struct contract *rest = catch_all(list, n);
	const char *otherwise = "";
	struct text t;

	text_open(&t);
	fputs("# Made by apigen from the contracts; changes here are lost.\n", t.f);
	for (int i = 0; i < n; i++) {
		char *regex = web_regex(list, n, order[i], apache);

		if (order[i] == rest)
			continue;
		if (apache)
			put_apache(t.f, order[i], regex);
		else
			put_lighttpd(
			    t.f, order[i], xprintf("%s$HTTP[\"url\"] =~ \"%s\"", otherwise, regex));
		otherwise = " else ";
	}
	if (rest && apache)
		put_apache(t.f, rest, "^/");
	else if (rest)
		put_lighttpd(t.f, rest, *otherwise ? " else" : "$HTTP[\"url\"] =~ \"^/\"");
	if (!apache)
		putc('\n', t.f);
	file_write(out, text_close(&t));
}
