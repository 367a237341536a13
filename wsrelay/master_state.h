/*
 * master_state: what the master of the relay carries over an exec: its sockets, the shared memory
 * and its processes, as text in the environment.  All descriptors are open in the new program.
 *
 *	master_state_keep(&m);  execv(...);       // then, in the new program:
 *	if (master_state_restore(&m))             // there was something
 */
#ifndef WSRELAY_MASTER_STATE_H
#define WSRELAY_MASTER_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "listen.h"
#include "share.h"

struct child {
	pid_t pid; /* 0: a free place */
	int number, slot, control;
	enum { CHILD_STARTING, CHILD_TAKING, CHILD_SERVING, CHILD_GIVING } state;
	struct child *other; /* TAKING: whose connections; GIVING: who takes them */
	bool heard;          /* GIVING: it has answered */
	int64_t since_ms;    /* of the state */
};

struct master {
	struct listen_sockets sockets;
	int share_fd;
	unsigned generation, failures; /* as the program before this one counted them */
	struct child child[SHARE_SLOTS];
};

#define EACH_CHILD(m, c)                                                                           \
	for (__typeof__(&(m)->child[0]) c = (m)->child; c < (m)->child + SHARE_SLOTS; c++)         \
		if (c->pid)

void master_state_keep(const struct master *m); /* for an exec that follows at once */
void master_state_drop(const struct master *m); /* it failed */
bool master_state_restore(struct master *m);

#endif
