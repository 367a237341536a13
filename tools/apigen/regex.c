/*
 * regex: the order of paths and the expressions that match them.
 *
 * Of two shapes that one URL can have, the one with the earlier literal segment is meant:
 * /messages/search before /messages/{messageId}.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "apigen.h"

/* Length of the segment at s, which begins after a slash. */
static int
segment(const char *s)
{
	return (int)strcspn(s, "/");
}

bool
paths_overlap(const char *a, const char *b)
{
	while (*a && *b) {
		int n, m;

		n = segment(++a);
		m = segment(++b);
		if (*a != '{' && *b != '{' && (n != m || strncmp(a, b, (size_t)n)))
			return false;
		if (!n != !m)
			return false; /* a parameter is never empty */
		a += n;
		b += m;
	}
	return !*a && !*b;
}

/* Literal segments sort before parameters, then by text. */
int
path_compare(const char *a, const char *b)
{
	while (*a && *b) {
		int n, m, order;

		n = segment(++a);
		m = segment(++b);
		if (*a == '{' || *b == '{') {
			if (*a != *b)
				return *a == '{' ? 1 : -1;
		} else if ((order = strncmp(a, b, (size_t)(n < m ? n : m))) || (order = n - m)) {
			return order;
		}
		a += n;
		b += m;
	}
	return (*a != 0) - (*b != 0);
}

static int
by_shape(const void *a, const void *b)
{
	const struct path *x = a, *y = b;

	return path_compare(x->template, y->template);
}

void
paths_sort(struct contract *c)
{
	qsort(c->paths, (size_t)c->n_paths, sizeof(*c->paths), by_shape);
}

static void
put_literal(FILE *out, const char *s, int n)
{
	for (int i = 0; i < n; i++) {
		if (strchr("\\^$.[|()?*+{}", s[i]))
			putc('\\', out);
		putc(s[i], out);
	}
}

void
put_path_regex(FILE *out, const char *base, const char *template, bool captures)
{
	const char *s = template;

	put_literal(out, base, (int)strlen(base));
	while (*s) {
		int n = segment(++s);

		putc('/', out);
		if (*s == '{')
			fputs(captures ? "([^/]+)" : "[^/]+", out);
		else
			put_literal(out, s, n);
		s += n;
	}
}

char *
family_regex(const struct contract *c)
{
	struct text t;
	char *regex;
	PCRE2_SIZE at;
	int err;

	text_open(&t);
	putc('^', t.f);
	put_literal(t.f, c->base, (int)strlen(c->base));
	fputs("(?|", t.f);
	for (int i = 0; i < c->n_paths; i++) {
		if (i)
			putc('|', t.f);
		put_path_regex(t.f, "", c->paths[i].template, true);
		fprintf(t.f, "\\z(*MARK:%d)", i);
	}
	putc(')', t.f);
	regex = text_close(&t);
	if (!pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, 0, &err, &at, NULL))
		die_at(c->file, 1, "the paths' expression does not compile at %zu: %s", at, regex);
	return regex;
}
