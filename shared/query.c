/* query: see query.h. */
#include "query.h"

#include <string.h>

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *
query_decode(struct arena *a, const char *s, size_t n, bool plus)
{
	char *out = arena_alloc(a, n + 1), *p = out;

	for (size_t i = 0; i < n; i++) {
		int high, low;

		if (s[i] != '%') {
			*p++ = plus && s[i] == '+' ? ' ' : s[i];
			continue;
		}
		high = n - i > 2 ? hex(s[i + 1]) : -1;
		low = high < 0 ? -1 : hex(s[i + 2]);
		if (low < 0 || high + low == 0)
			return NULL;
		*p++ = (char)(high * 16 + low);
		i += 2;
	}
	*p = '\0';
	return out;
}

const char *
query_get(struct arena *a, const char *query, const char *name, bool *bad)
{
	size_t name_len = strlen(name);

	for (const char *p = query; p && *p; p += strspn(p, "&")) {
		size_t n = strcspn(p, "&"), key = strcspn(p, "=&");

		if (key == name_len && strncmp(p, name, key) == 0) {
			const char *value =
			    key < n ? query_decode(a, p + key + 1, n - key - 1, true) : "";

			*bad = !value;
			return value;
		}
		p += n;
	}
	return NULL;
}
