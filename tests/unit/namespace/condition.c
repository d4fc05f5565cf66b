/* Conditions. */
#include "tests/unit/namespace/parties.h"

/* The answer to SET of /a under one condition. */
static int
set_if(struct fixture *fixture, uint8_t kind, uint8_t relation, const char *path, uint64_t number)
{
	struct operation operation = {.op = OP_SET, .path = slice_of("/a"), .condition_count = 1};
	struct condition condition = {.kind = kind, .relation = relation, .number = number};

	if (path != NULL)
		condition.path = slice_of(path);
	return write_operation(fixture, &operation, &condition);
}

static void
compares_numbers(void **state)
{
	struct fixture fixture;
	uint64_t created;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "x");
	created = fixture.slot;
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_EQUAL, NULL, 0), SYNOD_OK);
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_EQUAL, NULL, 0),
	                 SYNOD_CONFLICT);
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_NOT_EQUAL, NULL, 1),
	                 SYNOD_CONFLICT);
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_LESS, NULL, 2), SYNOD_OK);
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_GREATER, NULL, 2),
	                 SYNOD_CONFLICT);
	assert_int_equal(set_if(&fixture, CONDITION_CREATED, RELATION_EQUAL, NULL, created),
	                 SYNOD_OK);
	assert_int_equal(set_if(&fixture, CONDITION_MODIFIED, RELATION_GREATER, NULL, created),
	                 SYNOD_OK);
	assert_int_equal(set_if(&fixture, CONDITION_OWNER, RELATION_EQUAL, NULL, 0), SYNOD_OK);
	assert_int_equal(set_if(&fixture, CONDITION_CHILDREN, RELATION_EQUAL, "/", 2), SYNOD_OK);
	assert_int_equal(set_if(&fixture, CONDITION_CHILDREN_VERSION, RELATION_EQUAL, "/", 3),
	                 SYNOD_CONFLICT);
	fixture_close(&fixture);
}

static void
knows_only_absence_of_a_missing_node(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "x");
	assert_int_equal(set_if(&fixture, CONDITION_EXISTS, RELATION_EQUAL, "/b", 0), SYNOD_OK);
	assert_int_equal(set_if(&fixture, CONDITION_EXISTS, RELATION_EQUAL, "/b", 1),
	                 SYNOD_CONFLICT);
	assert_int_equal(set_if(&fixture, CONDITION_EXISTS, RELATION_EQUAL, NULL, 1), SYNOD_OK);
	assert_int_equal(set_if(&fixture, CONDITION_EXISTS, RELATION_EQUAL, NULL, 0),
	                 SYNOD_CONFLICT);
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_NOT_EQUAL, "/b", 5),
	                 SYNOD_CONFLICT);
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_EQUAL, "/b", 0),
	                 SYNOD_CONFLICT);
	fixture_close(&fixture);
}

static void
answers_not_found_before_conflict(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_EQUAL, NULL, 0),
	                 SYNOD_NOT_FOUND);
	fixture_close(&fixture);
}

static int
put_if_data(struct fixture *fixture, uint8_t relation, const char *data)
{
	struct operation operation = {.op = OP_PUT, .path = slice_of("/a"), .condition_count = 1};
	struct condition condition = {.kind = CONDITION_DATA, .relation = relation};

	if (data != NULL)
		condition.data = slice_of(data);
	return write_operation(fixture, &operation, &condition);
}

static void
compares_data(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "");
	assert_int_equal(put_if_data(&fixture, RELATION_EQUAL, NULL), SYNOD_CONFLICT);
	assert_int_equal(put_if_data(&fixture, RELATION_EQUAL, "x"), SYNOD_CONFLICT);
	assert_int_equal(put_if_data(&fixture, RELATION_NOT_EQUAL, ""), SYNOD_CONFLICT);
	assert_int_equal(put_if_data(&fixture, RELATION_EQUAL, ""), SYNOD_OK);
	assert_int_equal(put_if_data(&fixture, RELATION_EQUAL, ""), SYNOD_CONFLICT);
	assert_int_equal(put_if_data(&fixture, RELATION_NOT_EQUAL, ""), SYNOD_OK);
	assert_int_equal(put_if_data(&fixture, RELATION_EQUAL, NULL), SYNOD_OK);
	fixture_close(&fixture);
}

