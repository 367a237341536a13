/* piece: see piece.h. */
#include "piece.h"

#include <string.h>
#include <strings.h>

/* Digits at *s, which moves behind them. */
static bool
digits(const char **s, int64_t *n)
{
	const char *begin = *s;

	for (*n = 0; **s >= '0' && **s <= '9'; (*s)++) {
		if (*n > (INT64_MAX - 9) / 10)
			return false;
		*n = *n * 10 + (**s - '0');
	}
	return *s > begin;
}

static bool
skip(const char **s, char c)
{
	return **s == c && (*s)++;
}

bool
piece_parse(const char *s, struct piece *out)
{
	*out = (struct piece){.total = -1};
	if (strncasecmp(s, "bytes ", 6) != 0)
		return false;
	s += 6;
	s += strspn(s, " ");
	if (skip(&s, '*'))
		out->asks = true;
	else if (!digits(&s, &out->from) || !skip(&s, '-') || !digits(&s, &out->last) ||
		 out->last < out->from)
		return false;
	if (!skip(&s, '/') || (!skip(&s, '*') && !digits(&s, &out->total)))
		return false;
	return *s == '\0' && (out->total < 0 || out->last < out->total);
}
