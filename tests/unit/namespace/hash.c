/* The state hash. */
#include "tests/unit/namespace/fixture.h"

static void
does_not_depend_on_the_order_of_rows(void **state)
{
	struct state_hash a = hash_of(slice_of("a"));
	struct state_hash b = hash_of(slice_of("b"));
	struct state_hash one = {0};
	struct state_hash other = {0};

	(void)state;
	hash_add(&one, a);
	hash_add(&one, b);
	hash_add(&other, b);
	hash_add(&other, a);
	assert_true(hash_equal(one, other));
	hash_subtract(&one, a);
	assert_true(hash_equal(one, b));
}

static void
tells_fields_apart(void **state)
{
	struct row one = {0};
	struct row other = {0};

	(void)state;
	row_bytes(&one, slice_of("ab"));
	row_bytes(&one, slice_of("c"));
	row_bytes(&other, slice_of("a"));
	row_bytes(&other, slice_of("bc"));
	assert_false(hash_equal(hash_of_row(&one), hash_of_row(&other)));
}

/* One change in each field of a row changes the hash: it covers them all. */
static void
covers_every_field_of_every_row(void **state)
{
	static const char *const updates[] = {
		"UPDATE node SET created = created + 1 WHERE name = 'a'",
		"UPDATE node SET modified = modified + 1 WHERE name = 'a'",
		"UPDATE node SET children_modified = children_modified + 1 WHERE name = 'a'",
		"UPDATE node SET version = version + 1 WHERE name = 'a'",
		"UPDATE node SET children_version = children_version + 1 WHERE name = 'a'",
		"UPDATE node SET access_version = access_version + 1 WHERE name = 'a'",
		"UPDATE node SET created_ms = created_ms + 1 WHERE name = 'a'",
		"UPDATE node SET modified_ms = modified_ms + 1 WHERE name = 'a'",
		"UPDATE node SET owner = owner + 1 WHERE name = 'a'",
		"UPDATE node SET children = children + 1 WHERE name = 'a'",
		"UPDATE node SET sequence = sequence + 1 WHERE name = 'a'",
		"UPDATE node SET kind = kind + 1 WHERE name = 'a'",
		"UPDATE node SET data = x'00' WHERE name = 'a'",
		"UPDATE node SET data = NULL WHERE name = 'a'",
		"UPDATE node SET name = 'b' WHERE name = 'a'",
		"UPDATE node SET parent = '/synod' WHERE name = 'a'",
		"UPDATE session SET generation = generation + 1",
		"UPDATE session SET timeout_ms = timeout_ms + 1",
		"UPDATE session SET secret_hash = zeroblob(32)",
		"UPDATE session SET id = id + 100",
		"UPDATE session SET seq = 0, answers = x''",
		"UPDATE member SET name = 'x'",
		"UPDATE member SET peer_address = 'x'",
		"UPDATE member SET client_address = 'x'",
		"UPDATE member SET disk_id = x'00'",
		"UPDATE member SET id = 7",
	};
	struct command member = {.type = COMMAND_MEMBER,
	                         .member = 1,
	                         .name = slice_of("a"),
	                         .peer_address = slice_of("p"),
	                         .client_address = slice_of("c"),
	                         .disk_id = slice_of("0123456789abcdef")};
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "");
	apply(&fixture, &member);
	assert_hash_is_true(&fixture);
	for (unsigned i = 0; i < sizeof updates / sizeof updates[0]; i++) {
		struct state_hash hash;

		execute(fixture.db, "SAVEPOINT probe");
		execute(fixture.db, updates[i]);
		assert_int_equal(sqlite3_changes(fixture.db), 1);
		assert_int_equal(namespace_rehash(fixture.namespace, &hash), SYNOD_OK);
		if (hash_equal(hash, namespace_hash(fixture.namespace)))
			fail_msg("not covered: %s", updates[i]);
		execute(fixture.db, "ROLLBACK TO probe");
		execute(fixture.db, "RELEASE probe");
	}
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_not_depend_on_the_order_of_rows),
		cmocka_unit_test(tells_fields_apart),
		cmocka_unit_test(covers_every_field_of_every_row),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
