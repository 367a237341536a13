/* Instants and their text: see clock.h. */
#include "clock.h"

#include <time.h>

static const int64_t FIRST = -62135596800 * (int64_t)CLOCK_SECOND;    /* 0001-01-01T00:00:00Z */
static const int64_t LAST = 253402300800 * (int64_t)CLOCK_SECOND - 1; /* the end of 9999 */

static int64_t
read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * CLOCK_SECOND + t.tv_nsec / 1000;
}

int64_t
clock_now(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t
clock_steady(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* Exactly n digits at *s as a number in low..high; moves *s behind them. */
static bool
digits(const char **s, int n, int low, int high, int *out)
{
	int v = 0;

	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*out = v;
	return v >= low && v <= high;
}

static bool
literal(const char **s, char c, char alternative)
{
	if (**s != c && **s != alternative)
		return false;
	(*s)++;
	return true;
}

static int
days_in_month(int year, int month)
{
	static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

static bool
read_date(const char **s, struct tm *tm)
{
	int year, month, day;

	if (!digits(s, 4, 0, 9999, &year) || !literal(s, '-', '-') ||
	    !digits(s, 2, 1, 12, &month) || !literal(s, '-', '-') ||
	    !digits(s, 2, 1, days_in_month(year, month), &day))
		return false;
	*tm = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
	return true;
}

/* ".123456789": the first six digits count. */
static bool
read_fraction(const char **s, int *us)
{
	int scale = CLOCK_SECOND / 10;

	*us = 0;
	if (!literal(s, '.', '.'))
		return true;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++, scale /= 10)
		*us += (**s - '0') * scale;
	return true;
}

/* "Z", "+01:00": seconds east of UTC. */
static bool
read_offset(const char **s, int *seconds)
{
	int sign, hours, minutes;

	*seconds = 0;
	if (literal(s, 'Z', 'z'))
		return true;
	sign = **s == '-' ? -1 : 1;
	if (!literal(s, '+', '-') || !digits(s, 2, 0, 23, &hours) || !literal(s, ':', ':') ||
	    !digits(s, 2, 0, 59, &minutes))
		return false;
	*seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

bool
clock_parse(const char *s, int64_t *us)
{
	struct tm tm;
	int fraction, offset;
	bool leap;
	int64_t t;

	if (!s || !read_date(&s, &tm) || !literal(&s, 'T', 't') ||
	    !digits(&s, 2, 0, 23, &tm.tm_hour) || !literal(&s, ':', ':') ||
	    !digits(&s, 2, 0, 59, &tm.tm_min) || !literal(&s, ':', ':') ||
	    !digits(&s, 2, 0, 60, &tm.tm_sec) || !read_fraction(&s, &fraction) ||
	    !read_offset(&s, &offset) || *s)
		return false;
	leap = tm.tm_sec == 60;
	t = timegm(&tm) - offset; /* which carries second 60 over */
	if (leap && t % 86400 != 0)
		return false;
	t = t * CLOCK_SECOND + fraction;
	if (t < FIRST || t > LAST)
		return false;
	*us = t;
	return true;
}

char *
clock_format(struct arena *a, int64_t us)
{
	char text[32];
	struct tm tm;
	int part;
	time_t t;

	us = us < FIRST ? FIRST : us > LAST ? LAST : us;
	part = (int)((us % CLOCK_SECOND + CLOCK_SECOND) % CLOCK_SECOND);
	t = (time_t)((us - part) / CLOCK_SECOND);
	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	return arena_printf(a, "%04d-%02d-%02dT%s.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
	    tm.tm_mday, text, part / 1000);
}
