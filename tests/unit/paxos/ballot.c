/* Order and text of ballots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "server/paxos/ballot.h"

static void
orders_by_epoch_then_round_then_member(void **state)
{
	static const struct ballot ascending[] = {
		{0, 0, 0}, {1, 1, 1}, {1, 1, 2}, {1, 2, 1}, {1, UINT64_MAX, 9}, {2, 1, 1},
	};
	const int count = sizeof(ascending) / sizeof(ascending[0]);

	(void)state;
	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			int order = ballot_compare(ascending[i], ascending[j]);

			assert_int_equal(order < 0, i < j);
			assert_int_equal(order > 0, i > j);
			assert_int_equal(ballot_equal(ascending[i], ascending[j]), i == j);
		}
	}
}

static void
none_is_below_every_ballot(void **state)
{
	struct ballot least = {1, 1, 1};

	(void)state;
	assert_true(ballot_is_none(BALLOT_NONE));
	assert_false(ballot_is_none(least));
	assert_true(ballot_compare(BALLOT_NONE, least) < 0);
}

static void
formats_the_largest_ballot_in_its_bound(void **state)
{
	char text[BALLOT_TEXT_SIZE];

	(void)state;
	assert_string_equal(ballot_format((struct ballot){1, 7, 2}, text), "1.7.2");
	assert_string_equal(
		ballot_format((struct ballot){UINT64_MAX, UINT64_MAX, UINT64_MAX}, text),
		"18446744073709551615.18446744073709551615.18446744073709551615");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_by_epoch_then_round_then_member),
		cmocka_unit_test(none_is_below_every_ballot),
		cmocka_unit_test(formats_the_largest_ballot_in_its_bound),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/ballot", tests, NULL, NULL);
}
