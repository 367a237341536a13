/* json: see json.h. */
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

static struct arena *current;

static void *
take(size_t size)
{
	return current ? arena_alloc(current, size) : malloc(size);
}

static void
give(void *p)
{
	if (!current)
		free(p);
}

struct arena *
json_use(struct arena *a)
{
	struct arena *before = current;

	current = a;
	json_set_alloc_funcs(take, give);
	return before;
}

json_t *
json_read(struct arena *a, const char *text, size_t n, const char **why)
{
	json_error_t error;
	json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (!value)
		*why = arena_printf(a, "invalid JSON at byte %d: %s", error.position,
		    /* jansson quotes the offending text after "near": that is the client's own, and
		       long */
		    strncmp(error.text, "duplicate", 9) == 0 ? "duplicate member name"
							     : "syntax or encoding");
	return value;
}

static int
append(const char *text, size_t n, void *to)
{
	buf_put(to, text, n);
	return 0;
}

char *
json_text(struct arena *a, const json_t *value, size_t *n)
{
	struct buf b = buf_new(a);

	json_dump_callback(value, append, &b, JSON_COMPACT | JSON_ENCODE_ANY);
	if (n)
		*n = b.n;
	return b.p;
}

char *
json_quote(char *to, const char *text, size_t n)
{
	static const char shorts[32] = {
	    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	static const char hex[] = "0123456789abcdef";
	const char *end = text + n;

	*to++ = '"';
	while (text < end) {
		unsigned char c = (unsigned char)*text++;

		if (c >= 0x20 && c != '"' && c != '\\') {
			*to++ = (char)c;
			continue;
		}
		*to++ = '\\';
		if (c >= 0x20)
			*to++ = (char)c;
		else if (shorts[c])
			*to++ = shorts[c];
		else
			to += sprintf(to, "u00%c%c", hex[c >> 4], hex[c & 15]);
	}
	*to++ = '"';
	return to;
}

json_t *
json_strings(const char *name, ...)
{
	json_t *o = json_object();
	va_list ap;

	va_start(ap, name);
	for (; name; name = va_arg(ap, const char *)) {
		const char *value = va_arg(ap, const char *);

		json_object_set_new(o, name, value ? json_string(value) : json_null());
	}
	va_end(ap);
	return o;
}
