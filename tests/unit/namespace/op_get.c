/* GET, STAT and reads in general. */
#include "tests/unit/namespace/fixture.h"

static void
gets_data_and_stat(void **state)
{
	struct fixture fixture;
	struct operation operation = {.op = OP_STAT, .path = slice_of("/a")};
	struct node_stat stat;
	struct cursor cursor;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "data");
	assert_data(&fixture, "/a", "data");
	assert_int_equal(read_operation(&fixture, &operation, NULL), SYNOD_OK);
	cursor_init(&cursor, buffer_slice(&fixture.result));
	assert_int_equal(cursor_array(&cursor), 1);
	stat_decode(&cursor, &stat);
	assert_true(stat.modified == fixture.slot);
	assert_int_equal(stat.data_size, 4);
	fixture_close(&fixture);
}

static void
answers_missing_nodes_with_nil(void **state)
{
	struct fixture fixture;
	struct operation operation = {.op = OP_GET, .path = slice_of("/missing")};
	struct cursor cursor;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(read_operation(&fixture, &operation, NULL), SYNOD_NOT_FOUND);
	cursor_init(&cursor, buffer_slice(&fixture.result));
	assert_true(cursor_nil(&cursor));
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	fixture_close(&fixture);
}

static void
checks_conditions_of_reads(void **state)
{
	struct fixture fixture;
	struct operation operation = {.op = OP_GET, .path = slice_of("/a"), .condition_count = 1};
	struct condition condition = {
		.kind = CONDITION_VERSION, .relation = RELATION_EQUAL, .number = 1};

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "0");
	assert_int_equal(read_operation(&fixture, &operation, &condition), SYNOD_CONFLICT);
	put(&fixture, "/a", "1");
	assert_int_equal(read_operation(&fixture, &operation, &condition), SYNOD_OK);
	fixture_close(&fixture);
}

static int
read_bytes(struct fixture *fixture, uint8_t op, struct slice body)
{
	uint64_t revision;
	int error;

	buffer_clear(&fixture->result);
	assert_int_equal(
		namespace_read(fixture->namespace, op, body, &error, &revision, &fixture->result),
		SYNOD_OK);
	return error;
}

static void
refuses_what_is_no_read_and_what_is_malformed(void **state)
{
	struct fixture fixture;
	struct buffer body = BUFFER_EMPTY;
	struct operation operation = {.op = OP_CREATE, .path = slice_of("/a")};
	struct cursor cursor;

	(void)state;
	fixture_open(&fixture);
	operation_encode(&body, &operation, NULL);
	assert_int_equal(read_bytes(&fixture, OP_CREATE, buffer_slice(&body)), SYNOD_UNSUPPORTED);
	assert_int_equal(read_bytes(&fixture, OP_CHECK, buffer_slice(&body)), SYNOD_BAD_ARGUMENT);
	assert_int_equal(read_bytes(&fixture, 99, buffer_slice(&body)), SYNOD_UNSUPPORTED);
	assert_int_equal(read_bytes(&fixture, OP_GET, slice_of("rubbish")), SYNOD_BAD_MESSAGE);
	cursor_init(&cursor, buffer_slice(&fixture.result));
	assert_true(cursor_string(&cursor).size > 0); /* which says why */
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	buffer_fini(&body);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gets_data_and_stat),
		cmocka_unit_test(answers_missing_nodes_with_nil),
		cmocka_unit_test(checks_conditions_of_reads),
		cmocka_unit_test(refuses_what_is_no_read_and_what_is_malformed),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
