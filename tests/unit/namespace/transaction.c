/* TXN. */
#include "tests/unit/namespace/batch.h"

static void
does_everything_in_one_revision(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};

	(void)state;
	fixture_open(&fixture);
	batch_add(&batch, THEN, OP_CREATE, 0, "/a", "1");
	batch_add(&batch, THEN, OP_CREATE, OP_SEQUENTIAL, "/a/", NULL);
	batch_add(&batch, THEN, OP_SET, 0, "/a", "2");
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_OK);
	assert_true(batch_result(&fixture).then_taken);
	assert_false(batch_result(&fixture).has_failed);
	assert_int_equal(batch_result(&fixture).count, 3);
	assert_true(fixture.applied.revision == fixture.slot);
	assert_data(&fixture, "/a", "2");
	assert_true(stat_of(&fixture, "/a").created == fixture.slot);
	assert_true(stat_of(&fixture, "/a/0000000000").created == fixture.slot);
	fixture_close(&fixture);
}

static void
takes_the_branch_that_its_conditions_say(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};
	struct condition condition = {.kind = CONDITION_EXISTS,
	                              .relation = RELATION_EQUAL,
	                              .path = slice_of("/a"),
	                              .number = 1};

	(void)state;
	fixture_open(&fixture);
	for (unsigned round = 0; round < 2; round++) {
		batch_if(&batch, &condition);
		batch_add(&batch, THEN, OP_PUT, 0, "/then", "x");
		batch_add(&batch, ELSE, OP_PUT, 0, "/a", "x");
		assert_int_equal(batch_run(&fixture, &batch), SYNOD_OK);
		assert_true(batch_result(&fixture).then_taken == (round == 1));
		assert_true(exists(&fixture, "/a"));
		assert_true(exists(&fixture, "/then") == (round == 1));
	}
	fixture_close(&fixture);
}

static void
reads_see_the_writes_before_them(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};
	struct batch_result result;
	struct node_stat stat;
	struct cursor cursor;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/p/old", "x");
	batch_add(&batch, THEN, OP_PUT, 0, "/p/new", "fresh");
	batch_add(&batch, THEN, OP_DELETE, 0, "/p/old", NULL);
	batch_add(&batch, THEN, OP_GET, 0, "/p/new", NULL);
	batch_add(&batch, THEN, OP_LIST, 0, "/p", NULL);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_OK);
	result = batch_result(&fixture);
	assert_int_equal(result.count, 4);
	cursor_init(&cursor, result.results[2]);
	cursor_array(&cursor);
	stat_decode(&cursor, &stat);
	assert_true(slice_equal(cursor_binary(&cursor), slice_of("fresh")));
	cursor_init(&cursor, result.results[3]);
	cursor_array(&cursor);
	stat_decode(&cursor, &stat);
	assert_int_equal(stat.children, 1);
	assert_int_equal(cursor_array(&cursor), 1);
	cursor_array(&cursor);
	assert_true(slice_equal(cursor_string(&cursor), slice_of("new")));
	fixture_close(&fixture);
}

static void
changes_nothing_when_an_operation_fails(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};
	uint64_t revision;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "1");
	revision = namespace_revision(fixture.namespace);
	batch_add(&batch, THEN, OP_SET, 0, "/a", "2");
	batch_add(&batch, THEN, OP_CREATE, OP_PARENTS, "/b/c", "new");
	batch_add(&batch, THEN, OP_CREATE, 0, "/a", NULL);
	batch_add(&batch, THEN, OP_SET, 0, "/a", "3");
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_EXISTS);
	assert_true(batch_result(&fixture).has_failed);
	assert_int_equal(batch_result(&fixture).failed_index, 2);
	assert_int_equal(batch_result(&fixture).count, 0);
	assert_true(fixture.applied.revision == revision);
	assert_true(namespace_revision(fixture.namespace) == revision);
	assert_data(&fixture, "/a", "1");
	assert_int_equal(stat_of(&fixture, "/a").version, 0);
	assert_false(exists(&fixture, "/b"));
	assert_int_equal(stat_of(&fixture, "/").sequence, 2);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
