/*
 * tally: how many connections an account or an address has, over all processes (share.h).
 *
 * Each process counts its own in its own table and adds up those of all.  Keys are hashes; a table
 * has room for several times the connections a process may have, and what finds no place in it is
 * not limited.
 *
 *	if (tally_count(TALLY_ACCOUNT, key) >= most)
 *		refuse();
 *	tally_add(TALLY_ACCOUNT, key);            // it is connected, and came in this minute
 *	...
 *	tally_drop(TALLY_ACCOUNT, key);
 */
#ifndef WSRELAY_TALLY_H
#define WSRELAY_TALLY_H

#include <stdbool.h>
#include <stdint.h>

enum tally_kind { TALLY_ACCOUNT, TALLY_ADDRESS };

enum { TALLY_MINUTES = 4 }; /* that are told of, with this one */

/* key: a hash, its upper half not 0.  fresh: it came now, not from another process. */
void tally_add(enum tally_kind kind, uint64_t key, bool fresh);
void tally_drop(enum tally_kind kind, uint64_t key);
uint32_t tally_count(enum tally_kind kind, uint64_t key); /* connections now */
uint32_t tally_fresh(
    enum tally_kind kind, uint64_t key); /* that came in this minute of the clock */
/* One more was told to come back so many minutes after this one, the last stands for all later
 * ones; how many were, in whichever minute. */
void tally_tell(enum tally_kind kind, uint64_t key, uint32_t after);
uint32_t tally_told(enum tally_kind kind, uint64_t key, uint32_t after);
int64_t tally_minute_left(void); /* ms, more than 0 */

#endif
