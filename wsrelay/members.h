/*
 * members: who belonged to a conversation at a version of its membership.
 *
 * What was true at a version stays true, so an answer never grows old: the cache drops only what
 * was not used for longest.  Look-ups of a turn go to PostgreSQL as one statement; a failed one is
 * asked again until it succeeds.
 *
 * Ownership: members_get() answers a reference, known or not yet; members_put() gives it back.
 *
 *	m = members_get(conversation, version);
 *	if (!m->known)
 *		...                              // the callback of members_start() will say when
 */
#ifndef WSRELAY_MEMBERS_H
#define WSRELAY_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>
#include "uid.h"

struct account;

struct members {
	struct uid key; /* of conversation and version */
	struct uid conversation;
	int64_t version;
	uint32_t refs;
	bool known;
	uint32_t n, cap;
	struct account **account;
	struct members *newer, *older; /* by use */
	struct members *next_wanted;
};

void members_start(void (*came)(void));
struct members *members_get(struct uid conversation, int64_t version);
void members_put(struct members *m);
/* Send the look-ups wanted since the last turn. */
void members_flush(void);

#endif
