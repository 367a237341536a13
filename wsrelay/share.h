/*
 * share: what the relay's processes know of each other, in memory that all of them map.
 *
 * A process writes its own slot and reads those of the others: so any of them can answer /metrics,
 * /readyz and /status for all, limits hold over all, and connections spread evenly.  The master
 * makes the memory, gives out slots, and clears the slot of a process that has ended; what that one
 * counted stays in .retired.  Counts are plain words with one writer each: a reader may see one
 * that is a moment old, never a torn one.
 *
 *	share_create(&fd);                        // the master
 *	share_take(slot, process);                // a new process: .mine is its slot
 *	for (int i = 0; i < SHARE_SLOTS; i++)
 *		if (share_alive(&share->slot[i]))
 *			...
 */
#ifndef WSRELAY_SHARE_H
#define WSRELAY_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "dialect.h"
#include "metrics.h"

enum {
	SHARE_PROCESSES = 16,              /* relay.processes at most */
	SHARE_SLOTS = 2 * SHARE_PROCESSES, /* while each hands over to its successor */
	SHARE_REASON = 512,
	TALLY_KINDS = 2,
};

struct tally {
	uint32_t key;
	uint32_t n : 20;     /* connections now */
	uint32_t fresh : 12; /* that came in .minute */
	uint64_t minute : 16;
	uint64_t told : 48; /* to come back in .minute, and in those after it: tally.c */
};

struct share_slot {
	_Atomic int32_t pid;     /* 0: free */
	int32_t process;         /* its number, from 0 */
	_Atomic int64_t beat_ms; /* CLOCK_MONOTONIC: it lives */
	_Atomic bool accepting, ready;
	char reason[SHARE_REASON]; /* why it is not ready, lines */
	_Atomic uint64_t sockets;
	struct gauges gauges;
	struct metrics metrics;
};

struct share {
	uint64_t magic;             /* of this layout */
	int64_t started_ms;         /* loop_wall() */
	unsigned char hash_key[16]; /* of tallies */
	_Atomic uint32_t generation,
	    failures; /* hand-overs that all processes went through; that did not end well */
	char failure[200];
	struct metrics retired; /* of processes that have ended */
	struct share_slot slot[SHARE_SLOTS];
	uint32_t tally_size;  /* of each table; a power of two */
	struct tally tally[]; /* for each slot a table of each kind */
};

extern struct share *share;
extern struct share_slot *share_mine;

/* 0, or -1 with errno.  The memory outlives an exec through its descriptor: share_open() answers -1
 * when what is there has another layout. */
int share_create(int *fd, uint64_t connections); /* of a process, at most */
int share_open(int fd);
/* The master's: a free slot, or -1; and a slot whose process has ended. */
int share_free_slot(void);
void share_retire(int slot, int fd);
/* The slot becomes this process's. */
void share_take(int slot, int process);
/* A table of that slot. */
struct tally *share_tally(int slot, int kind);
/* It beats, and another process than a stopped one. */
bool share_alive(const struct share_slot *s);
int share_count_alive(void);
uint64_t share_sockets(void); /* of all processes */

#endif
