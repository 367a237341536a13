/* budget: see budget.h. */
#include "budget.h"

#include <stdlib.h>
#include "conf.h"
#include "loop.h"
#include "map.h"

enum { SWEEP_MS = 10000 };

struct purse { /* of an account that has spent something lately */
	struct uid id;
	struct {
		int64_t ends, used; /* loop_now(), of the present window */
	} of[BUDGETS];
	struct purse *next_empty;
};

static const char *const classes[BUDGETS] = {"typing", "presence"};

static struct {
	struct map purses;
	struct timer sweep;
} all;

static bool
empty(const struct purse *p)
{
	for (int i = 0; i < BUDGETS; i++)
		if (p->of[i].ends > loop_now())
			return false;
	return true;
}

static void
sweep(struct timer *t)
{
	struct purse *p, *gone = NULL;
	size_t i = 0;

	while ((p = map_next(&all.purses, &i))) {
		if (!empty(p))
			continue;
		p->next_empty = gone;
		gone = p;
	}
	while ((p = gone)) {
		gone = p->next_empty;
		map_remove(&all.purses, p->id);
		free(p);
	}
	if (all.purses.used)
		loop_timer(t, SWEEP_MS);
}

static struct purse *
purse_of(struct uid account)
{
	struct purse *p = map_get(&all.purses, account);

	if (p)
		return p;
	p = must_zalloc(sizeof(*p));
	p->id = account;
	map_put(&all.purses, p);
	all.sweep.fire = sweep;
	if (!all.sweep.due)
		loop_timer(&all.sweep, SWEEP_MS);
	return p;
}

bool
budget_spend(struct uid account, enum budget which, int64_t n)
{
	int64_t most, seconds;
	struct purse *p;

	if (!conf_limit(classes[which], &most, &seconds))
		return true;
	p = purse_of(account);
	if (p->of[which].ends <= loop_now()) {
		p->of[which].ends = loop_now() + seconds * 1000;
		p->of[which].used = 0;
	}
	if (p->of[which].used + n > most)
		return false;
	p->of[which].used += n;
	return true;
}

size_t
budget_accounts(void)
{
	return all.purses.used;
}
