/* CREATE. */
#include "tests/unit/namespace/living.h"

/* Every field; not memcmp, because of the holes between them. */
static void
assert_same_stat(const struct node_stat *a, const struct node_stat *b)
{
	struct buffer packed_a = BUFFER_EMPTY, packed_b = BUFFER_EMPTY;

	stat_encode(&packed_a, a);
	stat_encode(&packed_b, b);
	assert_true(slice_equal(buffer_slice(&packed_a), buffer_slice(&packed_b)));
	buffer_fini(&packed_a);
	buffer_fini(&packed_b);
}

static void
creates_a_node_with_fresh_stat(void **state)
{
	struct fixture fixture;
	struct node_stat stat;

	(void)state;
	fixture_open(&fixture);
	fixture.wall_ms = 4321;
	assert_int_equal(write_node(&fixture, OP_CREATE, OP_WITH_STAT, "/a", "one"), SYNOD_OK);
	assert_true(fixture.applied.revision == fixture.slot);
	stat = written(&fixture).stat;
	assert_true(written(&fixture).has_stat);
	assert_true(stat.created == fixture.slot);
	assert_true(stat.modified == fixture.slot);
	assert_true(stat.children_modified == fixture.slot);
	assert_int_equal(stat.version, 0);
	assert_int_equal(stat.children_version, 0);
	assert_int_equal(stat.children, 0);
	assert_int_equal(stat.sequence, 0);
	assert_int_equal(stat.owner, 0);
	assert_int_equal(stat.created_ms, 4321);
	assert_int_equal(stat.modified_ms, 4321);
	assert_int_equal(stat.data_size, 3);
	assert_data(&fixture, "/a", "one");
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
counts_creations_and_deletions_in_the_parent(void **state)
{
	struct fixture fixture;
	struct node_stat before;
	struct node_stat after;

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/p");
	create(&fixture, "/p/a");
	create(&fixture, "/p/b");
	before = stat_of(&fixture, "/p");
	assert_int_equal(before.children, 2);
	assert_int_equal(before.children_version, 2);
	assert_int_equal(before.sequence, 2);
	assert_true(before.children_modified == fixture.slot);
	assert_int_equal(before.version, 0);

	put(&fixture, "/p/a", "data of a child touches nothing of its parent");
	after = stat_of(&fixture, "/p");
	assert_same_stat(&before, &after);

	delete_node(&fixture, "/p/a");
	after = stat_of(&fixture, "/p");
	assert_int_equal(after.children, 1);
	assert_int_equal(after.children_version, 3);
	assert_int_equal(after.sequence, 2);
	assert_true(after.children_modified == fixture.slot);
	assert_true(after.modified == before.modified);
	fixture_close(&fixture);
}

static void
refuses_what_exists_and_what_has_no_parent(void **state)
{
	struct fixture fixture;
	uint64_t revision;
	struct node_stat parent;

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/a");
	revision = fixture.applied.revision;
	parent = stat_of(&fixture, "/");
	assert_int_equal(create(&fixture, "/a"), SYNOD_EXISTS);
	assert_true(fixture.applied.revision == revision);
	assert_int_equal(create(&fixture, "/x/y"), SYNOD_NO_PARENT);
	assert_int_equal(create(&fixture, "/synod/x"), SYNOD_RESERVED);
	assert_int_equal(create(&fixture, "/"), SYNOD_BAD_ARGUMENT);
	assert_true(namespace_revision(fixture.namespace) == revision);
	assert_int_equal(stat_of(&fixture, "/").sequence, parent.sequence);
	assert_int_equal(stat_of(&fixture, "/").children_version, parent.children_version);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
creates_missing_parents_on_request(void **state)
{
	struct fixture fixture;
	uint64_t nodes;

	(void)state;
	fixture_open(&fixture);
	nodes = namespace_nodes(fixture.namespace);
	assert_int_equal(write_node(&fixture, OP_CREATE, OP_PARENTS, "/a/b/c", "leaf"), SYNOD_OK);
	assert_int_equal(namespace_nodes(fixture.namespace), nodes + 3);
	assert_data(&fixture, "/a", NULL);
	assert_data(&fixture, "/a/b", NULL);
	assert_data(&fixture, "/a/b/c", "leaf");
	assert_true(stat_of(&fixture, "/a").created == fixture.slot);
	assert_int_equal(stat_of(&fixture, "/a").children, 1);
	assert_int_equal(write_node(&fixture, OP_CREATE, OP_PARENTS, "/a/b/d", NULL), SYNOD_OK);
	assert_int_equal(namespace_nodes(fixture.namespace), nodes + 4);
	fixture_close(&fixture);
}

static void
appends_the_number_of_creations_to_sequential_names(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/q");
	write_node(&fixture, OP_CREATE, OP_SEQUENTIAL, "/q/n-", NULL);
	assert_true(slice_equal(written(&fixture).path, slice_of("/q/n-0000000000")));
	create(&fixture, "/q/plain");
	create(&fixture, "/q/plain"); /* fails, and does not count */
	delete_node(&fixture, "/q/plain");
	write_node(&fixture, OP_CREATE, OP_SEQUENTIAL, "/q/n-", NULL);
	assert_true(slice_equal(written(&fixture).path, slice_of("/q/n-0000000002")));
	write_node(&fixture, OP_CREATE, OP_SEQUENTIAL, "/q/", NULL);
	assert_true(slice_equal(written(&fixture).path, slice_of("/q/0000000003")));
	assert_true(exists(&fixture, "/q/0000000003"));
	fixture_close(&fixture);
}

static void
starts_a_missing_parents_sequence_at_zero(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(write_node(&fixture, OP_CREATE, OP_SEQUENTIAL, "/q/n", NULL),
	                 SYNOD_NO_PARENT);
	assert_int_equal(write_node(&fixture, OP_CREATE, OP_SEQUENTIAL | OP_PARENTS, "/q/n", NULL),
	                 SYNOD_OK);
	assert_true(slice_equal(written(&fixture).path, slice_of("/q/n0000000000")));
	fixture_close(&fixture);
}

static void
refuses_a_sequential_name_that_is_taken(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/q");
	create(&fixture, "/q/n0000000001");
	assert_int_equal(write_node(&fixture, OP_CREATE, OP_SEQUENTIAL, "/q/n", NULL),
	                 SYNOD_EXISTS);
	fixture_close(&fixture);
}

static void
tells_absent_data_from_empty(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	write_node(&fixture, OP_CREATE, 0, "/empty", "");
	write_node(&fixture, OP_CREATE, 0, "/absent", NULL);
	commit(&fixture);
	crash(&fixture); /* so that they are read from their rows */
	assert_data(&fixture, "/empty", "");
	assert_data(&fixture, "/absent", NULL);
	fixture_close(&fixture);
}

static void
creates_again_what_was_deleted(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "first");
	put(&fixture, "/a", "second");
	commit(&fixture);
	delete_node(&fixture, "/a");
	assert_int_equal(create(&fixture, "/a"), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/a").version, 0);
	assert_true(stat_of(&fixture, "/a").created == fixture.slot);
	assert_data(&fixture, "/a", NULL);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
creates_nodes_of_every_kind(void **state)
{
	struct fixture fixture;
	uint64_t lease;

	(void)state;
	fixture_open(&fixture);
	lease = grant_lease(&fixture);
	create_ephemeral(&fixture, "/e");
	create_leased(&fixture, "/l", lease);
	create_container(&fixture, "/c");
	create_ttl(&fixture, "/t", 1000);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/p", NODE_EPHEMERAL, 0, 0), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/e").kind, NODE_EPHEMERAL);
	assert_true(stat_of(&fixture, "/e").owner == fixture.session);
	assert_int_equal(stat_of(&fixture, "/l").kind, NODE_LEASED);
	assert_true(stat_of(&fixture, "/l").owner == lease);
	assert_int_equal(stat_of(&fixture, "/c").kind, NODE_CONTAINER);
	assert_int_equal(stat_of(&fixture, "/c").owner, 0);
	assert_int_equal(stat_of(&fixture, "/t").kind, NODE_TTL);
	assert_int_equal(stat_of(&fixture, "/t").ttl_ms, 1000);
	assert_true(stat_of(&fixture, "/p").owner == fixture.session);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(stat_of(&fixture, "/t").ttl_ms, 1000);
	assert_int_equal(stat_of(&fixture, "/t").kind, NODE_TTL);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
names_an_ephemeral_node_by_sequence(void **state)
{
	struct operation operation = {.op = OP_CREATE,
	                              .path = slice_of("/d/n-"),
	                              .flags = OP_SEQUENTIAL | OP_PARENTS,
	                              .kind = NODE_EPHEMERAL};
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(write_operation(&fixture, &operation, NULL), SYNOD_OK);
	assert_int_equal(last_change(&fixture, 0).owner, 0); /* the parent is persistent */
	assert_true(last_change(&fixture, 1).owner == fixture.session);
	assert_int_equal(stat_of(&fixture, "/d").kind, NODE_PERSISTENT);
	assert_true(stat_of(&fixture, "/d/n-0000000000").owner == fixture.session);
	fixture_close(&fixture);
}

static void
refuses_children_of_what_has_an_owner_and_of_locks(void **state)
{
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	create_ephemeral(&fixture, "/e");
	create_leased(&fixture, "/l", grant_lease(&fixture));
	party = join(&fixture, 3);
	take(&fixture, &party, "/lock");
	assert_int_equal(create(&fixture, "/e/child"), SYNOD_NO_CHILDREN);
	assert_int_equal(create(&fixture, "/l/child"), SYNOD_NO_CHILDREN);
	assert_int_equal(put(&fixture, "/e/deeper/child", "x"), SYNOD_NO_CHILDREN);
	assert_int_equal(create(&fixture, "/e/deeper/child"), SYNOD_NO_PARENT);
	assert_int_equal(create_ephemeral(&fixture, "/e/child"), SYNOD_NO_CHILDREN);
	assert_int_equal(create(&fixture, "/lock/child"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(put(&fixture, "/lock/deeper/child", "x"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(put(&fixture, "/lock/0000000000/child", "x"), SYNOD_NO_CHILDREN);
	assert_int_equal(stat_of(&fixture, "/e").children, 0);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creates_a_node_with_fresh_stat),
		cmocka_unit_test(counts_creations_and_deletions_in_the_parent),
		cmocka_unit_test(refuses_what_exists_and_what_has_no_parent),
		cmocka_unit_test(creates_missing_parents_on_request),
		cmocka_unit_test(appends_the_number_of_creations_to_sequential_names),
		cmocka_unit_test(starts_a_missing_parents_sequence_at_zero),
		cmocka_unit_test(refuses_a_sequential_name_that_is_taken),
		cmocka_unit_test(tells_absent_data_from_empty),
		cmocka_unit_test(creates_again_what_was_deleted),
		cmocka_unit_test(creates_nodes_of_every_kind),
		cmocka_unit_test(names_an_ephemeral_node_by_sequence),
		cmocka_unit_test(refuses_children_of_what_has_an_owner_and_of_locks),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
