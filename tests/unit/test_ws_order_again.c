/* Order in another stream, and of what comes again: nobody is waited for who was here. */
#include "ws_order.h"

/* The stream was lost, and what went into the new one was delivered before. */
static struct order *
replaced(struct relay *r)
{
	struct order *old = r->order;

	r->order = order_new(&ops, r, GAP_MS);
	order_inherit(r->order, old);
	return old;
}

static void
goes_on_in_another_stream_where_it_was(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	r.predecessor = PREDECESSOR_OLD;
	order_feed(r.order, event(1, 1, 1, 7, -1));
	order_feed(r.order, event(2, 2, 1, 8, -1));
	order_feed(r.order, event(3, 3, 2, 1, -1));
	order_feed(r.order, event(4, 4, 3, 1, -1));
	order_feed(r.order, event(5, 5, 3, 3, -1)); /* is held when the stream is lost */
	order_pump(r.order, 1, true);
	EXPECT(&r, 1, 2, 3, 4);
	order_free(replaced(&r));
	r.predecessor = PREDECESSOR_NEAR;
	order_feed(r.order, event(2, 100, 1, 8, -1)); /* the sweeper repeats the last ones */
	order_feed(r.order, event(6, 101, 1, 9, -1));
	order_feed(r.order, event(7, 102, 2, 2, -1));
	order_pump(r.order, 1000, true);
	EXPECT(&r, 1, 2, 3, 4, 6, 7);
	assert_int_equal(order_wait(r.order), -1);
	assert_int_equal(order_counts(r.order)->gaps_waited, 0);
	order_feed(r.order, event(8, 103, 3, 2, -1)); /* what 5 waited for; 5 was synchronised */
	order_feed(r.order, event(5, 104, 3, 3, -1));
	order_feed(r.order, event(9, 105, 3, 4, -1));
	order_pump(r.order, 1001, true);
	EXPECT(&r, 1, 2, 3, 4, 6, 7, 8, 9);
	assert_int_equal(order_backlog(r.order), 0);
	order_free(r.order);
}

/* The conversation was forgotten, and its last message, which seems to be missing, is published
 * again. */
static void
learns_from_a_duplicate_that_nothing_is_missing(void **state)
{
	enum { OTHERS = 65536 };
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	order_set_gap(r.order, 100 * GAP_MS);
	order_feed(r.order, event(1, 1, 1, 1, -1));
	order_pump(r.order, 1, true);
	for (unsigned i = 0; i < OTHERS; i++) {
		order_feed(r.order, event(10 + i, 2, 10 + i, 1, -1));
		order_pump(r.order, 1, true);
		r.n = 1;
	}
	order_feed(r.order, event(2, 3, 1, 2, -1));
	for (int ms = 1; ms < 500 && !r.asked; ms += 50)
		order_pump(r.order, ms, true);
	EXPECT(&r, 1);
	assert_int_equal(r.asked, 1);
	assert_int_equal(r.from, 1);
	order_feed(r.order, event(1, 4, 1, 1, -1));
	order_pump(r.order, 500, true);
	EXPECT(&r, 1, 2);
	assert_int_equal(order_counts(r.order)->gaps_given_up, 0);
	order_free(r.order);
}

/* While it is held itself, its second copy says nothing. */
static void
is_not_misled_by_the_copy_of_what_is_held(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	order_feed(r.order, event(1, 1, 1, 1, -1));
	order_feed(r.order, event(3, 2, 1, 3, -1));
	order_feed(r.order, event(4, 3, 1, 4, -1));
	order_feed(r.order, event(4, 4, 1, 4, -1));
	order_feed(r.order, event(3, 5, 1, 3, -1));
	order_pump(r.order, 1, true);
	EXPECT(&r, 1);
	order_feed(r.order, event(2, 6, 1, 2, -1));
	order_pump(r.order, 2, true);
	EXPECT(&r, 1, 2, 3, 4);
	order_free(r.order);
}

