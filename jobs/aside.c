/* aside: see aside.h. */
#include "aside.h"

#include "db_listen.h"
#include "log.h"
#include "req.h"
#include "sweep.h"

void
asides_listen(void)
{
	if (db_listen("event_aside"))
		log_warn("side effects are left to the sweeper");
}

bool
asides_waiting(void)
{
	return db_notified();
}

int
asides_tell(struct req *r, struct report *out)
{
	struct id16 ids[SWEEP_CHUNK];
	const char *text;
	int n = 0;

	while (n < SWEEP_CHUNK && (text = db_notification(r->arena)))
		n += id16_parse(text, &ids[n]);
	if (n == SWEEP_CHUNK)
		out->again = AGAIN_NOW;
	return n ? sweep_tell(r, ids, n, &out->rows) : 0;
}