static void
needs_all_of_them(void **state)
{
	struct fixture fixture;
	struct operation operation = {.op = OP_PUT, .path = slice_of("/a"), .condition_count = 2};
	struct condition conditions[] = {
		{.kind = CONDITION_EXISTS, .relation = RELATION_EQUAL, .number = 0},
		{.kind = CONDITION_EXISTS,
	         .relation = RELATION_EQUAL,
	         .path = slice_of("/b"),
	         .number = 1},
	};

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(write_operation(&fixture, &operation, conditions), SYNOD_CONFLICT);
	create(&fixture, "/b");
	assert_int_equal(write_operation(&fixture, &operation, conditions), SYNOD_OK);
	assert_int_equal(write_operation(&fixture, &operation, conditions), SYNOD_CONFLICT);
	fixture_close(&fixture);
}

/* The node itself must still be there after the others have been looked at. */
static void
hold_with_hardly_any_cache(void **state)
{
	struct namespace_options options = {.cache_nodes = 1};
	struct fixture fixture;

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	put(&fixture, "/a", "x");
	put(&fixture, "/b", "x");
	assert_int_equal(set_if(&fixture, CONDITION_VERSION, RELATION_EQUAL, "/b", 0), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/a").version, 1);
	fixture_close(&fixture);
}

/* ---- guards ---- */

static int
put_guarded(struct fixture *fixture, struct party *party, const char *lock, uint64_t token)
{
	struct condition condition = {.kind = CONDITION_TOKEN,
	                              .relation = RELATION_EQUAL,
	                              .path = slice_of(lock),
	                              .number = token};
	struct operation operation = {
		.op = OP_PUT, .path = slice_of("/a"), .data = slice_of("x"), .condition_count = 1};

	return act(fixture, party, &operation, &condition);
}

static void
guard_passes_the_present_holder_only(void **state)
{
	struct fixture fixture;
	struct party holder;
	struct party waiter;
	uint64_t first;
	uint64_t second;

	(void)state;
	fixture_open(&fixture);
	holder = join(&fixture, 1);
	waiter = join(&fixture, 2);
	first = take(&fixture, &holder, "/lock");
	wait_for(&fixture, &waiter, "/lock");
	assert_int_equal(put_guarded(&fixture, &holder, "/lock", first), SYNOD_OK);
	assert_int_equal(put_guarded(&fixture, &waiter, "/lock", first), SYNOD_OK);
	assert_int_equal(put_guarded(&fixture, &holder, "/lock", first + 1), SYNOD_FENCED);
	assert_int_equal(put_guarded(&fixture, &waiter, "/lock", 0), SYNOD_FENCED);
	release(&fixture, &holder, "/lock");
	second = fixture.slot;
	assert_int_equal(put_guarded(&fixture, &holder, "/lock", first), SYNOD_FENCED);
	assert_int_equal(put_guarded(&fixture, &waiter, "/lock", second), SYNOD_OK);
	assert_int_equal(put_guarded(&fixture, &holder, "/lock", first), SYNOD_FENCED);
	release(&fixture, &waiter, "/lock");
	assert_int_equal(put_guarded(&fixture, &waiter, "/lock", second), SYNOD_FENCED);
	assert_int_equal(stat_of(&fixture, "/a").version, 2);
	fixture_close(&fixture);
}

static void
guard_on_no_lock_is_fenced(void **state)
{
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	create(&fixture, "/node");
	assert_int_equal(put_guarded(&fixture, &party, "/lock", 1), SYNOD_FENCED);
	assert_int_equal(put_guarded(&fixture, &party, "/lock", 0), SYNOD_FENCED);
	assert_int_equal(put_guarded(&fixture, &party, "/node", stat_of(&fixture, "/node").created),
	                 SYNOD_FENCED);
	assert_false(exists(&fixture, "/a"));
	fixture_close(&fixture);
}

static void
guard_holds_for_each_reader(void **state)
{
	struct fixture fixture;
	struct party parties[2];
	uint64_t tokens[2];

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < 2; i++) {
		parties[i] = join(&fixture, i);
		acquire_as(&fixture, &parties[i], "/lock", OP_SHARED, 0, 0);
		tokens[i] = acquired(&fixture).token;
	}
	release(&fixture, &parties[0], "/lock");
	assert_int_equal(put_guarded(&fixture, &parties[0], "/lock", tokens[0]), SYNOD_FENCED);
	assert_int_equal(put_guarded(&fixture, &parties[1], "/lock", tokens[1]), SYNOD_OK);
	fixture_close(&fixture);
}

static void
guard_survives_a_restart(void **state)
{
	struct fixture fixture;
	struct party party;
	uint64_t token;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	token = take(&fixture, &party, "/lock");
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(put_guarded(&fixture, &party, "/lock", token - 1), SYNOD_FENCED);
	assert_int_equal(put_guarded(&fixture, &party, "/lock", token), SYNOD_OK);
	fixture_close(&fixture);
}

