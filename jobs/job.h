/*
 * job: one line of the daemon's table of jobs (main.c), and what its function is given.
 *
 * A function does at most one batch (jobs.batch rows, or what takes well below a second) and says
 * in its report how to go on, so that no job keeps another waiting.  The request has no caller: it
 * carries the arena, in which everything dies when the function returns, and the events of _event
 * columns, which are published then.
 *
 *	int
 *	codes_expire(struct req *r, struct report *out)
 *	{
 *		...
 *		out->rows = n;
 *		out->again = n < conf_int("jobs.batch") ? AGAIN_LATER : AGAIN_NOW;
 *		return 0;
 *	}
 */
#ifndef JOBS_JOB_H
#define JOBS_JOB_H

#include <stdint.h>

struct req;

enum again {
	AGAIN_LATER, /* after the job's period */
	AGAIN_SOON,  /* after a tenth of a second */
	AGAIN_NOW,   /* when the other jobs that are due have had their turn */
};

struct report {
	int64_t rows; /* changed, or events repeated */
	enum again again;
};

struct job {
	const char *name;
	const char *period; /* setting, in seconds */
	/* 0 or ERR_*; after an error it is tried again after its period. */
	int (*run)(struct req *r, struct report *out);
};

#endif
