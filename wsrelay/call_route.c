/* call_route: see call_route.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "call_route.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dialect.h"
#include "map.h"

struct table {
	const char *surface;
	const struct call_route *routes;
	int n;
	pcre2_code **code;
};

static struct table tables[DIALECTS];
static int n_tables;
static pcre2_match_data *match;

void
call_routes_add(const char *surface, const struct call_route *routes, int n)
{
	if (n_tables == DIALECTS)
		abort();
	tables[n_tables++] = (struct table){.surface = surface, .routes = routes, .n = n};
}

static pcre2_code *
compile(const struct call_route *r)
{
	PCRE2_SIZE where;
	int error;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)r->regex, PCRE2_ZERO_TERMINATED,
	    PCRE2_DOLLAR_ENDONLY, &error, &where, NULL);

	if (!code) {
		fprintf(stderr, "rk-wsrelay: routes of %s broken at %zu\n", r->app, (size_t)where);
		exit(1);
	}
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it matching is slower, not wrong */
	return code;
}

void
call_routes_compile(void)
{
	for (int i = 0; i < n_tables; i++) {
		struct table *t = &tables[i];

		t->code = must_alloc((size_t)t->n * sizeof(*t->code));
		for (int k = 0; k < t->n; k++)
			t->code[k] = compile(&t->routes[k]);
	}
	match = pcre2_match_data_create(1, NULL);
}

static const char *
find_in(const struct table *t, const char *path)
{
	for (int k = 0; k < t->n; k++)
		if (pcre2_match(t->code[k], (PCRE2_SPTR)path, strlen(path), 0, 0, match, NULL) >= 0)
			return t->routes[k].app;
	return NULL;
}

const char *
call_route_find(const char *surface, const char *path)
{
	for (int i = 0; i < n_tables; i++)
		if (!strcmp(tables[i].surface, surface))
			return find_in(&tables[i], path);
	return NULL;
}
