/* What the members' answers say about the ensemble. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "client/cli/verdict.h"
#include "shared/error.h"

static struct synod_member_status
member(uint64_t id, const char *role, uint64_t applied, const char *hash)
{
	return (struct synod_member_status){
		.member_id = id,
		.name = role,
		.role = role,
		.applied = applied,
		.chosen = applied,
		.state_hash = hash,
		.voters = 3,
	};
}

static struct synod_member_status
unreachable(void)
{
	return (struct synod_member_status){.error = SYNOD_TIMEOUT};
}

static struct verdict
judge(struct synod_member_status *members, size_t count)
{
	struct synod_status status = {.members = members, .member_count = count};
	struct verdict verdict;

	verdict_of(&status, &verdict);
	return verdict;
}

static void
is_settled_when_all_agree_at_one_slot(void **state)
{
	struct synod_member_status members[] = {
		member(1, "leader", 10, "aa"),
		member(2, "follower", 10, "aa"),
		member(3, "follower", 10, "aa"),
	};
	struct verdict verdict = judge(members, 3);

	(void)state;
	assert_int_equal(verdict.reachable, 3);
	assert_int_equal(verdict.more_may_fail, 1);
	assert_int_equal(verdict.hashes, HASHES_AGREE);
	assert_int_equal(verdict.hash_slot, 10);
	assert_int_equal(verdict.hash_members, 3);
	assert_true(verdict_is_settled(&verdict));
}

static void
compares_hashes_at_equal_slots_only(void **state)
{
	struct synod_member_status members[] = {
		member(1, "leader", 12, "cc"),
		member(2, "follower", 11, "bb"),
		member(3, "follower", 10, "aa"),
	};
	struct verdict verdict = judge(members, 3);

	(void)state;
	assert_int_equal(verdict.hashes, HASHES_NOT_COMPARABLE);
	assert_false(verdict_is_settled(&verdict));
	members[2] = member(3, "follower", 11, "bb");
	verdict = judge(members, 3);
	assert_int_equal(verdict.hashes, HASHES_AGREE);
	assert_int_equal(verdict.hash_slot, 11);
	assert_int_equal(verdict.hash_members, 2);
	assert_false(verdict_is_settled(&verdict));
}

static void
reports_hashes_that_differ_even_if_others_agree(void **state)
{
	struct synod_member_status members[] = {
		member(1, "leader", 10, "aa"),
		member(2, "follower", 10, "aa"),
		member(3, "follower", 10, "bb"),
	};
	struct verdict verdict = judge(members, 3);

	(void)state;
	assert_int_equal(verdict.hashes, HASHES_DIFFER);
	assert_int_equal(verdict.hash_slot, 10);
	assert_false(verdict_is_settled(&verdict));
}

static void
sees_a_lost_quorum(void **state)
{
	struct synod_member_status members[] = {
		member(1, "candidate", 10, "aa"),
		unreachable(),
		unreachable(),
	};
	struct verdict verdict = judge(members, 3);

	(void)state;
	assert_int_equal(verdict.reachable, 1);
	assert_int_equal(verdict.voters, 3);
	assert_false(verdict.has_quorum);
	assert_null(verdict.leader);
	assert_int_equal(verdict.more_may_fail, 0);
}

static void
counts_a_member_with_two_addresses_once(void **state)
{
	struct synod_member_status members[] = {
		member(1, "leader", 10, "aa"),
		member(1, "leader", 10, "aa"),
		unreachable(),
	};
	struct verdict verdict = judge(members, 3);

	(void)state;
	assert_int_equal(verdict.reachable, 1);
	assert_false(verdict.has_quorum);
	assert_int_equal(verdict.hashes, HASHES_NOT_COMPARABLE);
}

static void
needs_no_comparison_with_one_voter(void **state)
{
	struct synod_member_status members[] = {member(1, "leader", 10, "aa")};
	struct verdict verdict;

	(void)state;
	members[0].voters = 1;
	verdict = judge(members, 1);
	assert_true(verdict.has_quorum);
	assert_true(verdict_is_settled(&verdict));
}

static void
knows_nothing_of_an_ensemble_that_does_not_answer(void **state)
{
	struct synod_member_status members[] = {unreachable()};
	struct verdict verdict = judge(members, 1);

	(void)state;
	assert_false(verdict.has_quorum);
	assert_false(verdict_is_settled(&verdict));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_settled_when_all_agree_at_one_slot),
		cmocka_unit_test(compares_hashes_at_equal_slots_only),
		cmocka_unit_test(reports_hashes_that_differ_even_if_others_agree),
		cmocka_unit_test(sees_a_lost_quorum),
		cmocka_unit_test(counts_a_member_with_two_addresses_once),
		cmocka_unit_test(needs_no_comparison_with_one_voter),
		cmocka_unit_test(knows_nothing_of_an_ensemble_that_does_not_answer),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
