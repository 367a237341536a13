/*
 * conf: settings, from the commented file rookery.conf with ROOKERY_* variables over it.
 *
 * The table in conf.c is the list of all settings with type, default and meaning; an unknown key in the
 * file is an error that names file and line.  "db.name" is overridden by ROOKERY_DB_NAME.
 * Values are read once at start, and again at a reload.  Texts stay valid until the next conf_load().
 *
 *	conf_load(NULL);                        // $ROOKERY_CONF, else the default place
 *	port = conf_int("whatsapp.port");
 */
#ifndef ROOKERY_CONF_H
#define ROOKERY_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* 0, or -1 after a message on stderr that names file and line. */
int conf_load(const char *path);
bool conf_known(const char *name);
bool conf_is_secret(const char *name);
/* An unknown name is a programming error: it aborts. */
const char *conf_str(const char *name);
int64_t conf_int(const char *name);   /* durations in seconds and sizes in bytes: "15m", "64k" are read */
bool conf_bool(const char *name);
/* "30/60": at most 30 in 60 seconds; false when the class is unlimited ("0"). */
bool conf_limit(const char *rate_class, int64_t *count, int64_t *seconds);
/* Path below the run directory, in static storage of its own per call site use: copy if kept. */
const char *conf_run_path(char *out, size_t size, const char *relative);
/* All settings with value and origin (default, file, environment); secrets are shown as "(set)". */
void conf_print(FILE *out, bool with_comments);
/* A settings file to start from: every setting explained, every line commented out. */
void conf_template(FILE *out);

#endif
