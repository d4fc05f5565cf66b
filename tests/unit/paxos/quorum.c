/* Majorities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "server/paxos/quorum.h"

static void
any_two_quorums_share_a_voter(void **state)
{
	(void)state;
	for (unsigned voters = 1; voters <= 7; voters++) {
		assert_true(2 * quorum_size(voters) > voters);
		assert_true(2 * (quorum_size(voters) - 1) <= voters);
	}
}

/* Against the definition: how many voters have reached the value? */
static void
reached_is_the_largest_value_that_a_quorum_has(void **state)
{
	uint64_t values[7];

	(void)state;
	for (unsigned voters = 1; voters <= 7; voters++) {
		for (unsigned pattern = 0; pattern < 2187; pattern++) {
			unsigned rest = pattern, holders = 0, above = 0;
			uint64_t reached;

			for (unsigned i = 0; i < voters; i++, rest /= 3)
				values[i] = rest % 3;
			reached = quorum_reached(values, voters);
			for (unsigned i = 0; i < voters; i++) {
				holders += values[i] >= reached;
				above += values[i] > reached;
			}
			assert_true(holders >= quorum_size(voters));
			assert_true(above < quorum_size(voters));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_two_quorums_share_a_voter),
		cmocka_unit_test(reached_is_the_largest_value_that_a_quorum_has),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/quorum", tests, NULL, NULL);
}