static void
guard_stands_before_reads_too(void **state)
{
	struct condition condition = {
		.kind = CONDITION_TOKEN, .relation = RELATION_EQUAL, .path = slice_of("/lock")};
	struct operation operation = {.op = OP_GET, .path = slice_of("/"), .condition_count = 1};
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	assert_int_equal(read_operation(&fixture, &operation, &condition), SYNOD_FENCED);
	condition.number = take(&fixture, &party, "/lock");
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(read_operation(&fixture, &operation, &condition), SYNOD_OK);
	release(&fixture, &party, "/lock");
	assert_int_equal(read_operation(&fixture, &operation, &condition), SYNOD_FENCED);
	assert_int_equal(fixture.namespace->locks.count, 0); /* reads leave nothing behind */
	fixture_close(&fixture);
}

/* A condition that fails, and a guard: in one operation and before both branches. */
static void
guard_outweighs_other_conditions(void **state)
{
	struct condition conditions[] = {
		{.kind = CONDITION_EXISTS,
	         .relation = RELATION_EQUAL,
	         .path = slice_of("/b"),
	         .number = 1},
		{.kind = CONDITION_TOKEN,
	         .relation = RELATION_EQUAL,
	         .path = slice_of("/lock"),
	         .number = 1},
	};
	struct operation operation = {.op = OP_PUT, .path = slice_of("/a"), .condition_count = 2};
	struct batch batch = {0};
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	assert_int_equal(act(&fixture, &party, &operation, conditions), SYNOD_FENCED);
	batch_if(&batch, &conditions[0]);
	batch_if(&batch, &conditions[1]);
	batch_add(&batch, ELSE, OP_CREATE, 0, "/else", NULL);
	act_as(&fixture, &party);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_FENCED);
	assert_false(exists(&fixture, "/else"));
	conditions[1].number = take(&fixture, &party, "/lock");
	assert_int_equal(act(&fixture, &party, &operation, conditions), SYNOD_CONFLICT);
	batch_if(&batch, &conditions[0]);
	batch_if(&batch, &conditions[1]);
	batch_add(&batch, ELSE, OP_CREATE, 0, "/else", NULL);
	act_as(&fixture, &party);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_OK);
	assert_true(exists(&fixture, "/else"));
	fixture_close(&fixture);
}

static void
guard_inside_a_transaction_undoes_it(void **state)
{
	struct condition condition = {.kind = CONDITION_TOKEN,
	                              .relation = RELATION_EQUAL,
	                              .path = slice_of("/lock"),
	                              .number = 1};
	struct operation operation = {.op = OP_PUT, .path = slice_of("/b"), .condition_count = 1};
	struct batch batch = {0};
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	take(&fixture, &party, "/lock");
	batch_add(&batch, THEN, OP_CREATE, 0, "/a", NULL);
	batch_add_with(&batch, THEN, &operation, &condition);
	act_as(&fixture, &party);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_FENCED);
	assert_int_equal(batch_result(&fixture).failed_index, 1);
	assert_false(exists(&fixture, "/a"));
	fixture_close(&fixture);
}

/* The lock went earlier in the same transaction. */
static void
guard_sees_the_operations_before_it(void **state)
{
	struct condition condition = {
		.kind = CONDITION_TOKEN, .relation = RELATION_EQUAL, .path = slice_of("/lock")};
	struct operation operation = {.op = OP_PUT, .path = slice_of("/b"), .condition_count = 1};
	struct batch batch = {0};
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 1);
	condition.number = take(&fixture, &party, "/lock");
	batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/lock", NULL);
	batch_add_with(&batch, THEN, &operation, &condition);
	act_as(&fixture, &party);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_FENCED);
	assert_int_equal(put_guarded(&fixture, &party, "/lock", condition.number), SYNOD_OK);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_numbers),
		cmocka_unit_test(knows_only_absence_of_a_missing_node),
		cmocka_unit_test(answers_not_found_before_conflict),
		cmocka_unit_test(compares_data),
		cmocka_unit_test(needs_all_of_them),
		cmocka_unit_test(hold_with_hardly_any_cache),
		cmocka_unit_test(guard_passes_the_present_holder_only),
		cmocka_unit_test(guard_on_no_lock_is_fenced),
		cmocka_unit_test(guard_holds_for_each_reader),
		cmocka_unit_test(guard_survives_a_restart),
		cmocka_unit_test(guard_stands_before_reads_too),
		cmocka_unit_test(guard_outweighs_other_conditions),
		cmocka_unit_test(guard_inside_a_transaction_undoes_it),
		cmocka_unit_test(guard_sees_the_operations_before_it),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
