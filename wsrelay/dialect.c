/* dialect: see dialect.h. */
#include "dialect.h"

#include <stdlib.h>
#include "conn.h"

static const struct dialect *dialects[DIALECTS];
static int n_dialects;

struct frame *
dialect_event(const struct conn *c, const struct rt_event *ev, const char *cursor, size_t n)
{
	size_t body_n = 0;
	const char *body = ev->bodies ? rt_event_body(ev, c->device, &body_n) : NULL;

	return dialect_at(c->dialect)->event(ev, body, body_n, cursor, n);
}

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
