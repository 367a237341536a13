/* uid: see uid.h. */
#include "uid.h"

#include <endian.h>
#include <string.h>

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
is_dash(int i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

bool
uid_parse(const char *s, size_t n, struct uid *out)
{
	uint64_t word[2] = {0, 0};
	int digits = 0;

	if (n != UID_TEXT)
		return false;
	for (int i = 0; i < UID_TEXT; i++) {
		int v;

		if (is_dash(i)) {
			if (s[i] != '-')
				return false;
			continue;
		}
		if ((v = hex_value(s[i])) < 0)
			return false;
		word[digits >> 4] = word[digits >> 4] << 4 | (uint64_t)v;
		digits++;
	}
	*out = (struct uid){word[0], word[1]};
	return true;
}

void
uid_text(struct uid id, char out[UID_TEXT + 1])
{
	static const char hex[] = "0123456789abcdef";
	int digit = 0;

	for (int i = 0; i < UID_TEXT; i++) {
		uint64_t word = digit < 16 ? id.hi : id.lo;

		if (is_dash(i)) {
			out[i] = '-';
			continue;
		}
		out[i] = hex[word >> (60 - 4 * (digit & 15)) & 15];
		digit++;
	}
	out[UID_TEXT] = '\0';
}

struct uid
uid_from_bytes(const void *p)
{
	uint64_t word[2];

	memcpy(word, p, sizeof(word));
	return (struct uid){be64toh(word[0]), be64toh(word[1])};
}
