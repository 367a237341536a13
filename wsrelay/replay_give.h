/*
 * replay_give: what a pass over the stream collects for the connections that wait for it
 * (replay.h).
 *
 * Frames are shared where they can be.  A connection that has as much as it may stops there: its
 * .out->reached is the cursor of the pass at that event, and the next pass goes on from it.
 */
#ifndef WSRELAY_REPLAY_GIVE_H
#define WSRELAY_REPLAY_GIVE_H

#include "conn.h"

/* Give ev to those in the pass it is for; most bytes for each.  now is the pass's cursor after ev,
 * serial a number that no other event of the pass has.  Answers how many bytes of frames were made.
 */
size_t replay_give(
    const struct rt_event *ev, const struct cursor *now, uint64_t serial, size_t most);
/* Forget what was collected for c. */
void replay_drop(struct conn *c);

#endif
