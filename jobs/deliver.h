/*
 * deliver: mails and invitations on their way to telephones and mailboxes.
 *
 * A server outside may take half a minute to answer, so each delivery is a child process that does
 * nothing else and tells the outcome by its exit status.  One is claimed for longer than
 * a child may live; what was claimed and never settled, because this daemon died, is due again
 * then.  Failed attempts are repeated ever further apart (outgoing_settle in sql/).
 */
#ifndef JOBS_DELIVER_H
#define JOBS_DELIVER_H

#include "job.h"

/* Settle what has ended, then start what is due. */
int outgoing_run(struct req *r, struct report *out);
/* Start nothing any more. */
void deliveries_stop(void);
/* Deliveries not settled yet. */
int deliveries_open(void);

#endif
