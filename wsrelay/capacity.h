/*
 * capacity: how many clients can be taken back in a second, as measured, and when one of many
 * should come back.
 *
 * Each second in which enough signed in tells what a sign-in with its replay costs this process;
 * when the verdicts took long although the process had time left, Redis or PostgreSQL is what is
 * slow, and the rate that was reached is what can be had.  If all who are connected have to come
 * back, each is told another moment of the time that takes.
 *
 *	"retry=%u", capacity_delay_ms(dialect, account, true)
 */
#ifndef WSRELAY_CAPACITY_H
#define WSRELAY_CAPACITY_H

#include <stdbool.h>
#include <stdint.h>

void capacity_start(void);
/* Clients in a second, of this process. */
double capacity_own(void);
/* At random, so that those connected now spread over what they need, which is at most a minute; and
 * not in a minute in which the account (a key of limits.h; 0: not known) would be refused. */
unsigned capacity_delay_ms(int dialect, uint64_t account, bool leaving);

#endif
