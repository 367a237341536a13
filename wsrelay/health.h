/*
 * health: is everything there that the relay needs, who is told when it is not, and what /readyz
 * says.
 *
 *	health_changed();                        // Redis or PostgreSQL came or went
 */
#ifndef WSRELAY_HEALTH_H
#define WSRELAY_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

struct conn;

void health_start(void);
void health_changed(void);
/* Tell a connection that has just become live, if there is something to tell. */
void health_tell(struct conn *c);
void health_stopping(void);
/* Text of /readyz: "ready", or why not, a line each. */
bool health_ready(char *out, size_t size);

#endif
