/* dialect: see dialect.h. */
#include "dialect.h"

#include <stdlib.h>

static const struct dialect *dialects[DIALECTS];
static int n_dialects;

void
dialect_register(const struct dialect *d)
{
	if (n_dialects == DIALECTS)
		abort();
	dialects[n_dialects++] = d;
}

int
dialect_count(void)
{
	return n_dialects;
}

const struct dialect *
dialect_at(int i)
{
	return dialects[i];
}
