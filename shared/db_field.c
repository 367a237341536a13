/* db_field: see db_field.h.  db_field() itself is in db.c, which alone sees libpq. */
#include "db_field.h"

#include <time.h>

enum { MICROSECONDS = 1000000, EPOCH_2000 = 946684800 }; /* of PostgreSQL, in seconds since 1970 */

int64_t
db_field_int(struct db_field f)
{
	uint64_t value = f.n && f.p[0] & 0x80 ? UINT64_MAX : 0;

	for (int i = 0; i < f.n; i++)
		value = value << 8 | (unsigned char)f.p[i];
	return (int64_t)value;
}

char *
db_field_uuid(char *to, struct db_field f)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < f.n; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = hex[(unsigned char)f.p[i] >> 4];
		*to++ = hex[f.p[i] & 15];
	}
	return to;
}

static char *
digits(char *to, int count, int value, char after)
{
	for (int i = count - 1; i >= 0; i--, value /= 10)
		to[i] = (char)('0' + value % 10);
	to[count] = after;
	return to + count + 1;
}

char *
db_field_time(char *to, struct db_field f)
{
	int64_t us = db_field_int(f), rest = us % MICROSECONDS;
	struct tm tm;
	time_t t;

	if (rest < 0)
		rest += MICROSECONDS;
	t = (us - rest) / MICROSECONDS + EPOCH_2000;
	gmtime_r(&t, &tm);
	to = digits(to, 4, tm.tm_year + 1900, '-');
	to = digits(to, 2, tm.tm_mon + 1, '-');
	to = digits(to, 2, tm.tm_mday, 'T');
	to = digits(to, 2, tm.tm_hour, ':');
	to = digits(to, 2, tm.tm_min, ':');
	to = digits(to, 2, tm.tm_sec, '.');
	return digits(to, 3, (int)(rest / 1000), 'Z');
}
