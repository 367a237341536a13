/*
 * Order and cursors.  The last test is the one that counts: a stream with events out of order,
 * twice, late and with members that take their time goes through one relay after the other, a
 * client wanders between them with nothing but its cursor, and must receive everything once, and
 * the messages of a conversation in their order.
 */
#include "ws_order.h"

#include <sodium.h>
#include <stdio.h>

/* ---- order ---------------------------------------------------------------------------------- */

static void
waits_for_the_missing_message(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	order_feed(r.order, event(1, 1, 1, 1, -1));
	order_feed(r.order, event(2, 2, 1, 3, -1));
	order_feed(r.order, event(3, 3, 1, 0, -1)); /* of the same conversation: stays behind it */
	order_feed(r.order, event(4, 4, 2, 1, -1)); /* another one goes past */
	order_pump(r.order, 10, true);
	EXPECT(&r, 1, 4);
	assert_in_range(order_wait(r.order), 1, GAP_MS);
	order_feed(r.order, event(5, 5, 1, 2, -1));
	order_pump(r.order, 20, true);
	EXPECT(&r, 1, 4, 5, 2, 3);
	assert_int_equal(order_counts(r.order)->gaps_waited, 1);
	assert_int_equal(order_counts(r.order)->gaps_given_up, 0);
	assert_int_equal(order_wait(r.order), -1);
	order_free(r.order);
}

static void
gives_a_gap_up(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	order_feed(r.order, event(1, 1, 1, 1, -1));
	order_feed(r.order, event(2, 2, 1, 3, -1));
	order_pump(r.order, 1, true);
	order_pump(r.order, GAP_MS, true);
	EXPECT(&r, 1);
	order_pump(r.order, 1000, false); /* we were asleep: there is more to read */
	EXPECT(&r, 1);
	order_pump(r.order, 1001, true);
	EXPECT(&r, 1, 2);
	order_feed(r.order, event(3, 3, 1, 2, -1)); /* late, but not lost */
	order_feed(r.order, event(4, 4, 1, 4, -1));
	order_pump(r.order, 1001, true);
	EXPECT(&r, 1, 2, 3, 4);
	assert_int_equal(order_counts(r.order)->late, 1);
	/* When the past is read, the stream's own time counts. */
	order_feed(r.order, event(5, 5, 1, 6, -1));
	order_feed(r.order, event(6, 6 + GAP_MS, 2, 1, -1));
	order_pump(r.order, 1001, true);
	EXPECT(&r, 1, 2, 3, 4, 6, 5);
	order_free(r.order);
}

static void
waits_a_moment_while_the_past_is_read(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	order_warm_until(r.order, 3);
	order_feed(r.order, event(1, 1, 1, 8, -1));
	order_feed(r.order, event(2, 1, 1, 7, -1));
	order_feed(r.order, event(3, 2, 2, 1, -1)); /* before the first there is nothing */
	order_pump(r.order, 1, true);
	EXPECT(&r, 3);
	assert_in_range(order_wait(r.order), 1, 20);
	order_pump(r.order, 1 + order_wait(r.order), true);
	EXPECT(&r, 3, 2, 1);
	assert_int_equal(order_counts(r.order)->gaps_given_up, 0);
	order_feed(r.order, event(4, 3, 1, 9, -1));
	order_pump(r.order, 0, true);
	EXPECT(&r, 3, 2, 1, 4);
	order_free(r.order);
}

/* Its app died before it published the first message, or Redis was gone; the sweeper brings it. */
static void
waits_for_a_message_that_may_be_missing_where_nothing_is_remembered(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	r.predecessor = PREDECESSOR_ASKED;
	order_feed(r.order, event(1, 1, 1, 2, -1));
	order_pump(r.order, 1, true);
	order_pump(r.order, GAP_MS / 2, true);
	assert_int_equal(r.n, 0);
	assert_false(order_settled(r.order));
	r.predecessor = PREDECESSOR_NEAR;
	order_pump(r.order, GAP_MS / 2 + 1, true);
	assert_int_equal(r.n, 0);
	order_feed(r.order, event(2, 2, 1, 1, -1));
	order_pump(r.order, GAP_MS / 2 + 2, true);
	EXPECT(&r, 2, 1);
	assert_int_equal(order_counts(r.order)->late, 0);
	order_feed(r.order, event(3, 3, 2, 5, -1));
	order_pump(r.order, GAP_MS, true);
	EXPECT(&r, 2, 1);
	r.predecessor = PREDECESSOR_OLD; /* it went out long ago */
	order_pump(r.order, GAP_MS + 1, true);
	EXPECT(&r, 2, 1, 3);
	assert_int_equal(order_counts(r.order)->gaps_given_up, 0);
	order_free(r.order);
}

