/*
 * revoke: the marks of ended sessions in Redis (key rev:SID, shared/auth.h), by which their access
 * tokens are refused.
 *
 * Who ends a session sets its mark.  What a crash left unmarked is marked here within seconds, and
 * everything that still matters when Redis is new, or came back with less than it had.
 */
#ifndef JOBS_REVOKE_H
#define JOBS_REVOKE_H

#include "job.h"

int revocations_run(struct req *r, struct report *out);

#endif
