/* uid: see uid.h. */
#include "uid.h"

#include <endian.h>
#include <string.h>

/* A digit's value plus one; 0 for what is none. */
static const uint8_t hex_value[256] = {['0'] = 1,
    ['1'] = 2,
    ['2'] = 3,
    ['3'] = 4,
    ['4'] = 5,
    ['5'] = 6,
    ['6'] = 7,
    ['7'] = 8,
    ['8'] = 9,
    ['9'] = 10,
    ['a'] = 11,
    ['b'] = 12,
    ['c'] = 13,
    ['d'] = 14,
    ['e'] = 15,
    ['f'] = 16,
    ['A'] = 11,
    ['B'] = 12,
    ['C'] = 13,
    ['D'] = 14,
    ['E'] = 15,
    ['F'] = 16};

static bool
is_dash(int i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

/* n digits from s on; false when one is none. */
static bool
read_digits(const char *s, int n, uint64_t *word)
{
	uint8_t good = 1;

	for (int i = 0; i < n; i++) {
		uint8_t v = hex_value[(uint8_t)s[i]];

		good &= v != 0;
		*word = *word << 4 | (uint8_t)(v - 1);
	}
	return good;
}

bool
uid_parse(const char *s, size_t n, struct uid *out)
{
	uint64_t hi = 0, lo = 0;

	if (n != UID_TEXT || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' ||
	    !read_digits(s, 8, &hi) || !read_digits(s + 9, 4, &hi) ||
	    !read_digits(s + 14, 4, &hi) || !read_digits(s + 19, 4, &lo) ||
	    !read_digits(s + 24, 12, &lo))
		return false;
	*out = (struct uid){hi, lo};
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
