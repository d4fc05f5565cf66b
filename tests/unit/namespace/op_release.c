/* RELEASE. */
#include "tests/unit/namespace/parties.h"

static void
hands_over_in_one_revision(void **state)
{
	struct fixture fixture;
	struct party parties[3];
	struct told changes;
	uint64_t token;

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < 3; i++)
		parties[i] = join(&fixture, i);
	token = take(&fixture, &parties[0], "/lock");
	wait_for(&fixture, &parties[1], "/lock");
	wait_for(&fixture, &parties[2], "/lock");
	assert_int_equal(release(&fixture, &parties[0], "/lock"), SYNOD_OK);
	assert_true(released(&fixture) == token);
	assert_true(fixture.applied.revision == fixture.slot);
	assert_false(exists(&fixture, "/lock/0000000000"));
	assert_true(token_of(&fixture, "/lock/0000000001") == fixture.slot);
	assert_true(token_of(&fixture, "/lock/0000000002") == 0);
	changes = told(&fixture);
	assert_int_equal(changes.count, 2);
	assert_told(&changes, 0, CHANGE_DELETED, "/lock/0000000000");
	assert_told(&changes, 1, CHANGE_GRANTED, "/lock/0000000001");
	assert_int_equal(changes.changes[0].cause, CAUSE_REQUEST);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
leaves_the_queue(void **state)
{
	struct fixture fixture;
	struct party parties[3];
	uint64_t token;

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < 3; i++)
		parties[i] = join(&fixture, i);
	token = take(&fixture, &parties[0], "/lock");
	wait_for(&fixture, &parties[1], "/lock");
	wait_for(&fixture, &parties[2], "/lock");
	assert_int_equal(release(&fixture, &parties[1], "/lock"), SYNOD_OK);
	assert_true(released(&fixture) == 0);
	assert_true(token_of(&fixture, "/lock/0000000000") == token);
	assert_true(token_of(&fixture, "/lock/0000000002") == 0);
	release(&fixture, &parties[0], "/lock");
	assert_true(token_of(&fixture, "/lock/0000000002") == fixture.slot);
	fixture_close(&fixture);
}

static void
refuses_what_is_not_held(void **state)
{
	struct fixture fixture;
	struct party parties[2];
	uint64_t token;

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < 2; i++)
		parties[i] = join(&fixture, i);
	create(&fixture, "/node");
	assert_int_equal(release(&fixture, &parties[0], "/node"), SYNOD_NOT_HELD);
	assert_int_equal(release(&fixture, &parties[0], "/lock"), SYNOD_NOT_HELD);
	token = take(&fixture, &parties[0], "/lock");
	assert_int_equal(release(&fixture, &parties[1], "/lock"), SYNOD_NOT_HELD);
	assert_int_equal(release_token(&fixture, &parties[1], "/lock", token), SYNOD_NOT_HELD);
	assert_int_equal(release_token(&fixture, &parties[0], "/lock", token - 1), SYNOD_NOT_HELD);
	assert_int_equal(release_token(&fixture, &parties[0], "/lock", token + 1), SYNOD_NOT_HELD);
	wait_for(&fixture, &parties[1], "/lock");
	assert_int_equal(release_token(&fixture, &parties[1], "/lock", token), SYNOD_NOT_HELD);
	assert_int_equal(release_token(&fixture, &parties[0], "/lock", token), SYNOD_OK);
	assert_int_equal(release(&fixture, &parties[0], "/lock"), SYNOD_NOT_HELD);
	assert_true(token_of(&fixture, "/lock/0000000001") != 0);
	fixture_close(&fixture);
}

static void
looks_at_its_conditions(void **state)
{
	struct condition condition = {.kind = CONDITION_EXISTS, .relation = RELATION_EQUAL};
	struct operation operation = {
		.op = OP_RELEASE, .path = slice_of("/lock"), .condition_count = 1};
	struct fixture fixture;
	struct party party;
	uint64_t token;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	token = take(&fixture, &party, "/lock");
	assert_int_equal(act(&fixture, &party, &operation, &condition), SYNOD_CONFLICT);
	condition.kind = CONDITION_TOKEN;
	condition.number = token + 1;
	assert_int_equal(act(&fixture, &party, &operation, &condition), SYNOD_FENCED);
	condition.number = token;
	assert_int_equal(act(&fixture, &party, &operation, &condition), SYNOD_OK);
	fixture_close(&fixture);
}

static void
lets_the_session_acquire_again_with_a_larger_token(void **state)
{
	struct fixture fixture;
	struct party party;
	uint64_t token;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	token = take(&fixture, &party, "/lock");
	for (unsigned i = 0; i < 20; i++) {
		uint64_t next;

		release(&fixture, &party, "/lock");
		assert_int_equal(acquire(&fixture, &party, "/lock"), SYNOD_OK);
		next = acquired(&fixture).token;
		assert_true(next > token);
		token = next;
	}
	assert_string_equal(acquired(&fixture).path, "/lock/0000000020");
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_over_in_one_revision),
		cmocka_unit_test(leaves_the_queue),
		cmocka_unit_test(refuses_what_is_not_held),
		cmocka_unit_test(looks_at_its_conditions),
		cmocka_unit_test(lets_the_session_acquire_again_with_a_larger_token),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
