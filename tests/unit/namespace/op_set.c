/* SET and PUT. */
#include "tests/unit/namespace/living.h"

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

static void
takes_a_node_over_and_tells_the_previous_owner(void **state)
{
	struct fixture fixture;
	struct party one;
	struct party other;
	struct change change;

	(void)state;
	fixture_open(&fixture);
	one = join(&fixture, 3);
	other = join(&fixture, 4);
	act_as(&fixture, &one);
	create_ephemeral(&fixture, "/e");
	act_as(&fixture, &other);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/e", NODE_EPHEMERAL, 0, 0), SYNOD_OK);
	assert_int_equal(last_change_count(&fixture), 1);
	change = last_change(&fixture, 0);
	assert_int_equal(change.kind, CHANGE_MODIFIED);
	assert_int_equal(change.cause, CAUSE_SUPERSEDED);
	assert_true(change.owner == other.session);
	assert_true(change.previous_owner == one.session);
	assert_int_equal(change.version, 1);
	assert_true(stat_of(&fixture, "/e").owner == other.session);
	act_as(&fixture, &other);
	write_kind(&fixture, OP_PUT, "/e", NODE_EPHEMERAL, 0, 0); /* its own already */
	assert_int_equal(last_change(&fixture, 0).cause, CAUSE_REQUEST);
	assert_int_equal(last_change(&fixture, 0).previous_owner, 0);
	act_as(&fixture, &one);
	put(&fixture, "/e", "persistent leaves it as it is");
	assert_int_equal(last_change(&fixture, 0).cause, CAUSE_REQUEST);
	assert_true(stat_of(&fixture, "/e").owner == other.session);
	assert_int_equal(stat_of(&fixture, "/e").kind, NODE_EPHEMERAL);
	act_as(&fixture, &one);
	write_kind(&fixture, OP_PUT, "/e", NODE_TTL, 0, 5000);
	assert_int_equal(last_change(&fixture, 0).cause, CAUSE_SUPERSEDED);
	assert_true(last_change(&fixture, 0).previous_owner == other.session);
	assert_int_equal(stat_of(&fixture, "/e").owner, 0);
	assert_int_equal(stat_of(&fixture, "/e").ttl_ms, 5000);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
gives_no_owner_to_a_node_with_children(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a/b", "x");
	assert_int_equal(write_kind(&fixture, OP_PUT, "/a", NODE_EPHEMERAL, 0, 0), SYNOD_NOT_EMPTY);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/a", NODE_LEASED, grant_lease(&fixture), 0),
	                 SYNOD_NOT_EMPTY);
	assert_int_equal(stat_of(&fixture, "/a").owner, 0);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/a", NODE_CONTAINER, 0, 0), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/a").kind, NODE_CONTAINER);
	delete_node(&fixture, "/a/b");
	assert_int_equal(collect_at(&fixture, CONTAINER_LINGER_MS), 1);
	fixture_close(&fixture);
}

static void
makes_nothing_else_of_locks_and_contenders(void **state)
{
	struct fixture fixture;
	struct party party;
	struct change change;

	(void)state;
	fixture_open(&fixture);
	party = join(&fixture, 3);
	take(&fixture, &party, "/lock");
	act_as(&fixture, &party);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/lock", NODE_EPHEMERAL, 0, 0),
	                 SYNOD_BAD_ARGUMENT);
	act_as(&fixture, &party);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/lock/0000000000", NODE_TTL, 0, 5000),
	                 SYNOD_BAD_ARGUMENT);
	act_as(&fixture, &party);
	assert_int_equal(write_node(&fixture, OP_SET, 0, "/lock/0000000000", "proclaimed"),
	                 SYNOD_OK);
	change = last_change(&fixture, 0);
	assert_int_equal(change.kind, CHANGE_MODIFIED);
	assert_true(change.owner == party.session);
	assert_int_equal(stat_of(&fixture, "/lock/0000000000").kind, NODE_CONTENDER);
	assert_data(&fixture, "/lock/0000000000", "proclaimed");
	assert_hash_is_true(&fixture);
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
		cmocka_unit_test(takes_a_node_over_and_tells_the_previous_owner),
		cmocka_unit_test(gives_no_owner_to_a_node_with_children),
		cmocka_unit_test(makes_nothing_else_of_locks_and_contenders),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
