/*
 * realtime: a process that does not wait for others to use up their time slices.
 *
 * A delivery is microseconds of work behind a wait for the next event; what it waits for is mostly
 * its turn on the processor, which a busy machine makes milliseconds.  So the process runs as
 * SCHED_RR (sched(7)) where that is allowed: with CAP_SYS_NICE, or RLIMIT_RTPRIO.  When it has much
 * to do it is an ordinary process again: whoever has not slept for BUSY_US of processor time
 * (RLIMIT_RTTIME) falls back until there is nothing left to do.
 *
 * Only the loop uses it.
 */
#ifndef WSRELAY_REALTIME_H
#define WSRELAY_REALTIME_H

#include <stdbool.h>

/* Begin, when relay.realtime says so.  What is forked is ordinary. */
void realtime_start(void);
/* Has it been given up?  Then the loop looks whether there is nothing to do, and says so. */
bool realtime_lost(void);
void realtime_again(void);

#endif
