/* SET and PUT. */
#include "tests/unit/namespace/fixture.h"

static void
sets_data_and_counts_versions(void **state)
{
	struct fixture fixture;
	struct node_stat stat;

	(void)state;
	fixture_open(&fixture);
	write_node(&fixture, OP_CREATE, 0, "/a", "one");
	stat = stat_of(&fixture, "/a");
	fixture.wall_ms = 5555;
	assert_int_equal(write_node(&fixture, OP_SET, OP_WITH_STAT, "/a", "two"), SYNOD_OK);
	assert_int_equal(written(&fixture).version, 1);
	assert_true(written(&fixture).stat.modified == fixture.slot);
	assert_true(written(&fixture).stat.created == stat.created);
	assert_true(written(&fixture).stat.children_modified == stat.children_modified);
	assert_int_equal(written(&fixture).stat.created_ms, stat.created_ms);
	assert_int_equal(written(&fixture).stat.modified_ms, 5555);
	assert_data(&fixture, "/a", "two");
	assert_int_equal(write_node(&fixture, OP_SET, 0, "/a", NULL), SYNOD_OK);
	assert_int_equal(written(&fixture).version, 2);
	assert_data(&fixture, "/a", NULL);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
does_not_set_what_is_missing(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(write_node(&fixture, OP_SET, 0, "/a", "x"), SYNOD_NOT_FOUND);
	assert_false(exists(&fixture, "/a"));
	fixture_close(&fixture);
}

static void
sets_the_root(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(write_node(&fixture, OP_SET, 0, "/", "motd"), SYNOD_OK);
	commit(&fixture);
	crash(&fixture);
	assert_data(&fixture, "/", "motd");
	fixture_close(&fixture);
}

static void
puts_new_and_old_nodes(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(write_node(&fixture, OP_PUT, 0, "/a", "one"), SYNOD_OK);
	assert_int_equal(written(&fixture).version, 0);
	assert_null(written(&fixture).path.bytes);
	assert_int_equal(write_node(&fixture, OP_PUT, 0, "/a", "two"), SYNOD_OK);
	assert_int_equal(written(&fixture).version, 1);
	assert_int_equal(write_node(&fixture, OP_PUT, 0, "/x/y", "z"), SYNOD_NO_PARENT);
	assert_int_equal(write_node(&fixture, OP_PUT, OP_PARENTS, "/x/y", "z"), SYNOD_OK);
	assert_data(&fixture, "/x/y", "z");
	fixture_close(&fixture);
}

static void
answers_with_the_node_as_it_was(void **state)
{
	struct fixture fixture;
	struct written result;

	(void)state;
	fixture_open(&fixture);
	write_node(&fixture, OP_PUT, OP_PREVIOUS, "/a", "one");
	assert_false(written(&fixture).has_previous);
	write_node(&fixture, OP_PUT, OP_PREVIOUS | OP_WITH_STAT, "/a", "two");
	result = written(&fixture);
	assert_true(result.has_previous);
	assert_int_equal(result.previous.version, 0);
	assert_int_equal(result.stat.version, 1);
	assert_true(slice_equal(result.previous_data, slice_of("one")));
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_data_and_counts_versions),
		cmocka_unit_test(does_not_set_what_is_missing),
		cmocka_unit_test(sets_the_root),
		cmocka_unit_test(puts_new_and_old_nodes),
		cmocka_unit_test(answers_with_the_node_as_it_was),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
