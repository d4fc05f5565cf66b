/* ACQUIRE. */
#include "tests/unit/namespace/parties.h"

static void
makes_the_lock_and_is_granted_at_once(void **state)
{
	struct operation operation = {
		.op = OP_ACQUIRE, .path = slice_of("/a/b/lock"), .data = slice_of("me")};
	struct fixture fixture;
	struct acquired result;
	struct node_stat stat;
	struct told changes;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	assert_int_equal(act(&fixture, &party, &operation, NULL), SYNOD_OK);
	result = acquired(&fixture);
	assert_true(result.token == fixture.slot);
	assert_true(fixture.applied.revision == fixture.slot);
	assert_string_equal(result.path, "/a/b/lock/0000000000");
	assert_int_equal(result.ahead, 0);
	stat = stat_of(&fixture, "/a/b/lock");
	assert_int_equal(stat.kind, NODE_LOCK);
	assert_int_equal(stat.mode, 1);
	assert_int_equal(stat.owner, 0);
	assert_int_equal(stat_of(&fixture, "/a/b").kind, NODE_PERSISTENT);
	stat = stat_of(&fixture, "/a/b/lock/0000000000");
	assert_int_equal(stat.kind, NODE_CONTENDER);
	assert_int_equal(stat.mode, LOCK_EXCLUSIVE);
	assert_true(stat.owner == party.session);
	assert_true(stat.token == fixture.slot);
	assert_int_equal(stat.version, 0);
	assert_data(&fixture, "/a/b/lock/0000000000", "me");
	changes = told(&fixture);
	assert_int_equal(changes.count, 5);
	assert_told(&changes, 2, CHANGE_CREATED, "/a/b/lock");
	assert_told(&changes, 3, CHANGE_CREATED, "/a/b/lock/0000000000");
	assert_told(&changes, 4, CHANGE_GRANTED, "/a/b/lock/0000000000");
	assert_true(changes.changes[3].owner == party.session);
	assert_true(changes.changes[4].owner == party.session);
	assert_string_equal(changes.changes[4].data, "me");
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
waits_behind_the_holder_and_says_how_many_are_ahead(void **state)
{
	struct fixture fixture;
	struct party parties[3];
	struct told changes;

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < 3; i++) {
		parties[i] = join(&fixture, i);
		assert_int_equal(acquire(&fixture, &parties[i], "/lock"), SYNOD_OK);
		assert_int_equal(acquired(&fixture).ahead, i);
		assert_int_equal(acquired(&fixture).token != 0, i == 0);
	}
	assert_string_equal(acquired(&fixture).path, "/lock/0000000002");
	assert_int_equal(token_of(&fixture, "/lock/0000000002"), 0);
	changes = told(&fixture);
	assert_int_equal(changes.count, 1);
	fixture_close(&fixture);
}

static void
refuses_a_second_place_for_one_session(void **state)
{
	struct fixture fixture;
	struct party holder;
	struct party waiter;

	(void)state;
	fixture_open(&fixture);
	holder = join(&fixture, 1);
	waiter = join(&fixture, 2);
	take(&fixture, &holder, "/lock");
	wait_for(&fixture, &waiter, "/lock");
	assert_int_equal(acquire(&fixture, &holder, "/lock"), SYNOD_EXISTS);
	assert_int_equal(acquire(&fixture, &waiter, "/lock"), SYNOD_EXISTS);
	assert_int_equal(stat_of(&fixture, "/lock").children, 2);
	assert_int_equal(stat_of(&fixture, "/lock").sequence, 2);
	fixture_close(&fixture);
}

