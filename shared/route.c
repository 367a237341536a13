/* route: see route.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "route.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "req.h"

static pcre2_code *code;
static pcre2_match_data *match;

void
route_compile(const struct family *f)
{
	PCRE2_SIZE where;
	int error;

	code = pcre2_compile((PCRE2_SPTR)f->regex, PCRE2_ZERO_TERMINATED, PCRE2_DOLLAR_ENDONLY,
	    &error, &where, NULL);
	if (!code) {
		fprintf(stderr, "%s: route expression broken at %zu\n", f->name, (size_t)where);
		exit(1);
	}
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it matching is slower, not wrong */
	match = pcre2_match_data_create_from_pattern(code, NULL);
}

static int
method_not_allowed(struct req *r, const struct route *route)
{
	struct buf allow = buf_new(r->arena);

	for (int i = 0; i < route->n_ops; i++)
		buf_printf(&allow, "%s%s", i ? ", " : "", route->ops[i]->method);
	resp_header(r, "Allow", "%s", allow.p);
	return ERR_METHOD;
}

int
route_find(struct req *r, const struct route **route, const char **captures)
{
	const char *method = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;
	const struct route *found;
	PCRE2_SIZE *ends;
	PCRE2_SPTR mark;

	if (pcre2_match(code, (PCRE2_SPTR)r->path, strlen(r->path), 0, 0, match, NULL) < 0 ||
	    !(mark = pcre2_get_mark(match)))
		return ERR_NOT_FOUND;
	*route = found = &r->family->routes[atoi((const char *)mark)];
	ends = pcre2_get_ovector_pointer(match);
	for (int i = 0; i < found->n_params && i < ROUTE_CAPTURES; i++)
		captures[i] = arena_memdup(
		    r->arena, r->path + ends[2 * i + 2], ends[2 * i + 3] - ends[2 * i + 2]);
	for (int i = 0; i < found->n_ops; i++) {
		if (strcmp(found->ops[i]->method, method) == 0) {
			r->op = found->ops[i];
			return 0;
		}
	}
	return method_not_allowed(r, found);
}
