/* When clients are told to come back: nobody who does as told is refused for coming too often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>
#include "conf.h"
#include "wsrelay/capacity.h"
#include "wsrelay/limits.h"
#include "wsrelay/loop.h"
#include "wsrelay/metrics.h"
#include "wsrelay/share.h"
#include "wsrelay/tally.h"

enum { LIMIT = 10, MOST = 45, MINUTE = 60000 };

static int64_t clock_ms;

int64_t
loop_now(void)
{
	return clock_ms;
}

int64_t
loop_wall(void)
{
	return clock_ms;
}

void
loop_timer(struct timer *t, int64_t ms)
{
	(void)t;
	(void)ms;
}

const struct dialect *
dialect_at(int i)
{
	static const struct dialect some = {.surface = "whatsapp"};

	(void)i;
	return &some;
}

bool
http_list_next(struct slice *list, struct slice *item)
{
	(void)list;
	(void)item;
	return false;
}

static struct metrics counted;
struct metrics *metrics = &counted;

void
metrics_add(struct metrics *sum, const struct metrics *one)
{
	(void)sum;
	(void)one;
}

static int
set_up(void **state)
{
	int fd;

	(void)state;
	setenv("ROOKERY_CONF", "/dev/null", 1);
	setenv("ROOKERY_RELAY_NEW_PER_ACCOUNT", "10", 1);
	setenv("ROOKERY_RELAY_MAX_PER_ACCOUNT", "100", 1);
	return sodium_init() < 0 || conf_load(NULL) || share_create(&fd, 100);
}

/* ---- an account with many devices ------------------------------------------------------------ */

struct account_of_many {
	uint64_t key;
	int64_t at[MOST]; /* when it comes */
	int n, came, refused;
};

/* A relay's process, and the account as another one each time. */
static void
begin(struct account_of_many *a, int n, int64_t now)
{
	struct uid id;

	clock_ms = now;
	memset(share->slot, 0, sizeof(share->slot));
	memset(share->tally, 0, (size_t)2 * TALLY_KINDS * share->tally_size * sizeof(struct tally));
	share_take(0, 0);
	randombytes_buf(&id, sizeof(id));
	*a = (struct account_of_many){.key = limits_account(0, id), .n = n};
}

static int
compare(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return a < b ? -1 : a > b;
}

/* Until then everybody comes when told; whoever is refused is told anew, and counted. */
static void
come_until(struct account_of_many *a, int64_t end)
{
	while (a->came < a->n) {
		int64_t *next = a->at + a->came;

		qsort(next, (size_t)(a->n - a->came), sizeof(*next), compare);
		if (*next > end)
			break;
		clock_ms = *next;
		if (!limits_account_full(0, a->key)) {
			tally_add(TALLY_ACCOUNT, a->key, true);
			a->came++;
			continue;
		}
		a->refused++;
		*next = clock_ms + capacity_delay_ms(0, a->key, true);
		assert_true(a->refused < 10 * MOST);
	}
}

static void
come_back(struct account_of_many *a)
{
	come_until(a, INT64_MAX);
}

/* So many more are sent away now. */
static void
send_away(struct account_of_many *a, int n)
{
	for (; n; n--) {
		a->at[a->n++] = clock_ms + capacity_delay_ms(0, a->key, true);
		tally_drop(TALLY_ACCOUNT, a->key);
	}
}

static void
those_sent_away_are_let_in_when_they_come_as_told(void **state)
{
	struct account_of_many a;

	(void)state;
	for (int round = 0; round < 500; round++) {
		begin(&a, 1 + (int)randombytes_uniform(MOST),
		    MINUTE * 100 + randombytes_uniform(MINUTE - 2 * MOST));
		for (int i = 0; i < a.n; i++) /* some of them came just now */
			tally_add(TALLY_ACCOUNT, a.key, i < LIMIT && round % 2);
		for (int i = 0; i < a.n; i++) {
			a.at[i] = clock_ms + capacity_delay_ms(0, a.key, true);
			tally_drop(TALLY_ACCOUNT, a.key);
			clock_ms += round % 3; /* they are sent away one after the other */
		}
		come_back(&a);
		assert_int_equal(a.refused, 0);
		assert_int_equal(tally_count(TALLY_ACCOUNT, a.key), a.n);
	}
}

