/*
 * master: starts the relay's processes, starts them again, and replaces them by those of a new
 * binary.
 *
 * It opens the listening sockets and never serves.  SIGHUP is a hand-over: the binary is tried
 * (rk-wsrelay --check), executed in place under the same pid, and each of its processes takes the
 * connections of an old one.  Whatever fails on the way leaves the old processes at work.  SIGTERM
 * ends all of them over relay.drain_ms.
 *
 *	return master_run(argv);                  // settings are read, the log is open
 */
#ifndef WSRELAY_MASTER_H
#define WSRELAY_MASTER_H

int master_run(char **argv);

#endif
