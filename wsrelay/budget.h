/*
 * budget: how much a connection may cause in some seconds, by a rate class of the settings
 * (limit.NAME).
 *
 *	if (!budget_spend(&own->budget, "typing", 1))
 *		return;                        // as often as that nobody needs to be told
 */
#ifndef WSRELAY_BUDGET_H
#define WSRELAY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget { /* zeroed to begin with */
	int64_t since, used;
};

/* false, and nothing is spent, when n more would be too much in the present window. */
bool budget_spend(struct budget *b, const char *rate_class, int64_t n);

#endif
