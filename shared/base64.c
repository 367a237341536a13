/* RFC 4648: see base64.h. */
#include "base64.h"

#include <sodium.h>
#include <string.h>

static const char ALPHABETS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				"+/-_=";

static char *
encode(struct arena *a, const void *p, size_t n, int variant)
{
	size_t size = sodium_base64_ENCODED_LEN(n, variant);

	return sodium_bin2base64(arena_alloc(a, size), size, p, n, variant);
}

char *
base64_encode(struct arena *a, const void *p, size_t n)
{
	return encode(a, p, n, sodium_base64_VARIANT_ORIGINAL);
}

char *
base64_encode_url(struct arena *a, const void *p, size_t n)
{
	return encode(a, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool
base64_decode_into(void *out, size_t size, const char *text, size_t *n)
{
	size_t len = strlen(text);
	bool url = strpbrk(text, "-_") != NULL, padded = len && text[len - 1] == '=';
	int variant =
	    url ? padded ? sodium_base64_VARIANT_URLSAFE : sodium_base64_VARIANT_URLSAFE_NO_PADDING
	    : padded ? sodium_base64_VARIANT_ORIGINAL
		     : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;

	/* libsodium 1.0.18 takes some bytes above 0x7f for digits. */
	if (strspn(text, ALPHABETS) != len)
		return false;
	/* Without an end pointer it wants the whole text to be base64. */
	return sodium_base642bin(out, size, text, len, NULL, n, NULL, variant) == 0;
}

void *
base64_decode(struct arena *a, const char *text, size_t *n)
{
	size_t size = strlen(text) / 4 * 3 + 3;
	unsigned char *p = arena_alloc(a, size + 1);

	if (!base64_decode_into(p, size, text, n))
		return NULL;
	p[*n] = 0;
	return p;
}
