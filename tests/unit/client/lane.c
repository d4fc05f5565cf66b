/* The order of calls, and the pauses before they are sent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "client/lane.h"
#include "shared/error.h"
#include "shared/protocol.h"

#define COUNT 5

static struct lane lane;
static struct call calls[COUNT];

static int
set_up(void **state)
{
	(void)state;
	lane_init(&lane);
	for (unsigned i = 0; i < COUNT; i++) {
		calls[i] = (struct call){.seq = i + 1};
		TAILQ_INSERT_TAIL(&lane.queue, &calls[i], link);
	}
	return 0;
}

static void
assert_order(const unsigned *expected, unsigned count)
{
	struct call *call = TAILQ_FIRST(&lane.queue);

	for (unsigned i = 0; i < count; i++) {
		assert_non_null(call);
		assert_int_equal(call->seq, expected[i]);
		call = TAILQ_NEXT(call, link);
	}
	assert_null(call);
}

static void
goes_back_to_the_first_that_was_sent(void **state)
{
	const unsigned expected[] = {1, 3, 4, 5};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(lane_send(&lane), &calls[i]);
	lane_remove(&lane, &calls[1], true);
	assert_int_equal(lane.sent_count, 2);
	lane_go_back(&lane);
	assert_order(expected, 4);
	assert_int_equal(lane.sent_count, 0);
}

static void
puts_a_number_back_in_its_place(void **state)
{
	const unsigned expected[] = {1, 2, 3, 4, 0};

	(void)state;
	calls[4].seq = 0;
	lane_remove(&lane, &calls[2], false);
	lane_insert_by_seq(&lane, &calls[2]);
	assert_order(expected, COUNT);
	lane_remove(&lane, &calls[3], false);
	lane_insert_by_seq(&lane, &calls[3]);
	assert_order(expected, COUNT);
}

static void
sends_one_at_a_time_until_one_gets_through(void **state)
{
	(void)state;
	lane_send(&lane);
	lane_send(&lane);
	lane_on_refusal(&lane, SYNOD_RETRY, 1000000, 0);
	assert_false(lane_is_open(&lane));
	lane_go_back(&lane);
	assert_true(lane_is_open(&lane));
	lane_send(&lane);
	assert_false(lane_is_open(&lane));
	lane_on_answer(&lane);
	assert_true(lane_is_open(&lane));
	assert_int_equal(lane.trouble_error, SYNOD_OK);
}

static void
pauses_for_an_eighth_of_the_trouble(void **state)
{
	static const struct {
		uint64_t after_us;
		uint64_t pause_us;
	} cases[] = {{0, 5000}, {80000, 10000}, {800000, 100000}, {10000000, 250000}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (uint64_t chance = 0; chance < 100000; chance += 1237) {
			uint64_t now_us = 1000000 + cases[i].after_us;

			lane.retry_us = 0;
			lane.trouble_since_us = 1000000;
			lane_on_refusal(&lane, SYNOD_RETRY, now_us, chance);
			assert_in_range(lane.retry_us, now_us + cases[i].pause_us * 3 / 4,
			                now_us + cases[i].pause_us * 5 / 4);
		}
	}
}

static void
does_not_pause_anew_for_each_of_many_refusals(void **state)
{
	uint64_t retry_us;

	(void)state;
	lane_on_refusal(&lane, SYNOD_RETRY, 1000000, 0);
	retry_us = lane.retry_us;
	lane_on_refusal(&lane, SYNOD_OUT_OF_ORDER, 1003000, 0);
	assert_int_equal(lane.retry_us, retry_us);
}

static void
has_the_window_of_a_session(void **state)
{
	(void)state;
	lane.sent_count = SESSION_WINDOW - 1;
	assert_true(lane_is_open(&lane));
	lane.sent_count = SESSION_WINDOW;
	assert_false(lane_is_open(&lane));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(goes_back_to_the_first_that_was_sent, set_up),
		cmocka_unit_test_setup(puts_a_number_back_in_its_place, set_up),
		cmocka_unit_test_setup(sends_one_at_a_time_until_one_gets_through, set_up),
		cmocka_unit_test_setup(pauses_for_an_eighth_of_the_trouble, set_up),
		cmocka_unit_test_setup(does_not_pause_anew_for_each_of_many_refusals, set_up),
		cmocka_unit_test_setup(has_the_window_of_a_session, set_up),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