fails_with_the_conditions_of_an_operation(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};
	struct operation check = {.op = OP_CHECK, .path = slice_of("/a"), .condition_count = 1};
	struct condition condition = {
		.kind = CONDITION_VERSION, .relation = RELATION_EQUAL, .number = 7};

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "1");
	batch_add(&batch, THEN, OP_SET, 0, "/a", "2");
	batch_add_with(&batch, THEN, &check, &condition);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_CONFLICT);
	assert_int_equal(batch_result(&fixture).failed_index, 1);
	assert_data(&fixture, "/a", "1");
	condition.number = 1;
	batch_add(&batch, THEN, OP_SET, 0, "/a", "2");
	batch_add_with(&batch, THEN, &check, &condition);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_OK);
	fixture_close(&fixture);
}

static void
undoes_the_deletion_of_a_subtree(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};
	struct node_stat before;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a/b/c", "deep");
	put(&fixture, "/a/d", "beside");
	before = stat_of(&fixture, "/a");
	batch_add(&batch, THEN, OP_PUT, 0, "/a/d", "changed before");
	batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/a", NULL);
	batch_add(&batch, THEN, OP_CREATE, 0, "/a", "changed after");
	batch_add(&batch, THEN, OP_DELETE, 0, "/missing", NULL);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_NOT_FOUND);
	assert_data(&fixture, "/a/b/c", "deep");
	assert_data(&fixture, "/a/d", "beside");
	assert_true(stat_of(&fixture, "/a").created == before.created);
	assert_hash_is_true(&fixture);
	put(&fixture, "/a/e", "afterwards");
	commit(&fixture);
	crash(&fixture);
	assert_data(&fixture, "/a/b/c", "deep");
	assert_data(&fixture, "/a/e", "afterwards");
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

/* What is created again after a deletion that is undone must not be undone to nothing. */
static void
undoes_the_deletion_of_what_was_created_again(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a/b", "first");
	batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/a", NULL);
	batch_add(&batch, THEN, OP_CREATE, OP_PARENTS, "/a/b", "second");
	batch_add(&batch, THEN, OP_DELETE, 0, "/missing", NULL);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_NOT_FOUND);
	assert_data(&fixture, "/a/b", "first");
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
deletes_a_subtree_for_good(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a/b/c", "deep");
	batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/a", NULL);
	batch_add(&batch, THEN, OP_CREATE, OP_PARENTS, "/a/b/new", "x");
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_OK);
	commit(&fixture);
	crash(&fixture);
	assert_false(exists(&fixture, "/a/b/c"));
	assert_data(&fixture, "/a/b/new", "x");
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
refuses_results_that_fit_no_answer(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};
	char *large = check_malloc(900001);

	(void)state;
	memset(large, 'x', 900000);
	large[900000] = '\0';
	fixture_open(&fixture);
	put(&fixture, "/a", large);
	batch_add(&batch, THEN, OP_PUT, 0, "/b", "undone");
	for (unsigned i = 0; i < 3; i++)
		batch_add(&batch, THEN, OP_GET, 0, "/a", NULL);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_TOO_LARGE);
	assert_int_equal(batch_result(&fixture).failed_index, 3);
	assert_false(exists(&fixture, "/b"));
	free(large);
	fixture_close(&fixture);
}

static void
accepts_empty_branches_and_refuses_rubbish(void **state)
{
	struct fixture fixture;
	struct batch batch = {0};
	uint64_t revision;

	(void)state;
	fixture_open(&fixture);
	revision = namespace_revision(fixture.namespace);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_OK);
	assert_int_equal(batch_result(&fixture).count, 0);
	assert_true(namespace_revision(fixture.namespace) == revision);
	assert_int_equal(write_body(&fixture, OP_TXN, slice_of("\x93\x90\x90\xc0")),
	                 SYNOD_BAD_MESSAGE);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_everything_in_one_revision),
		cmocka_unit_test(takes_the_branch_that_its_conditions_say),
		cmocka_unit_test(reads_see_the_writes_before_them),
		cmocka_unit_test(changes_nothing_when_an_operation_fails),
		cmocka_unit_test(fails_with_the_conditions_of_an_operation),
		cmocka_unit_test(undoes_the_deletion_of_a_subtree),
		cmocka_unit_test(undoes_the_deletion_of_what_was_created_again),
		cmocka_unit_test(deletes_a_subtree_for_good),
		cmocka_unit_test(refuses_results_that_fit_no_answer),
		cmocka_unit_test(accepts_empty_branches_and_refuses_rubbish),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