/* The one before went out before this relay began: to publish it again would double it. */
static void
asks_for_nothing_while_it_may_have_gone_out_long_ago(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	order_set_gap(r.order, 10 * GAP_MS);
	r.predecessor = PREDECESSOR_ASKED;
	order_feed(r.order, event(1, 1, 1, 3, -1));
	for (int ms = 1; ms < 5 * GAP_MS; ms += GAP_MS / 4)
		order_pump(r.order, ms, true);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.asked, 0);
	r.predecessor = PREDECESSOR_NEAR;
	order_pump(r.order, 5 * GAP_MS, true);
	assert_int_equal(r.asked, 1);
	assert_int_equal(r.from, 2);
	assert_int_equal(r.to, 2);
	order_free(r.order);
}

static void
learns_that_a_message_will_never_come(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	order_set_gap(r.order, 100000);
	order_feed(r.order, event(1, 1, 1, 1, -1));
	order_feed(r.order, event(2, 2, 1, 5, -1));
	for (int64_t now = 10; now < 100; now += 10)
		order_pump(r.order, now, true);
	assert_int_equal(r.asked, 0); /* workers are not that punctual */
	for (int64_t now = 100; now < 300; now += 10)
		order_pump(r.order, now, true);
	EXPECT(&r, 1);
	assert_int_equal(r.asked, 1);
	assert_int_equal(r.from, 2);
	assert_int_equal(r.to, 4);
	order_gone(r.order, (struct uid){7, 1}, 2); /* 3 and 4 will come */
	order_pump(r.order, 310, true);
	EXPECT(&r, 1);
	order_feed(r.order, event(3, 3, 1, 3, -1));
	order_feed(r.order, event(4, 4, 1, 4, -1));
	order_pump(r.order, 320, true);
	EXPECT(&r, 1, 3, 4, 2);
	order_feed(r.order, event(5, 5, 1, 7, -1));
	order_pump(r.order, 330, true);
	order_gone(r.order, (struct uid){7, 1}, 6);
	order_gone(r.order, (struct uid){7, 9}, 6); /* nobody knows it */
	order_pump(r.order, 340, true);
	EXPECT(&r, 1, 3, 4, 2, 5);
	assert_int_equal(order_counts(r.order)->gaps_given_up, 0);
	order_free(r.order);
}

static void
drops_duplicates(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	order_feed(r.order, event(1, 1, 1, 1, -1));
	order_feed(r.order, event(2, 2, 1, 3, -1));
	order_feed(r.order, event(2, 3, 1, 3, -1)); /* while the first one is held */
	order_feed(r.order, event(1, 4, 1, 1, -1));
	order_feed(r.order, event(3, 5, 1, 2, -1));
	order_feed(r.order, event(2, 6, 1, 3, -1));
	order_pump(r.order, 0, true);
	EXPECT(&r, 1, 3, 2);
	assert_int_equal(order_counts(r.order)->duplicates, 3);
	assert_int_equal(order_backlog(r.order), 0);
	order_free(r.order);
}

static void
holds_no_more_than_a_cursor_can_say(void **state)
{
	struct relay r;
	struct cursor c;

	(void)state;
	open_relay(&r, 100);
	for (unsigned i = 1; i <= CURSOR_HOLDS + 5; i++)
		order_feed(r.order, event(i, i, i, 1, 1));
	order_feed(r.order, event(99, 99, 0, 0, -1));
	order_pump(r.order, 0, true);
	assert_int_equal(r.n, 0); /* even what is for nobody in particular waits now */
	order_cursor(r.order, &c);
	assert_int_equal(c.holds, CURSOR_HOLDS);
	assert_int_equal(c.at.ms, CURSOR_HOLDS);
	r.ignorance = 0;
	order_pump(r.order, 0, true);
	assert_int_equal(r.n, CURSOR_HOLDS + 6);
	order_cursor(r.order, &c);
	assert_int_equal(c.holds, 0);
	assert_int_equal(c.at.ms, 99);
	order_free(r.order);
}

/* ---- cursors -------------------------------------------------------------------------------- */

