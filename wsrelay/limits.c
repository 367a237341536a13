/* limits: see limits.h. */
#include "limits.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "conf.h"
#include "dialect.h"
#include "loop.h"
#include "metrics.h"
#include "share.h"
#include "tally.h"

enum { MINUTE_MS = 60000, MARGIN_MS = 1000 }; /* clients are late now and then, not early */

static uint64_t
hash(const void *p, size_t n)
{
	uint64_t key;

	crypto_shorthash((unsigned char *)&key, p, n, share->hash_key);
	return key >> 32 ? key : key | 1ull << 32; /* tally.h */
}

static uint64_t
of_v6(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a) ? hash(a->s6_addr + 12, 4) : hash(a->s6_addr, 8);
}

uint64_t
limits_address_of(const struct sockaddr_storage *peer)
{
	if (peer->ss_family == AF_INET)
		return hash(&((const struct sockaddr_in *)peer)->sin_addr, 4);
	if (peer->ss_family == AF_INET6)
		return of_v6(&((const struct sockaddr_in6 *)peer)->sin6_addr);
	return 0;
}

uint64_t
limits_address_text(struct slice list)
{
	struct slice item, last = {0};
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;

	while (http_list_next(&list, &item))
		last = item;
	if (!last.n || last.n >= sizeof(text))
		return 0;
	memcpy(text, last.p, last.n);
	text[last.n] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		return hash(&v4, 4);
	return inet_pton(AF_INET6, text, &v6) == 1 ? of_v6(&v6) : 0;
}

uint64_t
limits_account(int dialect, struct uid account)
{
	struct {
		struct uid account;
		uint64_t dialect;
	} who = {account, (uint64_t)dialect};

	return hash(&who, sizeof(who));
}

bool
limits_address_free(uint64_t key)
{
	if (!key || tally_count(TALLY_ADDRESS, key) < (uint32_t)conf_int("relay.max_per_address"))
		return true;
	metrics->limited_address++;
	return false;
}

/* The surface's own setting, or everybody's. */
static uint32_t
setting(int dialect, const char *name)
{
	char own[80], common[48];

	snprintf(own, sizeof(own), "%s.relay.%s", dialect_at(dialect)->surface, name);
	snprintf(common, sizeof(common), "relay.%s", name);
	return (uint32_t)conf_int(conf_known(own) ? own : common);
}

const char *
limits_account_full(int dialect, uint64_t key)
{
	uint32_t fresh = setting(dialect, "new_per_account");

	if (tally_count(TALLY_ACCOUNT, key) >= setting(dialect, "max_per_account")) {
		metrics->limited_account++;
		return "too many connections of this account";
	}
	if (fresh && tally_fresh(TALLY_ACCOUNT, key) >= fresh) {
		metrics->limited_rate++;
		return "too many new connections of this account in a minute";
	}
	return NULL;
}

/* In that minute after this one. */
static struct limits_time
in_minute(int64_t left, uint32_t after)
{
	int64_t begin = left + (int64_t)(after - 1) * MINUTE_MS;

	return (struct limits_time){begin, begin + MINUTE_MS - MARGIN_MS};
}

/* How many of an account's places in that minute are taken or promised. */
static uint32_t
taken(uint64_t key, uint32_t after)
{
	return tally_told(TALLY_ACCOUNT, key, after) +
	       (after ? 0 : tally_fresh(TALLY_ACCOUNT, key));
}

/* In which minute after this one there will have been room for so many, beside those promised. */
static uint32_t
minutes_for(uint64_t key, uint32_t n, uint32_t fresh)
{
	uint32_t room = 0;

	for (uint32_t after = 1; after < TALLY_MINUTES; after++) {
		uint32_t gone = taken(key, after);

		room += gone < fresh ? fresh - gone : 0;
		if (room >= n)
			return after;
	}
	return TALLY_MINUTES - 1 + (n - room + fresh - 1) / fresh;
}

/* The first minute from that one on that has a place. */
static uint32_t
next_place(uint64_t key, uint32_t after, uint32_t fresh)
{
	const uint32_t last = TALLY_MINUTES - 1;

	while (after < last && taken(key, after) >= fresh)
		after++;
	return after < last ? after : last + taken(key, last) / fresh;
}

/* Places are given out in the order in which they are told, so many for each minute; of one that is
 * nearly over none is.  Where all fit into this minute and the next one there is nothing to be
 * told.  Who only may be cut off is told for the case that it and all others are now. */
struct limits_time
limits_comeback(int dialect, uint64_t key, bool leaving)
{
	const struct limits_time any = {0, INT64_MAX};
	uint32_t fresh = key ? setting(dialect, "new_per_account") : 0, open, after;
	int64_t left = tally_minute_left();
	bool now, fits;

	if (!fresh)
		return any;
	open = tally_count(TALLY_ACCOUNT, key);
	open = open ? open : 1;
	now = taken(key, 0) + open <= fresh;
	fits = now && taken(key, 1) + open <= fresh;
	now = now && left > 2 * MARGIN_MS;
	if (leaving)
		after = fits ? 0 : next_place(key, left <= 2 * MARGIN_MS, fresh);
	else
		after = fits || now ? 0 : minutes_for(key, open, fresh);
	if (leaving)
		tally_tell(TALLY_ACCOUNT, key, after);
	if (fits)
		return any;
	return after ? in_minute(left, after) : (struct limits_time){0, left - MARGIN_MS};
}

/* A bucket of as much as comes in 50 ms, this process's part of the whole. */
bool
limits_may_accept(void)
{
	static double tokens;
	static int64_t filled;
	double rate = (double)conf_int("relay.accept_rate") / share_count_alive();
	double most = rate / 20 > 1 ? rate / 20 : 1;

	if (rate <= 0)
		return true;
	tokens += rate * (double)(loop_now() - filled) / 1000;
	filled = loop_now();
	if (tokens > most)
		tokens = most;
	if (tokens < 1)
		return false;
	tokens--;
	return true;
}
