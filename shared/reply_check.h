/*
 * reply_check: in test builds (ROOKERY_REPLY_CHECK) a reply outside its contract becomes an error.
 */
#ifndef ROOKERY_REPLY_CHECK_H
#define ROOKERY_REPLY_CHECK_H

struct req;

/* Hold r's good answer against the operation's documented statuses and schemas; on a fault log it and set
 * r->err to ERR_INTERNAL with the reason as detail.  Does nothing in other builds. */
void reply_check(struct req *r);

#endif
