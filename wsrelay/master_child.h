/*
 * master_child: starting the relay's processes and speaking with them; the master's side of
 * process.h.
 *
 *	child = child_spawn(&m, number, NULL);
 *	child_tell(child, PROCESS_HAND_OVER, fd);
 */
#ifndef WSRELAY_MASTER_CHILD_H
#define WSRELAY_MASTER_CHILD_H

#include "master_state.h"

int64_t child_now_ms(void);
void child_set(struct child *c, int state);
/* A new process; pair is a socket to the one whose connections it takes, its end second, or NULL.
 * NULL after a logged complaint. */
struct child *child_spawn(struct master *m, int number, const int *pair);
bool child_tell(const struct child *c, char what, int fd); /* false with errno */

#endif
