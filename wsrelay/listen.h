/*
 * listen: the sockets that clients come in by: RUN/ws/SURFACE.sock for each dialect, and one TCP
 * port for all; there the path decides which dialect is spoken.
 *
 * The master opens them and keeps them for as long as it lives (listen_open.c); the processes share
 * them.  A process that has more connections than the others lets them go first (listen.c).
 *
 *	listen_open(&sockets);                    // the master: what is not open yet
 *	listen_start(&sockets);                   // a process
 */
#ifndef WSRELAY_LISTEN_H
#define WSRELAY_LISTEN_H

#include <stdint.h>
#include "dialect.h"

struct listen_sockets {
	int local[DIALECTS], tcp; /* -1: not open */
	char bind[64];            /* of .tcp */
	int64_t port;
};

#define LISTEN_NONE ((struct listen_sockets){.local = {-1, -1, -1, -1, -1}, .tcp = -1})

int listen_open(struct listen_sockets *s); /* 0, or -1 after a logged complaint */
void listen_close(struct listen_sockets *s);

void listen_start(const struct listen_sockets *s);
void listen_stop(void);
/* The master has died: its successor shall be able to open the same port. */
void listen_leave(void);
/* Take part again after a hand-over that came to nothing. */
void listen_resume(void);

#endif
