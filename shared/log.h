/*
 * log: one JSON object a line on stderr.
 *
 *	log_info("started", "workers", "4", "socket", path);     // event, then key, value pairs
 *
 * Tokens, codes, passwords and message bodies are never given to it.
 */
#ifndef ROOKERY_LOG_H
#define ROOKERY_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

void log_init(const char *program, enum log_level min);
/* "debug", "info", "warn" or "error"; anything else is info. */
enum log_level log_level_named(const char *name);
/* Is this level logged at all?  For callers whose values cost something to make. */
bool log_wants(enum log_level level);
/* {"time","level","program","pid","msg":event, key: value …}; keys and values alternate, both strings. */
void log_line(enum log_level level, const char *event, ...) __attribute__((sentinel));

#define log_debug(...) log_line(LOG_DEBUG_, __VA_ARGS__, (char *)0)
#define log_info(...) log_line(LOG_INFO_, __VA_ARGS__, (char *)0)
#define log_warn(...) log_line(LOG_WARN_, __VA_ARGS__, (char *)0)
#define log_error(...) log_line(LOG_ERROR_, __VA_ARGS__, (char *)0)

#endif
