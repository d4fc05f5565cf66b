/* Opening, committing and the facts of the whole. */
#include "tests/unit/namespace/fixture.h"

static void
begins_with_the_root_and_synod(void **state)
{
	struct fixture one;
	struct fixture other;

	(void)state;
	fixture_open(&one);
	fixture_open(&other);
	assert_int_equal(namespace_nodes(one.namespace), 2);
	assert_int_equal(namespace_revision(one.namespace), 1);
	assert_int_equal(stat_of(&one, "/").children, 1);
	assert_int_equal(stat_of(&one, "/synod").created, 0);
	assert_true(hash_equal(namespace_hash(one.namespace), namespace_hash(other.namespace)));
	assert_hash_is_true(&one);
	fixture_close(&one);
	fixture_close(&other);
}

static void
forgets_what_was_not_committed(void **state)
{
	struct fixture fixture;
	struct state_hash hash;
	uint64_t slot;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "committed");
	assert_true(namespace_is_dirty(fixture.namespace));
	commit(&fixture);
	assert_false(namespace_is_dirty(fixture.namespace));
	slot = fixture.slot;
	hash = namespace_hash(fixture.namespace);
	put(&fixture, "/a", "lost");
	put(&fixture, "/b", "lost");
	assert_int_equal(namespace_committed_slot(fixture.namespace), slot);
	crash(&fixture);
	assert_int_equal(namespace_applied(fixture.namespace), slot);
	assert_int_equal(namespace_committed_slot(fixture.namespace), slot);
	assert_true(hash_equal(hash, namespace_hash(fixture.namespace)));
	assert_data(&fixture, "/a", "committed");
	assert_false(exists(&fixture, "/b"));
	assert_int_equal(namespace_nodes(fixture.namespace), 3);
	fixture_close(&fixture);
}

/* SQLite rolls back by itself after many an error.  What is written then must not stay. */
static void
writes_nothing_without_its_transaction(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "committed");
	commit(&fixture);
	put(&fixture, "/a", "lost");
	execute(fixture.db, "ROLLBACK");
	assert_int_equal(namespace_write_back(fixture.namespace), SYNOD_IO);
	assert_non_null(strstr(namespace_why(fixture.namespace), "rolled back"));
	namespace_close(fixture.namespace);
	execute(fixture.db, "BEGIN");
	execute(fixture.db, "ROLLBACK");
	open_namespace(&fixture);
	assert_data(&fixture, "/a", "committed");
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
wants_a_commit_after_enough_operations(void **state)
{
	struct namespace_options options = {.commit_operations = 10};
	struct fixture fixture;

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	for (unsigned i = 0; i < 8; i++)
		put(&fixture, "/a", "x");
	assert_false(namespace_wants_commit(fixture.namespace));
	put(&fixture, "/a", "x");
	assert_true(namespace_wants_commit(fixture.namespace));
	commit(&fixture);
	assert_false(namespace_wants_commit(fixture.namespace));
	fixture_close(&fixture);
}

static void
refuses_a_schema_of_another_version(void **state)
{
	struct fixture fixture;
	char why[256];

	(void)state;
	fixture_open(&fixture);
	commit(&fixture);
	namespace_close(fixture.namespace);
	execute(fixture.db, "UPDATE meta SET format = 1");
	assert_int_equal(namespace_open(&fixture.namespace, fixture.db, NULL, why), SYNOD_CORRUPT);
	assert_string_equal(why, "the database has a schema of another version");
	execute(fixture.db, "DELETE FROM meta");
	assert_int_equal(namespace_open(&fixture.namespace, fixture.db, NULL, why), SYNOD_CORRUPT);
	assert_string_equal(why, "the table meta is empty");
	fixture_close(&fixture);
}

static void
refuses_a_schema_that_lacks_a_table(void **state)
{
	struct fixture fixture;
	char why[256] = "";

	(void)state;
	fixture_open(&fixture);
	commit(&fixture);
	namespace_close(fixture.namespace);
	execute(fixture.db, "DROP TABLE session");
	assert_int_not_equal(namespace_open(&fixture.namespace, fixture.db, NULL, why), SYNOD_OK);
	assert_non_null(strstr(why, "session"));
	fixture_close(&fixture);
}

static int
refuse_everything(void *context, int action, const char *a, const char *b, const char *c,
                  const char *d)
{
	(void)context, (void)a, (void)b, (void)c, (void)d;
	return action == SQLITE_INSERT || action == SQLITE_UPDATE ? SQLITE_DENY : SQLITE_OK;
}

static void
says_why_it_cannot_open(void **state)
{
	struct fixture fixture = {0};
	char why[256] = "";

	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &fixture.db), SQLITE_OK);
	execute(fixture.db, "BEGIN");
	sqlite3_set_authorizer(fixture.db, refuse_everything, NULL);
	assert_int_not_equal(namespace_open(&fixture.namespace, fixture.db, NULL, why), SYNOD_OK);
	assert_true(strlen(why) > 0);
	sqlite3_close(fixture.db);
}

/* A full disk is reported and not taken for an answer. */
static void
reports_a_full_disk(void **state)
{
	struct fixture fixture;
	char *large = check_malloc(1000001);

	(void)state;
	memset(large, 'x', 1000000);
	large[1000000] = '\0';
	fixture_open(&fixture);
	commit(&fixture);
	execute(fixture.db, "COMMIT");
	execute(fixture.db, "PRAGMA max_page_count = 60");
	execute(fixture.db, "BEGIN");
	write_node(&fixture, OP_SET, 0, "/", "small"); /* fits */
	assert_int_equal(namespace_write_back(fixture.namespace), SYNOD_OK);
	{
		struct node *root;

		/* Into memory only, past the history. */
		assert_int_equal(node_find(fixture.namespace, slice_of("/"), &root), SYNOD_OK);
		node_begin_change(fixture.namespace, root);
		cache_set_data(&fixture.namespace->cache, root, slice_of(large));
		node_end_change(fixture.namespace, root);
	}
	assert_int_equal(namespace_write_back(fixture.namespace), SYNOD_NO_SPACE);
	assert_non_null(strstr(namespace_why(fixture.namespace), "NODE_UPDATE"));
	free(large);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_with_the_root_and_synod),
		cmocka_unit_test(forgets_what_was_not_committed),
		cmocka_unit_test(writes_nothing_without_its_transaction),
		cmocka_unit_test(wants_a_commit_after_enough_operations),
		cmocka_unit_test(refuses_a_schema_of_another_version),
		cmocka_unit_test(refuses_a_schema_that_lacks_a_table),
		cmocka_unit_test(says_why_it_cannot_open),
		cmocka_unit_test(reports_a_full_disk),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
