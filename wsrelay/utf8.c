/* utf8: see utf8.h. */
#include "utf8.h"

#include <string.h>

/* Length of the run of ASCII at the beginning, found eight bytes at a time. */
static size_t
ascii_run(const uint8_t *p, size_t n)
{
	size_t i = 0;
	uint64_t word;

	for (; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if (word & 0x8080808080808080u)
			break;
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

/* What may follow a first byte: RFC 3629, section 4. */
static bool
begin(struct utf8 *u, uint8_t c)
{
	u->lo = 0x80;
	u->hi = 0xbf;
	if (c >= 0xc2 && c <= 0xdf) {
		u->need = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		u->need = 2;
		if (c == 0xe0)
			u->lo = 0xa0; /* shorter forms exist */
		else if (c == 0xed)
			u->hi = 0x9f; /* surrogates */
	} else if (c >= 0xf0 && c <= 0xf4) {
		u->need = 3;
		if (c == 0xf0)
			u->lo = 0x90;
		else if (c == 0xf4)
			u->hi = 0x8f; /* above U+10FFFF */
	} else {
		return false;
	}
	return true;
}

bool
utf8_feed(struct utf8 *u, const void *bytes, size_t n)
{
	const uint8_t *p = bytes, *end = p + n;

	while (p < end) {
		if (u->need) {
			if (*p < u->lo || *p > u->hi)
				return false;
			u->need--;
			u->lo = 0x80;
			u->hi = 0xbf;
			p++;
			continue;
		}
		p += ascii_run(p, (size_t)(end - p));
		if (p < end && !begin(u, *p++))
			return false;
	}
	return true;
}

bool
utf8_valid(const void *p, size_t n)
{
	struct utf8 u = {0};

	return utf8_feed(&u, p, n) && utf8_whole(&u);
}
