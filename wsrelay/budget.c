/* budget: see budget.h. */
#include "budget.h"

#include "conf.h"
#include "loop.h"

bool
budget_spend(struct budget *b, const char *rate_class, int64_t n)
{
	int64_t most, seconds;

	if (!conf_limit(rate_class, &most, &seconds))
		return true;
	if (loop_now() - b->since >= seconds * 1000) {
		b->since = loop_now();
		b->used = 0;
	}
	if (b->used + n > most)
		return false;
	b->used += n;
	return true;
}
