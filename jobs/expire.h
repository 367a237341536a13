/*
 * expire: what has had its time: messages that delete themselves, and rows that nobody needs any
 * more.
 */
#ifndef JOBS_EXPIRE_H
#define JOBS_EXPIRE_H

#include "job.h"

int messages_expire(struct req *r, struct report *out);
int calls_expire(struct req *r, struct report *out);
int rows_purge(struct req *r, struct report *out);
/* Positions of devices that mostly send, brought up to what they are owed. */
int positions_settle(struct req *r, struct report *out);
/* A time and its place in the order of changes, for clients that synchronise since a time. */
int moments_note(struct req *r, struct report *out);

#endif
