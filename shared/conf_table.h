/*
 * conf_table: the list of all settings, read by conf.c alone.
 *
 * Everything is const data.  A new setting is one line in conf_table.c; the settings file, the
 * output of "rookery config" and the environment variable follow from it:
 *
 *	{"db.idle", SET_DURATION, "30s", "1s", "1d",
 *	    "Idle time after which a worker closes its connection"},
 */
#ifndef ROOKERY_CONF_TABLE_H
#define ROOKERY_CONF_TABLE_H

enum setting_type {
	SET_GROUP,    /* no setting: a heading, name is its text */
	SET_TEXT,     /* "RUN/" at the start stands for the run directory */
	SET_CHOICE,   /* one of the words in min, separated by | */
	SET_COUNT,    /* whole number */
	SET_DURATION, /* seconds; suffix s, m, h, d */
	SET_SIZE,     /* bytes; suffix k, m, g (powers of 1024) */
	SET_BOOL,     /* yes or no */
	SET_LIMIT,    /* "count/seconds", "0" is unlimited */
	SET_SECRET,   /* text from the environment or RUN/keys/NAME, never from the settings file */
};

struct setting {
	const char *name;
	enum setting_type type;
	const char *dflt;
	const char *min,
	    *max; /* in the units of the setting; NULL when open.  min of SET_CHOICE: the words */
	const char *about; /* one line */
};

extern const struct setting conf_table[];
extern const int conf_table_n;

#endif
