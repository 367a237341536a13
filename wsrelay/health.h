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
/* The same for one of another process, where it was told or not that all is not well. */
void health_tell_adopted(struct conn *c, bool told);
bool health_degraded(void);
void health_stopping(void);
/* Write down for the other processes whether this one is ready, and why not. */
void health_note(void);
/* Text of /readyz: "ready", or why not, a line for each reason of any process. */
bool health_ready(char *out, size_t size);
/* Text of /status: what the processes are doing, for scripts. */
size_t health_status(char *out, size_t size);

#endif