static void
needs_a_lock_or_nothing_at_its_path(void **state)
{
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	create(&fixture, "/node");
	assert_int_equal(acquire(&fixture, &party, "/node"), SYNOD_NOT_A_LOCK);
	assert_int_equal(acquire(&fixture, &party, "/synod/lock"), SYNOD_RESERVED);
	take(&fixture, &party, "/lock");
	assert_int_equal(acquire(&fixture, &party, "/lock/0000000000"), SYNOD_NOT_A_LOCK);
	assert_int_equal(acquire(&fixture, &party, "/lock/0000000000/lock"), SYNOD_NO_CHILDREN);
	assert_int_not_equal(acquire(&fixture, &party, "/lock/other"), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/lock").children, 1);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
needs_an_ancestor_without_an_owner(void **state)
{
	struct operation operation = {
		.op = OP_CREATE, .path = slice_of("/mine"), .kind = NODE_EPHEMERAL};
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	assert_int_equal(act(&fixture, &party, &operation, NULL), SYNOD_OK);
	assert_int_equal(acquire(&fixture, &party, "/mine/lock"), SYNOD_NO_CHILDREN);
	assert_int_equal(acquire(&fixture, &party, "/mine/a/lock"), SYNOD_NO_CHILDREN);
	assert_int_equal(acquire(&fixture, &party, "/mine"), SYNOD_NOT_A_LOCK);
	assert_int_equal(stat_of(&fixture, "/mine").children, 0);
	fixture_close(&fixture);
}

static void
needs_room_for_the_names_of_contenders(void **state)
{
	char deep[2 * PATH_DEPTH_MAX + 1] = "";
	char path[PATH_SIZE_MAX + 1];
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	for (size_t i = 0; i < PATH_SIZE_MAX; i++)
		path[i] = i % 200 == 0 ? '/' : 'x';
	path[PATH_SIZE_MAX - SEQUENCE_DIGITS_MAX] = '\0';
	assert_int_equal(acquire(&fixture, &party, path), SYNOD_BAD_PATH);
	path[PATH_SIZE_MAX - SEQUENCE_DIGITS_MAX - 1] = '\0';
	assert_int_equal(acquire(&fixture, &party, path), SYNOD_OK);
	for (unsigned i = 0; i < PATH_DEPTH_MAX; i++)
		strcat(deep, "/x");
	assert_int_equal(acquire(&fixture, &party, deep), SYNOD_BAD_PATH);
	assert_false(exists(&fixture, "/x"));
	assert_int_equal(acquire(&fixture, &party, deep + 2), SYNOD_OK);
	fixture_close(&fixture);
}

static void
changes_nothing_when_it_only_tries(void **state)
{
	struct state_hash before;
	struct fixture fixture;
	struct party holder;
	struct party other;

	(void)state;
	fixture_open(&fixture);
	holder = join(&fixture, 1);
	other = join(&fixture, 2);
	assert_int_equal(acquire_as(&fixture, &holder, "/lock", OP_TRY, 0, 0), SYNOD_OK);
	assert_true(acquired(&fixture).token == fixture.slot);
	before = namespace_hash(fixture.namespace);
	hash_subtract(&before, session_find(fixture.namespace, other.session)->hash);
	assert_int_equal(acquire_as(&fixture, &other, "/lock", OP_TRY, 0, 0), SYNOD_HELD);
	assert_int_equal(acquire_as(&fixture, &other, "/lock", OP_TRY | OP_SHARED, 0, 0),
	                 SYNOD_HELD);
	hash_add(&before, session_find(fixture.namespace, other.session)->hash);
	assert_true(hash_equal(before, namespace_hash(fixture.namespace)));
	assert_int_equal(stat_of(&fixture, "/lock").sequence, 1);
	release(&fixture, &holder, "/lock");
	assert_int_equal(acquire_as(&fixture, &other, "/lock", OP_TRY, 0, 0), SYNOD_OK);
	assert_string_equal(acquired(&fixture).path, "/lock/0000000001");
	fixture_close(&fixture);
}

static void
does_not_try_past_those_who_wait(void **state)
{
	struct fixture fixture;
	struct party reader;
	struct party writer;
	struct party other;

	(void)state;
	fixture_open(&fixture);
	reader = join(&fixture, 1);
	writer = join(&fixture, 2);
	other = join(&fixture, 3);
	assert_int_equal(acquire_as(&fixture, &reader, "/lock", OP_SHARED, 0, 0), SYNOD_OK);
	assert_int_equal(acquire_as(&fixture, &other, "/lock", OP_SHARED | OP_TRY, 0, 0), SYNOD_OK);
	release(&fixture, &other, "/lock");
	wait_for(&fixture, &writer, "/lock");
	assert_int_equal(acquire_as(&fixture, &other, "/lock", OP_SHARED | OP_TRY, 0, 0),
	                 SYNOD_HELD);
	fixture_close(&fixture);
}

static void
takes_a_new_limit_only_without_contenders(void **state)
{
	struct fixture fixture;
	struct party parties[3];

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < 3; i++)
		parties[i] = join(&fixture, i);
	assert_int_equal(acquire_as(&fixture, &parties[0], "/lock", 0, 2, 0), SYNOD_OK);
	assert_int_equal(acquire_as(&fixture, &parties[1], "/lock", 0, 3, 0), SYNOD_CONFLICT);
	assert_int_equal(acquire_as(&fixture, &parties[1], "/lock", 0, 0, 0), SYNOD_CONFLICT);
	assert_int_equal(stat_of(&fixture, "/lock").mode, 2);
	release(&fixture, &parties[0], "/lock");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(acquire_as(&fixture, &parties[i], "/lock", 0, 3, 0), SYNOD_OK);
	assert_true(acquired(&fixture).token == fixture.slot);
	assert_int_equal(stat_of(&fixture, "/lock").mode, 3);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
bounds_the_contenders_of_a_lock(void **state)
{
	struct fixture fixture;
	struct party first;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	first = join(&fixture, 0);
	take(&fixture, &first, "/lock");
	for (unsigned i = 1; i < CONTENDERS_PER_LOCK_MAX; i++) {
		party = join(&fixture, i);
		wait_for(&fixture, &party, "/lock");
	}
	party = join(&fixture, CONTENDERS_PER_LOCK_MAX);
	assert_int_equal(acquire(&fixture, &party, "/lock"), SYNOD_LIMIT);
	assert_int_equal(acquire_as(&fixture, &party, "/lock", OP_TRY, 0, 0), SYNOD_HELD);
	release(&fixture, &first, "/lock");
	assert_int_equal(token_of(&fixture, "/lock/0000000001"), fixture.slot);
	assert_int_equal(acquire(&fixture, &party, "/lock"), SYNOD_OK);
	assert_int_equal(acquired(&fixture).ahead, CONTENDERS_PER_LOCK_MAX - 1);
	fixture_close(&fixture);
}

static void
bounds_the_locks_of_a_session_across_a_restart(void **state)
{
	struct fixture fixture;
	struct party party;
	char path[32];

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	for (unsigned i = 0; i < CONTENDERS_PER_SESSION_MAX; i++) {
		snprintf(path, sizeof path, "/locks/%u", i);
		take(&fixture, &party, path);
	}
	assert_int_equal(acquire(&fixture, &party, "/other"), SYNOD_LIMIT);
	assert_false(exists(&fixture, "/other"));
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(acquire(&fixture, &party, "/other"), SYNOD_LIMIT);
	release(&fixture, &party, "/locks/7");
	take(&fixture, &party, "/other");
	assert_int_equal(acquire(&fixture, &party, "/another"), SYNOD_LIMIT);
	fixture_close(&fixture);
}

static void
looks_at_its_conditions(void **state)
{
	struct condition condition = {.kind = CONDITION_EXISTS, .relation = RELATION_EQUAL};
	struct operation operation = {
		.op = OP_ACQUIRE, .path = slice_of("/lock"), .condition_count = 1};
	struct fixture fixture;
	struct party parties[2];

	(void)state;
	fixture_open(&fixture);
	parties[0] = join(&fixture, 1);
	parties[1] = join(&fixture, 2);
	assert_int_equal(act(&fixture, &parties[0], &operation, &condition), SYNOD_OK);
	assert_int_equal(act(&fixture, &parties[1], &operation, &condition), SYNOD_CONFLICT);
	condition.kind = CONDITION_TOKEN;
	condition.number = fixture.slot;
	assert_int_equal(act(&fixture, &parties[1], &operation, &condition), SYNOD_FENCED);
	assert_int_equal(stat_of(&fixture, "/lock").children, 1);
	fixture_close(&fixture);
}

static void
works_with_hardly_any_cache(void **state)
{
	struct namespace_options options = {.cache_nodes = 1};
	struct fixture fixture;
	struct party parties[3];

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	for (unsigned i = 0; i < 3; i++)
		parties[i] = join(&fixture, i);
	take(&fixture, &parties[0], "/a/b/lock");
	wait_for(&fixture, &parties[1], "/a/b/lock");
	wait_for(&fixture, &parties[2], "/a/b/lock");
	put(&fixture, "/x", "y");
	release(&fixture, &parties[0], "/a/b/lock");
	assert_true(token_of(&fixture, "/a/b/lock/0000000001") == fixture.slot);
	assert_int_equal(token_of(&fixture, "/a/b/lock/0000000002"), 0);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_lock_and_is_granted_at_once),
		cmocka_unit_test(waits_behind_the_holder_and_says_how_many_are_ahead),
		cmocka_unit_test(refuses_a_second_place_for_one_session),
		cmocka_unit_test(needs_a_lock_or_nothing_at_its_path),
		cmocka_unit_test(needs_an_ancestor_without_an_owner),
		cmocka_unit_test(needs_room_for_the_names_of_contenders),
		cmocka_unit_test(changes_nothing_when_it_only_tries),
		cmocka_unit_test(does_not_try_past_those_who_wait),
		cmocka_unit_test(takes_a_new_limit_only_without_contenders),
		cmocka_unit_test(bounds_the_contenders_of_a_lock),
		cmocka_unit_test(bounds_the_locks_of_a_session_across_a_restart),
		cmocka_unit_test(looks_at_its_conditions),
		cmocka_unit_test(works_with_hardly_any_cache),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
