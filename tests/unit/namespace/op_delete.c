/* DELETE. */
#include "tests/unit/namespace/living.h"

static int
delete_tree(struct fixture *fixture, const char *path)
{
	return write_node(fixture, OP_DELETE, OP_RECURSIVE, path, NULL);
}

static void
deletes_a_leaf(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/a");
	assert_int_equal(delete_node(&fixture, "/a"), SYNOD_OK);
	assert_int_equal(deleted_count(&fixture), 1);
	assert_false(exists(&fixture, "/a"));
	assert_int_equal(delete_node(&fixture, "/a"), SYNOD_NOT_FOUND);
	assert_hash_is_true(&fixture);
	assert_false(exists(&fixture, "/a"));
	fixture_close(&fixture);
}

static void
refuses_a_node_with_children(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a/b", "x");
	assert_int_equal(delete_node(&fixture, "/a"), SYNOD_NOT_EMPTY);
	assert_true(exists(&fixture, "/a/b"));
	fixture_close(&fixture);
}

static void
refuses_the_root_and_the_systems_nodes(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(delete_tree(&fixture, "/"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(delete_tree(&fixture, "/synod"), SYNOD_RESERVED);
	fixture_close(&fixture);
}

/* Names that sort around '/' are the ones that a careless range would take along. */
static void
deletes_a_subtree_and_nothing_beside_it(void **state)
{
	static const char *const inside[] = {"/a/b",  "/a/b/c", "/a/b/c/d",
	                                     "/a/b!", "/a/b0",  "/a/z"};
	static const char *const outside[] = {"/a!", "/a!/b", "/a-b", "/a.",
	                                      "/a0", "/a0/b", "/aa/b"};
	struct fixture fixture;
	uint64_t nodes;
	struct node_stat root;

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < sizeof outside / sizeof outside[0]; i++)
		put(&fixture, outside[i], "out");
	nodes = namespace_nodes(fixture.namespace);
	for (unsigned i = 0; i < sizeof inside / sizeof inside[0]; i++)
		put(&fixture, inside[i], "in");
	root = stat_of(&fixture, "/");
	assert_int_equal(delete_tree(&fixture, "/a"), SYNOD_OK);
	assert_int_equal(deleted_count(&fixture), 7);
	assert_int_equal(namespace_nodes(fixture.namespace), nodes);
	for (unsigned i = 0; i < sizeof inside / sizeof inside[0]; i++)
		assert_false(exists(&fixture, inside[i]));
	for (unsigned i = 0; i < sizeof outside / sizeof outside[0]; i++)
		assert_data(&fixture, outside[i], "out");
	assert_int_equal(stat_of(&fixture, "/").children, root.children - 1);
	assert_int_equal(stat_of(&fixture, "/").children_version, root.children_version + 1);
	assert_true(stat_of(&fixture, "/").children_modified == fixture.slot);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

struct seen {
	uint64_t revision;
	unsigned count;
	char paths[8][16];
};

static bool
see(void *context, const struct change *change)
{
	struct seen *seen = context;

	assert_int_equal(change->kind, CHANGE_DELETED);
	assert_true(change->revision == seen->revision);
	assert_int_equal(change->ordinal, seen->count);
	snprintf(seen->paths[seen->count++], 16, "%.*s", (int)change->path.size,
	         (const char *)change->path.bytes);
	return true;
}

static void
records_children_before_their_parents(void **state)
{
	static const char *const expected[] = {"/a/c/y", "/a/c/x", "/a/b/x", "/a/c", "/a/b", "/a"};
	struct fixture fixture;
	struct seen seen = {0};

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a/b/x", "1");
	put(&fixture, "/a/c/x", "2");
	put(&fixture, "/a/c/y", "3");
	delete_tree(&fixture, "/a");
	seen.revision = fixture.slot;
	assert_int_equal(history_each(fixture.namespace, fixture.slot, see, &seen), SYNOD_OK);
	assert_int_equal(seen.count, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_string_equal(seen.paths[i], expected[i]);
	fixture_close(&fixture);
}

static void
answers_with_the_top_node_as_it_was(void **state)
{
	struct fixture fixture;
	struct node_stat stat;
	struct cursor cursor;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "top");
	put(&fixture, "/a/b", "below");
	assert_int_equal(write_node(&fixture, OP_DELETE, OP_RECURSIVE | OP_PREVIOUS, "/a", NULL),
	                 SYNOD_OK);
	cursor_init(&cursor, buffer_slice(&fixture.result));
	assert_int_equal(cursor_array(&cursor), 2);
	assert_int_equal(cursor_u64(&cursor), 2);
	assert_int_equal(cursor_array(&cursor), 2);
	stat_decode(&cursor, &stat);
	assert_int_equal(stat.children, 1);
	assert_true(slice_equal(cursor_binary(&cursor), slice_of("top")));
	fixture_close(&fixture);
}

/* Far more changes in one revision than a chunk of the history holds. */
static void
deletes_thousands_of_nodes_in_one_revision(void **state)
{
	struct fixture fixture;
	char path[32];

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < 12000; i++) {
		snprintf(path, sizeof path, "/a/%u/%u", i % 10, i);
		fixture.acknowledged = fixture.seq;
		assert_int_equal(put(&fixture, path, "data"), SYNOD_OK);
	}
	assert_int_equal(delete_tree(&fixture, "/a"), SYNOD_OK);
	assert_int_equal(deleted_count(&fixture), 12011);
	assert_int_equal(namespace_nodes(fixture.namespace), 2);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
deletes_locks_with_their_contenders(void **state)
{
	struct fixture fixture;
	struct party one;
	struct party other;

	(void)state;
	fixture_open(&fixture);
	one = join(&fixture, 3);
	other = join(&fixture, 4);
	take(&fixture, &one, "/d/lock");
	wait_for(&fixture, &other, "/d/lock");
	act_as(&fixture, &other);
	assert_int_equal(delete_node(&fixture, "/d/lock/0000000000"), SYNOD_OK);
	assert_true(token_of(&fixture, "/d/lock/0000000001") == fixture.slot);
	assert_int_equal(session_find(fixture.namespace, one.session)->contender_count, 0);
	assert_int_equal(session_find(fixture.namespace, other.session)->contender_count, 1);
	act_as(&fixture, &one);
	assert_int_equal(delete_tree(&fixture, "/d"), SYNOD_OK);
	assert_int_equal(session_find(fixture.namespace, other.session)->contender_count, 0);
	assert_int_equal(release(&fixture, &other, "/d/lock"), SYNOD_NOT_HELD);
	take(&fixture, &one, "/d/lock");
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

/* Whatever a transaction that fails did to locks, by the cache or by rows. */
static void
counts_contenders_right_when_it_is_undone(void **state)
{
	struct operation acquire_other = {.op = OP_ACQUIRE, .path = slice_of("/other")};
	struct batch batch = {0};
	struct fixture fixture;
	struct party one;
	struct party other;

	(void)state;
	fixture_open(&fixture);
	one = join(&fixture, 3);
	other = join(&fixture, 4);
	take(&fixture, &one, "/d/lock");
	wait_for(&fixture, &other, "/d/lock");
	for (unsigned recursive = 0; recursive < 2; recursive++) {
		act_as(&fixture, &other);
		batch_add_with(&batch, THEN, &acquire_other, NULL);
		if (recursive)
			batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/d", NULL);
		else
			batch_add(&batch, THEN, OP_DELETE, 0, "/d/lock/0000000000", NULL);
		batch_add(&batch, THEN, OP_DELETE, 0, "/missing", NULL);
		assert_int_equal(batch_run(&fixture, &batch), SYNOD_NOT_FOUND);
		assert_int_equal(session_find(fixture.namespace, one.session)->contender_count, 1);
		assert_int_equal(session_find(fixture.namespace, other.session)->contender_count,
		                 1);
		assert_int_equal(last_change_count(&fixture), 0);
		assert_true(token_of(&fixture, "/d/lock/0000000001") == 0);
		assert_hash_is_true(&fixture);
	}
	assert_int_equal(release(&fixture, &one, "/d/lock"), SYNOD_OK);
	assert_true(token_of(&fixture, "/d/lock/0000000001") == fixture.slot);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deletes_a_leaf),
		cmocka_unit_test(refuses_a_node_with_children),
		cmocka_unit_test(refuses_the_root_and_the_systems_nodes),
		cmocka_unit_test(deletes_a_subtree_and_nothing_beside_it),
		cmocka_unit_test(records_children_before_their_parents),
		cmocka_unit_test(answers_with_the_top_node_as_it_was),
		cmocka_unit_test(deletes_thousands_of_nodes_in_one_revision),
		cmocka_unit_test(deletes_locks_with_their_contenders),
		cmocka_unit_test(counts_contenders_right_when_it_is_undone),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
