/* Nodes whose time has come. */
#include "tests/unit/namespace/living.h"

static void
collects_a_container_a_while_after_its_last_child(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_container(&fixture, "/c");
	assert_true(namespace_next_due_ms(fixture.namespace) == UINT64_MAX);
	assert_int_equal(collect_at(&fixture, 1000000), 0); /* it had no child yet */
	create(&fixture, "/c/a");
	create(&fixture, "/c/b");
	delete_node(&fixture, "/c/a");
	assert_true(namespace_next_due_ms(fixture.namespace) == UINT64_MAX);
	delete_node(&fixture, "/c/b");
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 1000000 + CONTAINER_LINGER_MS);
	assert_int_equal(collect_at(&fixture, 1000000 + CONTAINER_LINGER_MS - 1), 0);
	assert_int_equal(collect_at(&fixture, 1000000 + CONTAINER_LINGER_MS), 1);
	assert_int_equal(last_change_count(&fixture), 1);
	assert_int_equal(last_change(&fixture, 0).kind, CHANGE_DELETED);
	assert_int_equal(last_change(&fixture, 0).cause, CAUSE_EXPIRED);
	assert_true(last_change(&fixture, 0).revision == fixture.slot);
	assert_false(exists(&fixture, "/c"));
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
keeps_a_container_that_got_another_child(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_container(&fixture, "/c");
	create(&fixture, "/c/a");
	delete_node(&fixture, "/c/a");
	commit(&fixture);
	create(&fixture, "/c/b"); /* not in the rows yet */
	assert_int_equal(collect_at(&fixture, 100000), 0);
	fixture.uptime_ms = 200000;
	delete_node(&fixture, "/c/b");
	assert_int_equal(collect_at(&fixture, 200000 + CONTAINER_LINGER_MS - 1), 0);
	put(&fixture, "/c", "writing to it prolongs nothing");
	assert_int_equal(collect_at(&fixture, 200000 + CONTAINER_LINGER_MS), 1);
	fixture_close(&fixture);
}

static void
collects_containers_from_the_inside_out(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_container(&fixture, "/c");
	create_container(&fixture, "/c/d");
	create(&fixture, "/c/d/e");
	delete_node(&fixture, "/c/d/e");
	assert_int_equal(collect_at(&fixture, CONTAINER_LINGER_MS), 1);
	assert_true(exists(&fixture, "/c"));
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 2 * CONTAINER_LINGER_MS);
	assert_int_equal(collect_at(&fixture, 2 * CONTAINER_LINGER_MS), 1);
	assert_false(exists(&fixture, "/c"));
	assert_int_equal(namespace_nodes(fixture.namespace), 2);
	fixture_close(&fixture);
}

static void
collects_a_ttl_node_that_is_not_written(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_ttl(&fixture, "/t", 5000);
	assert_int_equal(stat_of(&fixture, "/t").ttl_ms, 5000);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 5000);
	fixture.uptime_ms = 3000;
	write_node(&fixture, OP_SET, 0, "/t", "renewed");
	assert_int_equal(collect_at(&fixture, 7999), 0);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 8000);
	put(&fixture, "/t", "renewed again, and of its kind still");
	assert_int_equal(collect_at(&fixture, 8000), 0);
	assert_int_equal(collect_at(&fixture, 7999 + 5000), 1);
	assert_false(exists(&fixture, "/t"));
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
keeps_a_ttl_node_while_it_has_children(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_ttl(&fixture, "/t", 5000);
	fixture.uptime_ms = 4000;
	create(&fixture, "/t/a"); /* no write */
	assert_int_equal(collect_at(&fixture, 9000), 0);
	assert_true(namespace_next_due_ms(fixture.namespace) == UINT64_MAX);
	delete_node(&fixture, "/t/a");
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 5000);
	assert_int_equal(collect_at(&fixture, 9001), 1);
	fixture_close(&fixture);
}

static void
collects_a_bounded_number_those_due_first_first(void **state)
{
	struct namespace_options options = {.cache_nodes = 16};
	struct fixture fixture;
	char path[32];

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	for (unsigned i = 0; i < COLLECT_MAX + 10; i++) {
		snprintf(path, sizeof path, "/t%u", i);
		fixture.acknowledged = fixture.seq;
		create_ttl(&fixture, path, 10000 - i);
	}
	assert_int_equal(collect_at(&fixture, 20000), COLLECT_MAX);
	assert_int_equal(namespace_nodes(fixture.namespace), 2 + 10);
	assert_true(exists(&fixture, "/t0")); /* the last to be due */
	assert_true(exists(&fixture, "/t9"));
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 10000 - 9);
	assert_int_equal(collect_at(&fixture, 20000), 10);
	assert_true(namespace_next_due_ms(fixture.namespace) == UINT64_MAX);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
finds_the_next_one_after_a_restart(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_ttl(&fixture, "/long", 100000);
	create_ttl(&fixture, "/short", 7000);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 7000);
	assert_int_equal(collect_at(&fixture, 7000), 1);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 100000);
	fixture_close(&fixture);
}

static void
undoes_nothing_that_is_due_out_of_sight(void **state)
{
	struct operation operation = {
		.op = OP_PUT, .path = slice_of("/t"), .kind = NODE_TTL, .ttl_ms = NODE_TTL_MAX_MS};
	struct batch batch = {0};
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_ttl(&fixture, "/t", 7000);
	batch_add_with(&batch, THEN, &operation, NULL);
	batch_add(&batch, THEN, OP_DELETE, 0, "/missing", NULL);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_NOT_FOUND);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 7000);
	assert_int_equal(collect_at(&fixture, 7000), 1);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
counts_no_further_than_the_rows_do(void **state)
{
	struct fixture fixture;

	(void)state;
	assert_true(due_after(5, 6) == 11);
	assert_true(due_after(INT64_MAX, 1) == INT64_MAX);
	assert_true(due_after(UINT64_MAX, 0) == INT64_MAX);
	fixture_open(&fixture);
	fixture.uptime_ms = UINT64_MAX - 1;
	create_ttl(&fixture, "/t", 1000);
	assert_true(namespace_next_due_ms(fixture.namespace) == INT64_MAX);
	assert_int_equal(collect_at(&fixture, UINT64_MAX), 1);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collects_a_container_a_while_after_its_last_child),
		cmocka_unit_test(keeps_a_container_that_got_another_child),
		cmocka_unit_test(collects_containers_from_the_inside_out),
		cmocka_unit_test(collects_a_ttl_node_that_is_not_written),
		cmocka_unit_test(keeps_a_ttl_node_while_it_has_children),
		cmocka_unit_test(collects_a_bounded_number_those_due_first_first),
		cmocka_unit_test(finds_the_next_one_after_a_restart),
		cmocka_unit_test(undoes_nothing_that_is_due_out_of_sight),
		cmocka_unit_test(counts_no_further_than_the_rows_do),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
