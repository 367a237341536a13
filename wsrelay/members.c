/* members: see members.h. */
#include "members.h"

#include <endian.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "loop.h"
#include "map.h"
#include "metrics.h"
#include "pg.h"

enum {
	MOST_LISTS = 65536,
	MOST_ACCOUNTS = 2000000, /* in all lists together */
	BATCH = 512,
	RETRY_MS = 250,
	ITEM_TEXT = UID_TEXT + 1,
	VERSION_TEXT = 21,
};

static const char LOOK_UP[] =
    "SELECT w.n, m.account_id FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY"
    " AS w(conversation_id, version, n) JOIN member m ON m.conversation_id = w.conversation_id"
    " AND m.joined_version <= w.version AND (m.left_version IS NULL OR m.left_version > w.version)";

static struct {
	void (*came)(void);
	struct map lists;
	struct members *newest, *oldest;
	size_t accounts;
	struct members *wanted, **wanted_tail;
	struct members *asked[BATCH]; /* with the database now */
	int n_asked;
	struct timer retry;
} members;

/* ---- the cache ------------------------------------------------------------------------------ */

static struct uid
key_of(struct uid conversation, int64_t version)
{
	uint64_t in[3] = {conversation.hi, conversation.lo, (uint64_t)version};
	struct uid key;

	crypto_generichash(
	    (unsigned char *)&key, sizeof(key), (unsigned char *)in, sizeof(in), NULL, 0);
	return key;
}

static void
unlink_list(struct members *m)
{
	*(m->newer ? &m->newer->older : &members.newest) = m->older;
	*(m->older ? &m->older->newer : &members.oldest) = m->newer;
}

static void
link_newest(struct members *m)
{
	m->newer = NULL;
	m->older = members.newest;
	*(members.newest ? &members.newest->newer : &members.oldest) = m;
	members.newest = m;
}

void
members_put(struct members *m)
{
	if (--m->refs)
		return;
	for (uint32_t i = 0; i < m->n; i++)
		account_put(m->account[i]);
	free(m->account);
	free(m);
}

/* The cache holds one reference; a list that is still wanted or in use lives on without the cache.
 */
static void
forget_some(void)
{
	while (members.oldest && members.oldest != members.newest &&
	       (members.lists.used > MOST_LISTS || members.accounts > MOST_ACCOUNTS)) {
		struct members *m = members.oldest;

		unlink_list(m);
		map_remove(&members.lists, m->key);
		members.accounts -= m->n;
		m->newer = m->older = NULL;
		members_put(m);
	}
}

struct members *
members_get(struct uid conversation, int64_t version)
{
	struct uid key = key_of(conversation, version);
	struct members *m = map_get(&members.lists, key);

	if (m) {
		metrics->member_hits++;
		unlink_list(m);
		link_newest(m);
	} else {
		metrics->member_misses++;
		m = must_zalloc(sizeof(*m));
		*m = (struct members){.key = key, .conversation = conversation, .version = version};
		m->refs = 2; /* the cache, and being wanted */
		map_put(&members.lists, m);
		link_newest(m);
		*members.wanted_tail = m;
		members.wanted_tail = &m->next_wanted;
		forget_some();
	}
	m->refs++;
	return m;
}

static bool
in_cache(const struct members *m)
{
	return map_get(&members.lists, m->key) == m;
}

/* ---- looking up ----------------------------------------------------------------------------- */

static void
add_account(struct members *m, struct uid id)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 2;
		m->account = must_realloc(m->account, m->cap * sizeof(struct account *));
	}
	m->account[m->n++] = account_get(id);
}

static void
take_rows(const PGresult *res)
{
	int rows = PQntuples(res);
	uint64_t n;

	for (int i = 0; i < rows; i++) {
		memcpy(&n, PQgetvalue(res, i, 0), sizeof(n));
		n = be64toh(n);
		if (n >= 1 && n <= (uint64_t)members.n_asked)
			add_account(members.asked[n - 1], uid_from_bytes(PQgetvalue(res, i, 1)));
	}
}

static void
finish_asked(void)
{
	for (int i = 0; i < members.n_asked; i++) {
		struct members *m = members.asked[i];

		m->known = true;
		if (in_cache(m))
			members.accounts += m->n;
		members_put(m);
	}
	members.n_asked = 0;
	forget_some();
}

static void
ask_again(void)
{
	for (int i = members.n_asked - 1; i >= 0; i--) {
		struct members *m = members.asked[i];

		m->next_wanted = members.wanted;
		if (!members.wanted)
			members.wanted_tail = &m->next_wanted;
		members.wanted = m;
	}
	members.n_asked = 0;
	loop_timer(&members.retry, RETRY_MS);
}

static void
on_rows(void *ctx, const PGresult *res)
{
	(void)ctx;
	if (!res) {
		ask_again();
		return;
	}
	take_rows(res);
	finish_asked();
	members.came();
}

void
members_flush(void)
{
	static char ids[2 + BATCH * ITEM_TEXT], versions[2 + BATCH * VERSION_TEXT];
	size_t a = 0, b = 0;

	if (!members.wanted || members.n_asked || members.retry.due || !pg_up())
		return;
	while (members.wanted && members.n_asked < BATCH) {
		struct members *m = members.wanted;

		members.wanted = m->next_wanted;
		m->next_wanted = NULL;
		ids[a++] = members.n_asked ? ',' : '{';
		uid_text(m->conversation, ids + a);
		a += UID_TEXT;
		b += (size_t)sprintf(
		    versions + b, "%c%" PRId64, members.n_asked ? ',' : '{', m->version);
		members.asked[members.n_asked++] = m;
	}
	if (!members.wanted)
		members.wanted_tail = &members.wanted;
	strcpy(ids + a, "}");
	strcpy(versions + b, "}");
	pg_query(LOOK_UP, 2, (const char *[]){ids, versions}, on_rows, NULL);
}

static void
on_retry(struct timer *t)
{
	(void)t;
	members_flush();
}

void
members_start(void (*came)(void))
{
	members.came = came;
	members.wanted_tail = &members.wanted;
	members.retry.fire = on_retry;
}
