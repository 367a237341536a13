/* log: see log.h.  A line is written with one write(2), so that processes sharing a file never mix.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *program = "rookery";
static enum log_level threshold = LOG_INFO_;

void
log_init(const char *name, enum log_level min)
{
	program = name;
	threshold = min;
}

enum log_level
log_level_named(const char *name)
{
	for (int i = LOG_DEBUG_; i <= LOG_ERROR_; i++) {
		if (strcmp(level_names[i], name) == 0)
			return (enum log_level)i;
	}
	return LOG_INFO_;
}

/* Append s as a JSON string, cut to what fits; bytes outside printable ASCII become \u escapes or
 * '?'. */
static size_t
quote(char *out, size_t size, const char *s)
{
	size_t n = 0;

	if (size < 3)
		return 0;
	out[n++] = '"';
	for (; *s && n + 8 < size; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			out[n++] = '\\', out[n++] = (char)c;
		else if (c < 0x20)
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
		else
			out[n++] = (char)c;
	}
	out[n++] = '"';
	return n;
}

bool
log_wants(enum log_level level)
{
	return level >= threshold;
}

void
log_line(enum log_level level, const char *event, ...)
{
	char line[4096];
	struct timespec now;
	struct tm tm;
	const char *key;
	va_list ap;
	size_t n;

	if (level < threshold)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof line, "{\"time\":\"%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof line - n,
	    ".%03ldZ\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%d,\"msg\":",
	    now.tv_nsec / 1000000, level_names[level], program, (int)getpid());
	n += quote(line + n, sizeof line - n, event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		if (!value || n + 32 > sizeof line)
			continue;
		line[n++] = ',';
		n += quote(line + n, sizeof line - n - 3, key);
		line[n++] = ':';
		n += quote(line + n, sizeof line - n - 3, value);
	}
	va_end(ap);
	line[n++] = '}';
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* there is nowhere left to complain */
}