static void
cursors_survive_as_text(void **state)
{
	struct cursor a = {.at = {1000, 7},
	    .holds = 2,
	    .hold = {{0xfeedfacecafebeef, {900, 1}, 41}, {0, {950, 0}, 0}}};
	struct cursor b = {.at = {950, 3}};
	struct epoch epoch, other;
	struct cursor_set set = {0}, back;
	char text[CURSOR_TEXT];
	size_t n;

	(void)state;
	epoch_derive("random", 6, &epoch);
	epoch_derive("another", 7, &other);
	assert_true(cursor_set_add(&set, &a));
	n = cursor_format(&set, &b, &epoch, text);
	assert_int_equal(n, strlen(text));
	assert_int_equal(
	    strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~"), n);
	assert_int_equal(cursor_parse(text, n, &epoch, &back), 0);
	assert_int_equal(back.parts, 1); /* what neither had received */
	assert_int_equal(back.part[0].at.n, 7);
	assert_int_equal(back.part[0].holds, 1);
	assert_true(back.part[0].hold[0].tag == 0xfeedfacecafebeef);
	assert_int_equal(back.part[0].hold[0].from.n, 4);
	assert_int_equal(back.part[0].hold[0].last, 41);
	n = cursor_format(&set, NULL, &epoch, text);
	assert_int_equal(cursor_parse(text, n, &epoch, &back), 0);
	assert_memory_equal(back.part[0].hold, a.hold, 2 * sizeof(a.hold[0]));
	assert_int_equal(cursor_parse(text, n, &other, &back), -1);
	for (size_t i = 0; i < n;
	     i++) /* cut anywhere it is another valid cursor or none, but nothing breaks */
		cursor_parse(text, i, &epoch, &back);
	text[EPOCH_TEXT + 20] ^= 1; /* holds are sealed */
	assert_int_equal(cursor_parse(text, n, &epoch, &back), -1);
	assert_int_equal(cursor_parse("", 0, &epoch, &back), -1);
	n = (size_t)snprintf(text, sizeof(text), "%s.1-2-3", epoch.name);
	assert_int_equal(cursor_parse(text, n, &epoch, &back), -1);
	n = (size_t)snprintf(text, sizeof(text), "%s.99999999999999999999-0", epoch.name);
	assert_int_equal(cursor_parse(text, n, &epoch, &back), -1);
	n = (size_t)snprintf(text, sizeof(text), "%s.1-1~1-2~", epoch.name);
	assert_int_equal(cursor_parse(text, n, &epoch, &back), -1);
}

/* ---- a client that wanders ------------------------------------------------------------------ */

struct world {
	struct {
		unsigned number, conversation;
		int64_t seq, version;
	} entry[ENTRIES];
	int n;
	bool whole; /* no gap is ever given up */
};

struct key { /* where an entry is published: workers are a few ms apart */
	int at, entry;
};

static int
compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	return x->at != y->at ? x->at - y->at : x->entry - y->entry;
}

static void
shuffle(struct world *w)
{
	static struct world before;
	struct key key[ENTRIES];

	before = *w;
	for (int i = 0; i < w->n; i++)
		key[i] = (struct key){i + (int)chance(4), i};
	qsort(key, (size_t)w->n, sizeof(*key), compare_keys);
	for (int i = 0; i < w->n; i++)
		w->entry[i] = before.entry[key[i].entry];
}

static void
make_world(struct world *w)
{
	int64_t seq[CONVERSATIONS + 1] = {0};

	memset(w, 0, sizeof(*w));
	for (unsigned i = 0; i < EVENTS; i++) {
		unsigned c = chance(CONVERSATIONS + 1);
		bool message = c && chance(3);

		w->entry[w->n].number = i;
		w->entry[w->n].conversation = c;
		w->entry[w->n].seq = message ? ++seq[c] : 0;
		w->entry[w->n++].version = c && chance(2) ? 1 : -1;
		if (chance(10) == 0 && i) { /* the sweeper adds one again */
			int again = (int)chance((uint32_t)w->n);

			w->entry[w->n] = w->entry[again];
			w->n++;
		}
	}
	shuffle(w);
}