/* Some are sent away in a minute whose places are gone, and the others in one after it, by another
 * process, perhaps before those of the first have come. */
static void
those_told_in_the_minute_before_have_their_places(void **state)
{
	struct account_of_many a;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		int first = 1 + (int)randombytes_uniform(15);
		int second = 1 + (int)randombytes_uniform(15);

		begin(&a, 0, MINUTE * 100 + randombytes_uniform(MINUTE));
		share_take(1, 1);
		for (int i = 0; i < second; i++)
			tally_add(TALLY_ACCOUNT, a.key, i < 3);
		share_take(0, 0);
		for (int i = 0; i < first; i++)
			tally_add(TALLY_ACCOUNT, a.key, i < LIMIT - 3);
		send_away(&a, first);
		if (round % 2) {
			come_until(&a, MINUTE * 101 + randombytes_uniform(2 * MINUTE));
			clock_ms += MINUTE * 101 > clock_ms ? MINUTE * 101 - clock_ms : 0;
		} else {
			clock_ms = MINUTE * 101;
		}
		assert_int_equal(a.refused, 0);
		share_take(1, 1);
		send_away(&a, second);
		come_back(&a);
		assert_int_equal(a.refused, 0);
	}
}

/* They all come at once: a minute's number is let in, the others are told, and then nobody is
 * refused again. */
static void
who_is_refused_is_refused_once(void **state)
{
	struct account_of_many a;

	(void)state;
	for (int round = 0; round < 500; round++) {
		begin(&a, MOST, MINUTE * 100 + randombytes_uniform(MINUTE));
		for (int i = 0; i < a.n; i++)
			a.at[i] = clock_ms;
		come_back(&a);
		assert_int_equal(a.refused, MOST - LIMIT);
		assert_in_range(a.at[MOST - 1] - MINUTE * 100, (MOST / LIMIT) * MINUTE,
		    (MOST / LIMIT + 1) * MINUTE);
	}
}

/* What is said at the sign-in serves when all are cut off at that moment: here, in the same minute
 * in which the last place was taken. */
static void
whoever_took_the_last_place_is_let_in_in_the_next_minute(void **state)
{
	struct account_of_many a;

	(void)state;
	for (int round = 0; round < 500; round++) {
		begin(&a, 1, MINUTE * 100 + randombytes_uniform(MINUTE));
		for (int i = 0; i < LIMIT; i++) {
			assert_null(limits_account_full(0, a.key));
			tally_add(TALLY_ACCOUNT, a.key, true);
			a.at[0] = clock_ms + capacity_delay_ms(0, a.key, false);
			tally_drop(TALLY_ACCOUNT, a.key);
			assert_true(i == LIMIT - 1 || a.at[0] <= clock_ms + 100);
		}
		assert_non_null(limits_account_full(0, a.key));
		assert_true(capacity_delay_ms(0, a.key, true) >= tally_minute_left());
		come_back(&a);
		assert_int_equal(a.refused, 0);
	}
}

static void
without_a_limit_only_the_capacity_counts(void **state)
{
	struct account_of_many a;

	(void)state;
	setenv("ROOKERY_RELAY_NEW_PER_ACCOUNT", "0", 1);
	assert_int_equal(conf_load(NULL), 0);
	begin(&a, MOST, MINUTE * 100);
	for (int i = 0; i < MOST; i++) {
		tally_add(TALLY_ACCOUNT, a.key, true);
		assert_in_range(capacity_delay_ms(0, a.key, true), 0, 100);
	}
	setenv("ROOKERY_RELAY_NEW_PER_ACCOUNT", "10", 1);
	assert_int_equal(conf_load(NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(those_sent_away_are_let_in_when_they_come_as_told),
	    cmocka_unit_test(those_told_in_the_minute_before_have_their_places),
	    cmocka_unit_test(who_is_refused_is_refused_once),
	    cmocka_unit_test(whoever_took_the_last_place_is_let_in_in_the_next_minute),
	    cmocka_unit_test(without_a_limit_only_the_capacity_counts),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
