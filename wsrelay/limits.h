/*
 * limits: how much one address, one account and everybody together may have.
 *
 * Addresses and accounts are counted over all processes (tally.h) by hashes with a secret key.  Of
 * an IPv6 address the first 64 bits count, which is what one customer gets.  A surface has limits of
 * its own when there is a setting SURFACE.relay.NAME; relay.NAME is for the others.
 *
 *	c->address = limits_address_text(forwarded_for);
 *	if (!limits_address_free(c->address))
 *		refuse(c, 429);
 */
#ifndef WSRELAY_LIMITS_H
#define WSRELAY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include "uid.h"
#include "ws_http.h"

struct sockaddr_storage;

/* Keys; 0 is "not known", which is not limited. */
uint64_t limits_address_of(const struct sockaddr_storage *peer);
uint64_t limits_address_text(struct slice text); /* the last of a list, as a proxy appends it */
uint64_t limits_account(int dialect, struct uid account);

bool limits_address_free(uint64_t key);
/* NULL, or why this account may not have another connection just now. */
const char *limits_account_full(int dialect, uint64_t key);
/* When this account may connect again, in ms from now: not before .least, better not after .most.
 * leaving: one is being sent away and takes the next place of a minute; otherwise it is told for
 * the case that all its connections are lost at once.  Across restarts nothing is remembered. */
struct limits_time {
	int64_t least, most;
};
struct limits_time limits_comeback(int dialect, uint64_t account, bool leaving);
/* May one more be accepted now (relay.accept_rate)?  A yes is used up. */
bool limits_may_accept(void);

#endif
