/* What old completions may still vouch for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "server/paxos/durable.h"

static const struct ballot low = {1, 1, 1}, high = {1, 2, 2};

static void
nothing_is_durable_before_its_token(void **state)
{
	struct durable durable;
	uint64_t first, second;

	(void)state;
	durable_init(&durable, &(struct durable_state){low, low, 5});
	first = durable_push(&durable, &(struct durable_state){low, low, 7});
	second = durable_push(&durable, &(struct durable_state){low, low, 9});
	assert_true(second > first);
	assert_int_equal(durable.now.length, 5);
	durable_complete(&durable, first);
	assert_int_equal(durable.now.length, 7);
	assert_false(durable_is_settled(&durable));
	durable_complete(&durable, second);
	assert_int_equal(durable.now.length, 9);
	assert_true(durable_is_settled(&durable));
	durable_fini(&durable);
}

static void
one_token_completes_all_before_it(void **state)
{
	struct durable durable;
	uint64_t token = 0;

	(void)state;
	durable_init(&durable, &(struct durable_state){low, low, 0});
	for (uint64_t length = 1; length <= 1000; length++)
		token = durable_push(&durable, &(struct durable_state){low, low, length});
	durable_complete(&durable, token - 1);
	assert_int_equal(durable.now.length, 999);
	durable_complete(&durable, token);
	assert_int_equal(durable.now.length, 1000);
	durable_fini(&durable);
}

/* The append of slots 6 to 9 completes after slots 7 to 9 have been replaced. */
static void
an_old_token_does_not_vouch_for_slots_beyond_a_cut(void **state)
{
	struct durable durable;
	uint64_t append, sync;

	(void)state;
	durable_init(&durable, &(struct durable_state){high, low, 5});
	append = durable_push(&durable, &(struct durable_state){high, low, 9});
	durable_cut(&durable, 6);
	sync = durable_push(&durable, &(struct durable_state){high, high, 12});
	durable_complete(&durable, append);
	assert_int_equal(durable.now.length, 6);
	assert_true(ballot_equal(durable.now.accepted, low));
	durable_complete(&durable, sync);
	assert_int_equal(durable.now.length, 12);
	assert_true(ballot_equal(durable.now.accepted, high));
	durable_fini(&durable);
}

static void
a_cut_takes_durable_slots_back(void **state)
{
	struct durable durable;

	(void)state;
	durable_init(&durable, &(struct durable_state){high, low, 5});
	durable_cut(&durable, 3);
	assert_int_equal(durable.now.length, 3);
	durable_fini(&durable);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_durable_before_its_token),
		cmocka_unit_test(one_token_completes_all_before_it),
		cmocka_unit_test(an_old_token_does_not_vouch_for_slots_beyond_a_cut),
		cmocka_unit_test(a_cut_takes_durable_slots_back),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/durable", tests, NULL, NULL);
}
