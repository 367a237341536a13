/*
 * listen: the sockets that clients come in by: RUN/ws/SURFACE.sock for each dialect, and one TCP
 * port for all; there the path decides which dialect is spoken.
 */
#ifndef WSRELAY_LISTEN_H
#define WSRELAY_LISTEN_H

int listen_start(void);   /* 0, or -1 after a logged complaint */
void listen_reload(void); /* relay.port or relay.bind may have changed */
void listen_stop(void);

#endif
