/* id: see id.h. */
#include "id.h"

#include <pthread.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Random bytes from a stock, for each call of the kernel's generator costs more than the id itself. */
static unsigned char stock[512];
static size_t left;

/* A forked child draws its own. */
static void
forget_stock(void)
{
	left = 0;
}

static void
draw(unsigned char *out, size_t n)
{
	static bool watched;

	if (!watched) {
		pthread_atfork(NULL, NULL, forget_stock);
		watched = true;
	}
	if (left < n) {
		randombytes_buf(stock, sizeof stock);
		left = sizeof stock;
	}
	left -= n;
	memcpy(out, stock + left, n);
	memset(stock + left, 0, n);
}

void
id_new(char out[ID_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char b[16];
	struct timespec now;
	uint64_t ms;
	char *p = out;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	draw(b + 6, 10);
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(ms >> (40 - 8 * i));
	b[6] = (b[6] & 0x0f) | 0x70; /* version 7 */
	b[8] = (b[8] & 0x3f) | 0x80; /* variant of RFC 9562 */
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[b[i] >> 4];
		*p++ = hex[b[i] & 15];
	}
	*p = '\0';
}

bool
id_parse(const char *s, char out[ID_SIZE])
{
	if (!s || strlen(s) != 36)
		return false;
	for (int i = 0; i < 36; i++) {
		char c = s[i];

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (c != '-')
				return false;
		} else if (c >= 'A' && c <= 'F') {
			c = (char)(c - 'A' + 'a');
		} else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
			return false;
		}
		out[i] = c;
	}
	out[36] = '\0';
	return true;
}
