/*
 * worker: the loop of one worker process.
 */
#ifndef ROOKERY_WORKER_H
#define ROOKERY_WORKER_H

#include "contract.h"

struct stats;

enum { WORKER_IDLE_EXIT = 7 }; /* exit status of a worker that was not needed any more */

/* What a worker writes into the master's pipe. */
enum { WORKER_READY = 'r', WORKER_GROW = 'g' };

struct worker {
	const struct family *family;
	struct stats *stats;
	int slot; /* in stats->worker and stats->busy */
	int listen_fd, pipe;
};

/* Serve until SIGTERM or until idle and not the last one; never returns. */
_Noreturn void worker_run(const struct worker *w);

#endif