/* A process begins with what the stream still has: of each conversation one message is looked up,
 * and with the answers all of it goes through at once. */
static void
a_long_past_takes_one_look_a_conversation(void **state)
{
	enum { PAST = ENTRIES, TALKS = 100, EDGE = 7 };
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	r.predecessor = PREDECESSOR_ASKED;
	order_edge(r.order, EDGE);
	for (unsigned i = 0; i < PAST; i++)
		order_feed(r.order, event(i + 1, EDGE + i / 10, 1 + i % TALKS, 50 + i / TALKS, -1));
	order_pump(r.order, 1, true);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.looked, TALKS);
	assert_int_equal(r.edge, EDGE);
	assert_false(order_settled(r.order));
	r.predecessor = PREDECESSOR_OLD;
	order_pump(r.order, 2, true);
	assert_true(order_settled(r.order));
	assert_int_equal(r.n, PAST);
	assert_int_equal(r.looked, TALKS);
	assert_int_equal(r.asked, 0);
	for (int i = 0, last[TALKS] = {0}; i < PAST; i++) {
		assert_true(r.out[i] > last[r.out[i] % TALKS]);
		last[r.out[i] % TALKS] = r.out[i];
	}
	order_free(r.order);
}

/* A stream that was made anew while everybody talked: of each conversation the message before the
 * first one may be missing, and the sweeper has put it behind all of them.  No more than
 * CURSOR_HOLDS can be held; the others take no time. */
static void
reads_a_past_full_of_gaps_without_pausing(void **state)
{
	enum { TALKS = 5 * CURSOR_HOLDS };
	struct relay r;
	int in_order = 0, at[2 * TALKS + 1];

	(void)state;
	open_relay(&r, 0);
	r.predecessor = PREDECESSOR_ASKED;
	order_past(r.order, true);
	for (unsigned i = 1; i <= TALKS; i++)
		order_feed(r.order, event(i, i, i, 2, -1));
	for (unsigned i = 1; i <= TALKS; i++)
		order_feed(r.order, event(TALKS + i, TALKS + i, i, 1, -1));
	order_pump(r.order, 1, true);
	assert_int_equal(r.n, 0); /* it is being looked up whether they wait for anything */
	r.predecessor = PREDECESSOR_NEAR;
	order_pump(r.order, 1, true);
	assert_int_equal(r.n, 2 * TALKS);
	assert_int_equal(order_backlog(r.order), 0);
	for (int i = 0; i < r.n; i++)
		at[r.out[i]] = i;
	for (int i = 1; i <= TALKS; i++)
		in_order += at[TALKS + i] < at[i];
	assert_int_equal(order_counts(r.order)->gaps_given_up + (uint64_t)in_order, TALKS);
	order_free(r.order);
}

static void
waits_in_the_present_although_there_is_no_room(void **state)
{
	struct relay r;

	(void)state;
	open_relay(&r, 0);
	for (unsigned i = 1; i <= CURSOR_HOLDS + 1; i++)
		order_feed(r.order, event(i, 1, i, 8, -1));
	order_pump(r.order, 1, true);
	assert_int_equal(r.n, 0);
	assert_int_equal(order_backlog(r.order), CURSOR_HOLDS + 1);
	order_past(r.order, true);
	order_pump(r.order, 1, true);
	EXPECT(&r, 1); /* and there is room for all others */
	assert_in_range(order_wait(r.order), 1, GAP_MS);
	order_free(r.order);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(goes_on_in_another_stream_where_it_was),
	    cmocka_unit_test(learns_from_a_duplicate_that_nothing_is_missing),
	    cmocka_unit_test(is_not_misled_by_the_copy_of_what_is_held),
	    cmocka_unit_test(a_long_past_takes_one_look_a_conversation),
	    cmocka_unit_test(reads_a_past_full_of_gaps_without_pausing),
	    cmocka_unit_test(waits_in_the_present_although_there_is_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
