/*
 * process: one of the relay's processes: one thread, one epoll, nothing in it may block.
 *
 * It is a child of the master (master.h), told by a socket: 'h' with a descriptor means hand over
 * to whoever is at its other end.  When the master has gone it ends as at SIGTERM.
 *
 *	stream.c      the tail of the stream         order.c      sequence, gaps, duplicates
 *	members.c     who receives an event          evlog.c      the last events, by account
 *	conn.c        a client                       deliver.c    what is due, onto its socket
 *	sign_in.c     who it is                      replay.c     where it goes on
 *	dialect_*.c   how a surface speaks           health.c     what is missing, and who is told
 *	command.c     what clients say, as a table   call.c       operations called for them
 *	queue.c       what waits for a device
 */
#ifndef WSRELAY_PROCESS_H
#define WSRELAY_PROCESS_H

#include "listen.h"

struct process {
	int number, slot; /* from 0; its place in the shared memory */
	int control;      /* the master */
	int predecessor;  /* the process that hands over to this one; -1: there is none */
	const struct listen_sockets *sockets;
};

/* Letters, one a message: what it tells the master, and what it is told, with a descriptor. */
enum {
	PROCESS_UP = 'u',    /* it serves */
	PROCESS_HEARD = 'y', /* it will hand over */
	PROCESS_GIVEN = 'g', /* it has, and ends */
	PROCESS_KEPT = 'k',  /* the other one has gone, it goes on */
	PROCESS_HAND_OVER = 'h',
	PROCESS_TAKE = 't', /* the connections of one more process */
};

_Noreturn void process_run(const struct process *p);

#endif
