/*
 * input: from a request's path, query, headers and body to the operation's struct NAME_in.
 */
#ifndef ROOKERY_INPUT_H
#define ROOKERY_INPUT_H

struct req;
struct route;

/* Read the body as the operation declares it (JSON into memory up to its limit, anything else to disk),
 * validate everything and answer the filled struct in *in.  0 or ERR_* with the field named.
 * captures: the path parameters' raw texts in the order of route->params. */
int input_decode(struct req *r, const struct route *route, const char *const *captures, void **in);
#endif
