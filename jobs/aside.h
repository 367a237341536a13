/*
 * aside: events that no request publishes, because what made them happened beside what was asked
 * for (a call that ends because one blocks the other): event_aside() in sql/ tells the daemon their
 * ids with the commit, and it puts them into the stream at once.
 *
 * Should the daemon not hear of one, because it was away or had lost its connection, the sweeper
 * finds it like all others that are missing.
 */
#ifndef JOBS_ASIDE_H
#define JOBS_ASIDE_H

#include <stdbool.h>
#include "job.h"

/* To be said again now and then: a new connection knows nothing of it. */
void asides_listen(void);
/* Is there something to tell? */
bool asides_waiting(void);
int asides_tell(struct req *r, struct report *out);

#endif
