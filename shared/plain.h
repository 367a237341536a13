/*
 * plain: operations without C (x-query): bind the inputs by name, run, answer the row or the page.
 */
#ifndef ROOKERY_PLAIN_H
#define ROOKERY_PLAIN_H

struct req;

/* Answer r with its operation's query; in is the struct filled by input_decode().  0 or ERR_*. */
int plain_run(struct req *r, const void *in);

#endif