/* The stream goes through a relay that is as slow and as ignorant as chance wants. */
static void
run(const struct world *w, struct relay *r)
{
	int64_t now = 0;

	open_relay(r, chance(2) ? chance(95) : 0);
	order_set_gap(r->order, w->whole ? INT32_MAX : GAP_MS);
	for (int i = 0; i < w->n; i++) {
		struct rt_event *ev = event(w->entry[i].number, (uint64_t)i + 1,
		    w->entry[i].conversation, w->entry[i].seq, w->entry[i].version);

		order_feed(r->order, ev);
		if (chance(4) == 0)
			order_pump(r->order, now, true);
		now += chance(w->whole ? 2 : 60); /* slower than the stream: time to wait */
	}
	r->ignorance = 0;
	order_pump(r->order, now + (w->whole ? 0 : 10 * GAP_MS), true);
}

struct client {
	int got[EVENTS];
	int64_t seq[CONVERSATIONS + 1];
	bool any;
	struct cursor_set set;
	char cursor[CURSOR_TEXT];
};

static void
receive(struct client *c, const struct world *w, unsigned number)
{
	c->got[number]++;
	for (int i = 0; w->whole && i < w->n; i++) {
		if (w->entry[i].number != number || !w->entry[i].seq)
			continue;
		assert_int_equal(w->entry[i].seq, c->seq[w->entry[i].conversation] + 1);
		c->seq[w->entry[i].conversation]++;
		return;
	}
}

static bool
has_received(const struct client *c, const struct world *w, const struct relay *r, int at)
{
	for (int i = 0; i < w->n; i++)
		if (w->entry[i].number == (unsigned)r->out[at])
			return cursor_set_covers(&c->set, (struct rt_pos){(uint64_t)i + 1, 0},
			    w->entry[i].conversation, w->entry[i].seq);
	return false;
}

/* What deliver.c does: the union of cursors until the log's own one says it all. */
static void
go_along(struct client *c, const struct world *w, const struct relay *r, int until,
    const struct epoch *epoch)
{
	for (int i = 0; i < until; i++) {
		if (has_received(c, w, r, i))
			continue;
		receive(c, w, (unsigned)r->out[i]);
		for (int k = 0; k < c->set.parts; k++) {
			if (!cursor_contains(&r->cursor[i], &c->set.part[k])) {
				struct cursor_set sum = c->set;

				assert_true(cursor_set_add(&sum, &r->cursor[i]));
				cursor_format(&sum, NULL, epoch, c->cursor);
				goto next;
			}
		}
		c->set.parts = 0;
		cursor_format(NULL, &r->cursor[i], epoch, c->cursor);
	next:;
	}
}

static void
wander(bool whole)
{
	static struct world w;
	static struct relay r;
	static struct client c;
	struct epoch epoch;

	epoch_derive("e", 1, &epoch);
	make_world(&w);
	w.whole = whole;
	memset(&c, 0, sizeof(c));
	for (int hops = 0, until = 0; hops < 12 || until < r.n; hops++) {
		run(&w, &r);
		until = hops < 12 ? (int)chance((uint32_t)r.n + 1) : r.n;
		if (*c.cursor)
			assert_int_equal(
			    cursor_parse(c.cursor, strlen(c.cursor), &epoch, &c.set), 0);
		go_along(&c, &w, &r, until, &epoch);
		order_free(r.order);
	}
	for (int i = 0; i < EVENTS; i++)
		if (c.got[i] != 1)
			fail_msg("event %d was received %d times", i, c.got[i]);
}

static void
nothing_lost_nothing_twice_in_order(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		wander(true);
}

static void
nothing_lost_nothing_twice_when_gaps_are_given_up(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		wander(false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_for_the_missing_message),
	    cmocka_unit_test(gives_a_gap_up),
	    cmocka_unit_test(waits_a_moment_while_the_past_is_read),
	    cmocka_unit_test(waits_for_a_message_that_may_be_missing_where_nothing_is_remembered),
	    cmocka_unit_test(asks_for_nothing_while_it_may_have_gone_out_long_ago),
	    cmocka_unit_test(learns_that_a_message_will_never_come),
	    cmocka_unit_test(drops_duplicates),
	    cmocka_unit_test(holds_no_more_than_a_cursor_can_say),
	    cmocka_unit_test(cursors_survive_as_text),
	    cmocka_unit_test(nothing_lost_nothing_twice_in_order),
	    cmocka_unit_test(nothing_lost_nothing_twice_when_gaps_are_given_up),
	};

	if (sodium_init() < 0)
		return 1;
	randombytes_buf(&seed, sizeof(seed));
	if (getenv("SEED"))
		seed = strtoull(getenv("SEED"), NULL, 0);
	print_message("SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
