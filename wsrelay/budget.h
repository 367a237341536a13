/*
 * budget: how much an account may cause in some seconds, with all its connections to this process,
 * by a rate class of the settings (limit.NAME).
 *
 * It outlives the connections, so coming anew brings nothing; it ends with the process.
 *
 *	if (!budget_spend(c->account->id, BUDGET_TYPING, 1))
 *		return;                        // as often as that nobody needs to be told
 */
#ifndef WSRELAY_BUDGET_H
#define WSRELAY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>
#include "uid.h"

enum budget { BUDGET_TYPING, BUDGET_PRESENCE, BUDGETS };

/* false, and nothing is spent, when n more would be too much in the present window. */
bool budget_spend(struct uid account, enum budget which, int64_t n);
size_t budget_accounts(void); /* remembered, of which none has a window that is long over */

#endif
