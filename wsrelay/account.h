/*
 * account: who is connected, and for each account its place in the log of events.
 *
 * An account record exists while something speaks of it: a connection, a list of members in the
 * cache, an entry of the log.  Each of these holds a reference.  The record keeps the numbers of
 * the log's entries that are for the account, so an event reaches its receivers, and a returning
 * client its backlog, without a search.
 *
 *	a = account_get(id);                  // made when there is none
 *	a->conns ...
 *	account_put(a);
 */
#ifndef WSRELAY_ACCOUNT_H
#define WSRELAY_ACCOUNT_H

#include <stdbool.h>
#include "uid.h"

struct conn;

struct account {
	struct uid id;
	uint32_t refs, n_conns;
	uint32_t n_present; /* of these, connections that make it online */
	bool leaving;       /* the last of them went a moment ago (presence.c) */
	struct conn *conns;
	/* Entry numbers (their low 32 bits), oldest first: place k, counted since the account came,
	 * is ring[k & (cap - 1)]. */
	uint32_t *ring, cap;
	uint64_t first, end;
};

struct account *account_get(struct uid id);
struct account *account_find(struct uid id); /* no reference; NULL when there is no record */
void account_put(struct account *a);
size_t account_count(void);

/* The log's side: entry number n is for this account; the oldest one has gone.  Both answer how
 * many bytes the account's memory grew. */
long account_push(struct account *a, uint32_t n);
long account_pop(struct account *a);

static inline uint32_t
account_entry(const struct account *a, uint64_t place)
{
	return a->ring[place & (a->cap - 1)];
}

#endif
