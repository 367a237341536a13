/* media: see media.h. */
#include "media.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "req.h"

const char *
media_type(struct req *r, const char *text)
{
	size_t n = strcspn(text, "; \t"), slashes = 0;
	char *s = arena_memdup(r->arena, text, n);

	for (size_t i = 0; i < n; i++) {
		s[i] = (char)tolower((unsigned char)s[i]);
		slashes += s[i] == '/';
		if (!isalnum((unsigned char)s[i]) && !strchr("/!#$%&'*+-.^_`|~", s[i]))
			return NULL;
	}
	return slashes == 1 && *s != '/' && s[n - 1] != '/' && n < 128 ? s : NULL;
}

bool
media_type_fits(const char *type, const char *kind)
{
	size_t n = strlen(kind);

	return strcmp(kind, "document") == 0 || (strncmp(type, kind, n) == 0 && type[n] == '/');
}

const char *
media_kind(const char *type)
{
	static const char *const kinds[] = {"image", "video", "audio"};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (media_type_fits(type, kinds[i]))
			return kinds[i];
	}
	return "document";
}
