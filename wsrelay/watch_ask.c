/* watch_ask: what watch.c asks the database, many questions a statement. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "conf.h"
#include "conn.h"
#include "loop.h"
#include "pg.h"
#include "watch.h"
#include "watch_state.h"

enum { BATCH = 256, PARTNERS = 64, RETRY_MS = 250 };

/* Last seen as milliseconds since 1970, 0 for never. */
static const char ASK[] = "SELECT n, coalesce((extract(epoch FROM last_seen_at) * 1000)::bigint, 0)"
			  " FROM presence_may($1::uuid[], $2::uuid[])";
static const char ASK_PARTNERS[] =
    "SELECT n, account_id FROM presence_partners($1::uuid[], $2::integer)";

static struct {
	struct pair *wanted, **tail;
	struct pair *asked[BATCH];
	int n_asked;
	struct watcher *wanting; /* their partners */
	struct conn *partners_of[PARTNERS];
	int n_partners;
	struct timer retry; /* the database refused to answer: not again at once */
} all = {.tail = &all.wanted};

/* ---- the database: may it know? ------------------------------------------------------------- */

void
watch_want(struct pair *p)
{
	p->stale = p->asked;
	if (p->wanted || p->asked)
		return;
	p->wanted = true;
	p->next_wanted = NULL;
	*all.tail = p;
	all.tail = &p->next_wanted;
}

static void
answered(struct pair *p, bool known, bool may, int64_t seen)
{
	p->asked = false;
	if (!p->conn) {
		watch_drop(p);
		return;
	}
	if (!known || p->stale) {
		p->stale = false;
		watch_want(p);
		return;
	}
	p->allowed = may;
	p->seen = seen;
	if (may) {
		watch_ask_redis(p->target);
		watch_settle(p);
	} else if (p->told == ONLINE) {
		watch_say_state(p, false, 0); /* no more is known of it */
		p->told = NOTHING;
	}
}

static void
on_rows(void *unused, const PGresult *res)
{
	bool may[BATCH] = {false};
	int64_t seen[BATCH] = {0};
	int asked = all.n_asked;
	uint64_t n;

	(void)unused;
	all.n_asked = 0;
	for (int row = 0; res && row < PQntuples(res); row++) {
		memcpy(&n, PQgetvalue(res, row, 0), sizeof(n));
		n = be64toh(n);
		if (n < 1 || n > (uint64_t)asked)
			continue;
		may[n - 1] = true;
		memcpy(&seen[n - 1], PQgetvalue(res, row, 1), sizeof(*seen));
		seen[n - 1] = (int64_t)be64toh((uint64_t)seen[n - 1]);
	}
	if (!res)
		loop_timer(&all.retry, RETRY_MS);
	for (int i = 0; i < asked; i++)
		answered(all.asked[i], res != NULL, may[i], seen[i]);
}

static int
put_id(char *out, int n, struct uid id, int i)
{
	out[n++] = i ? ',' : '{';
	uid_text(id, out + n);
	return n + UID_TEXT;
}

static void
ask_pairs(void)
{
	static char watchers[2 + BATCH * (UID_TEXT + 1)], targets[sizeof(watchers)];
	int w = 0, t = 0;

	if (!all.wanted || all.n_asked)
		return;
	while (all.wanted && all.n_asked < BATCH) {
		struct pair *p = all.wanted;

		if (!(all.wanted = p->next_wanted))
			all.tail = &all.wanted;
		p->wanted = false;
		p->asked = true;
		w = put_id(watchers, w, p->conn->account->id, all.n_asked);
		t = put_id(targets, t, p->target->id, all.n_asked);
		all.asked[all.n_asked++] = p;
	}
	strcpy(watchers + w, "}");
	strcpy(targets + t, "}");
	pg_query(ASK, 2, (const char *[]){watchers, targets}, on_rows, NULL);
}

void
watch_ask_forget(struct pair *p)
{
	struct pair **at = &all.wanted;

	if (!p->wanted)
		return;
	while (*at != p)
		at = &(*at)->next_wanted;
	if (!(*at = p->next_wanted))
		all.tail = at;
}

/* ---- partners ------------------------------------------------------------------------------- */

void
watch_partners(struct conn *c)
{
	struct watcher *w = watch_of(c);

	if (w->begun)
		return;
	w->begun = w->wanting = true;
	w->next_wanting = all.wanting;
	all.wanting = w;
}

static void
on_partners(void *unused, const PGresult *res)
{
	int asked = all.n_partners;
	uint64_t n;

	(void)unused;
	for (int row = 0; res && row < PQntuples(res); row++) {
		struct conn *c;

		memcpy(&n, PQgetvalue(res, row, 0), sizeof(n));
		n = be64toh(n);
		c = n >= 1 && n <= (uint64_t)asked ? all.partners_of[n - 1] : NULL;
		if (c && c->watcher->n < conf_int("presence.watch"))
			watch_follow(c, uid_from_bytes(PQgetvalue(res, row, 1)));
	}
	all.n_partners = 0;
	if (!res)
		loop_timer(&all.retry, RETRY_MS);
	for (int i = 0; !res && i < asked; i++) {
		struct conn *c = all.partners_of[i];

		if (!c)
			continue;
		c->watcher->begun = false; /* once more */
		watch_partners(c);
	}
}

static void
ask_partners(void)
{
	static char accounts[2 + PARTNERS * (UID_TEXT + 1)];
	char most[24];
	int a = 0, n = 0;

	if (!all.wanting || all.n_partners)
		return;
	while (all.wanting && n < PARTNERS) {
		struct watcher *w = all.wanting;

		all.wanting = w->next_wanting;
		w->wanting = false;
		a = put_id(accounts, a, w->conn->account->id, n);
		all.partners_of[n++] = w->conn;
	}
	all.n_partners = n;
	strcpy(accounts + a, "}");
	snprintf(most, sizeof(most), "%lld", (long long)conf_int("presence.watch"));
	pg_query(ASK_PARTNERS, 2, (const char *[]){accounts, most}, on_partners, NULL);
}

static void
on_retry(struct timer *t)
{
	(void)t;
	watch_flush();
}

void
watch_flush(void)
{
	all.retry.fire = on_retry;
	if (!pg_up() || all.retry.due)
		return;
	ask_partners();
	ask_pairs();
}

void
watch_partners_forget(const struct conn *c)
{
	struct watcher *w = c->watcher, **at = &all.wanting;

	for (int i = 0; i < all.n_partners; i++)
		if (all.partners_of[i] == c)
			all.partners_of[i] = NULL;
	if (!w || !w->wanting)
		return;
	while (*at != w)
		at = &(*at)->next_wanting;
	*at = w->next_wanting;
}
