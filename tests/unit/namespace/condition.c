/* Conditions. */
#include "tests/unit/namespace/fixture.h"

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
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
