/*
 * util: memory, messages, names and files of apigen.
 *
 * Ownership: nothing is freed, see apigen.h.
 *
 *	char *name = c_name("X-Device-Id");     // X_Device_Id
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include "apigen.h"

/* In builds with AddressSanitizer: nothing is freed on purpose. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

void
die(const char *fmt, ...)
{
	va_list ap;

	fputs("apigen: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void
die_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void *
xalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		die("out of memory");
	return p;
}

/* Room for one more: the capacity is the next power of two above n. */
void *
list_grow(void *list, int n, size_t size)
{
	if (n & (n - 1))
		return list;
	list = realloc(list, (n ? 2 * (size_t)n : 1) * size);
	if (!list)
		die("out of memory");
	return list;
}

char *
xprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	return s;
}

char *
file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	struct text t;
	int c;

	if (!f)
		die("%s: %s", path, strerror(errno));
	text_open(&t);
	while ((c = getc(f)) != EOF) {
		if (!c)
			die("%s: has a NUL byte", path);
		putc(c, t.f);
	}
	if (ferror(f))
		die("%s: %s", path, strerror(errno));
	fclose(f);
	return text_close(&t);
}

/* Through a new name, so that an interrupted build never leaves half a file. */
void
file_write(const char *path, const char *text)
{
	char *tmp = xprintf("%s.new", path);
	FILE *f = fopen(tmp, "w");

	if (!f)
		die("%s: %s", tmp, strerror(errno));
	fputs(text, f);
	if (ferror(f) | fclose(f) || rename(tmp, path))
		die("%s: %s", path, strerror(errno));
}

static bool
is_keyword(const char *name)
{
	static const char *const words[] = {"auto", "break", "case", "char", "const", "continue",
	    "default", "do", "double", "else", "enum", "extern", "float", "for", "goto", "if",
	    "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof",
	    "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile",
	    "while", "asm", "typeof", "bool", "true", "false", "unix", "linux", "errno", "stdin",
	    "stdout", "stderr"};

	for (int i = 0; i < COUNT(words); i++)
		if (!strcmp(name, words[i]))
			return true;
	return false;
}

bool
is_identifier(const char *name)
{
	if (!isalpha((unsigned char)*name) && *name != '_')
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return false;
	return !is_keyword(name);
}

char *
sql_name(const char *name)
{
	char *out = xprintf("%s%s", isdigit((unsigned char)*name) ? "_" : "", name);

	for (char *p = out; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			*p = '_';
	return out;
}

char *
c_name(const char *name)
{
	char *out = sql_name(name);

	return is_keyword(out) ? xprintf("%s_", out) : out;
}

void
put_c_string(FILE *out, const char *s)
{
	if (!s) {
		fputs("NULL", out);
		return;
	}
	putc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", out);
		else if (*s == '\t')
			fputs("\\t", out);
		else if (iscntrl((unsigned char)*s))
			fprintf(out, "\\%03o", (unsigned char)*s);
		else
			putc(*s, out);
	}
	putc('"', out);
}

void
text_open(struct text *t)
{
	memset(t, 0, sizeof(*t));
	if (!(t->f = open_memstream(&t->p, &t->n)))
		die("out of memory");
}

char *
text_close(struct text *t)
{
	if (fclose(t->f))
		die("out of memory");
	return t->p;
}
