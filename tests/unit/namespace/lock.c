/* Who is granted a lock, when, and what remains true across restarts and undone transactions. */
#include "tests/unit/namespace/parties.h"

#define PARTIES 6

struct scene {
	struct fixture fixture;
	struct party parties[PARTIES];
};

static void
scene_open(struct scene *scene)
{
	fixture_open(&scene->fixture);
	for (unsigned i = 0; i < PARTIES; i++)
		scene->parties[i] = join(&scene->fixture, i);
}

static int
enter(struct scene *scene, unsigned who, uint32_t flags, uint64_t limit, uint64_t delay_ms)
{
	return acquire_as(&scene->fixture, &scene->parties[who], "/lock", flags, limit, delay_ms);
}

/* Does the contender with this sequence hold /lock? */
static bool
holds(struct scene *scene, unsigned sequence)
{
	char path[64];

	snprintf(path, sizeof path, "/lock/%010u", sequence);
	return token_of(&scene->fixture, path) != 0;
}

static void
assert_holders(struct scene *scene, unsigned first, unsigned end, const char *expected)
{
	for (unsigned i = first; i < end; i++)
		assert_int_equal(holds(scene, i), expected[i - first] == 'h');
}

static void
restart(struct scene *scene)
{
	commit(&scene->fixture);
	crash(&scene->fixture);
}

/* ---- modes ---- */

static void
semaphore_has_as_many_holders_as_its_limit(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(enter(&scene, i, 0, 3, 0), SYNOD_OK);
	assert_holders(&scene, 0, 5, "hhhww");
	release(&scene.fixture, &scene.parties[1], "/lock");
	assert_true(token_of(&scene.fixture, "/lock/0000000003") == scene.fixture.slot);
	assert_holders(&scene, 2, 5, "hhw");
	leave(&scene.fixture, &scene.parties[0]);
	assert_holders(&scene, 2, 5, "hhh");
	fixture_close(&scene.fixture);
}

static void
readers_share_and_writers_do_not(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, OP_SHARED, 0, 0);
	enter(&scene, 1, OP_SHARED, 0, 0);
	enter(&scene, 2, 0, 0, 0);
	enter(&scene, 3, OP_SHARED, 0, 0);
	enter(&scene, 4, OP_SHARED, 0, 0);
	enter(&scene, 5, 0, 0, 0);
	assert_holders(&scene, 0, 6, "hhwwww"); /* no reader overtakes the writer */
	release(&scene.fixture, &scene.parties[0], "/lock");
	assert_holders(&scene, 1, 6, "hwwww");
	release(&scene.fixture, &scene.parties[1], "/lock");
	assert_holders(&scene, 2, 6, "hwww");
	release(&scene.fixture, &scene.parties[2], "/lock");
	assert_holders(&scene, 3, 6, "hhw");
	assert_true(token_of(&scene.fixture, "/lock/0000000003") ==
	            token_of(&scene.fixture, "/lock/0000000004"));
	release(&scene.fixture, &scene.parties[4], "/lock");
	assert_holders(&scene, 5, 6, "w");
	release(&scene.fixture, &scene.parties[3], "/lock");
	assert_holders(&scene, 5, 6, "h");
	fixture_close(&scene.fixture);
}

static void
readers_follow_at_once_when_a_waiting_writer_leaves(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, OP_SHARED, 0, 0);
	enter(&scene, 1, 0, 0, 0);
	enter(&scene, 2, OP_SHARED, 0, 0);
	release(&scene.fixture, &scene.parties[1], "/lock");
	assert_true(token_of(&scene.fixture, "/lock/0000000002") == scene.fixture.slot);
	fixture_close(&scene.fixture);
}

static bool
count_granted(void *context, const struct change *change)
{
	unsigned *count = context;

	if (change->kind == CHANGE_GRANTED)
		++*count;
	return true;
}

/* Far more of them, and of what they carry, than is kept in memory. */
static void
thousands_of_readers_are_let_in_at_once(void **state)
{
	struct namespace_options options = {.cache_nodes = 100};
	struct operation operation = {
		.op = OP_ACQUIRE, .path = slice_of("/lock"), .flags = OP_SHARED};
	struct fixture fixture;
	struct party writer;
	struct party reader;
	unsigned granted = 0;
	uint8_t data[500] = {1};

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	writer = join(&fixture, 0);
	take(&fixture, &writer, "/lock");
	operation.data = (struct slice){data, sizeof data};
	for (unsigned i = 1; i <= 2000; i++) {
		reader = join(&fixture, i);
		assert_int_equal(act(&fixture, &reader, &operation, NULL), SYNOD_OK);
	}
	release(&fixture, &writer, "/lock");
	assert_true(token_of(&fixture, "/lock/0000000001") == fixture.slot);
	assert_true(token_of(&fixture, "/lock/0000002000") == fixture.slot);
	assert_int_equal(
		namespace_each_change(fixture.namespace, fixture.slot, count_granted, &granted),
		SYNOD_OK);
	assert_int_equal(granted, 2000);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

/* ---- sessions that end ---- */

static void
closing_hands_over_in_the_order_of_the_paths(void **state)
{
	static const char *const locks[] = {"/m", "/z", "/a"};
	struct scene scene;
	struct told changes;

	(void)state;
	scene_open(&scene);
	for (unsigned i = 0; i < 3; i++) {
		take(&scene.fixture, &scene.parties[0], locks[i]);
		wait_for(&scene.fixture, &scene.parties[1 + i], locks[i]);
	}
	assert_int_equal(leave(&scene.fixture, &scene.parties[0]), SYNOD_OK);
	changes = told(&scene.fixture);
	assert_int_equal(changes.count, 6);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(changes.changes[i].kind, CHANGE_DELETED);
		assert_int_equal(changes.changes[i].cause, CAUSE_CLOSED);
		assert_int_equal(changes.changes[3 + i].cause, CAUSE_REQUEST);
	}
	assert_told(&changes, 3, CHANGE_GRANTED, "/a/0000000001");
	assert_told(&changes, 4, CHANGE_GRANTED, "/m/0000000001");
	assert_told(&changes, 5, CHANGE_GRANTED, "/z/0000000001");
	assert_hash_is_true(&scene.fixture);
	fixture_close(&scene.fixture);
}

static void
expiry_hands_over_without_a_delay(void **state)
{
	struct scene scene;
	struct told changes;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, 0, 0, 0);
	enter(&scene, 1, 0, 0, 0);
	assert_int_equal(expire(&scene.fixture, &scene.parties[0]), SYNOD_OK);
	changes = told(&scene.fixture);
	assert_int_equal(changes.count, 2);
	assert_told(&changes, 0, CHANGE_DELETED, "/lock/0000000000");
	assert_int_equal(changes.changes[0].cause, CAUSE_EXPIRED);
	assert_told(&changes, 1, CHANGE_GRANTED, "/lock/0000000001");
	fixture_close(&scene.fixture);
}

/* ---- the delay ---- */

static void
delay_follows_the_expiry_of_a_holder(void **state)
{
	struct scene scene;
	struct told changes;

	(void)state;
	scene_open(&scene);
	scene.fixture.uptime_ms = 1000;
	enter(&scene, 0, 0, 0, 5000);
	enter(&scene, 1, 0, 0, 0);
	expire(&scene.fixture, &scene.parties[0]);
	assert_holders(&scene, 1, 2, "w");
	assert_true(namespace_next_due_ms(scene.fixture.namespace) <= 6000);
	assert_int_equal(enter(&scene, 2, OP_TRY, 0, 0), SYNOD_HELD);
	scene.fixture.uptime_ms = 5999;
	collect(&scene.fixture);
	assert_holders(&scene, 1, 2, "w");
	assert_int_equal(enter(&scene, 2, OP_SHARED, 0, 0), SYNOD_OK);
	assert_holders(&scene, 1, 3, "ww");
	scene.fixture.uptime_ms = 6000;
	collect(&scene.fixture);
	assert_holders(&scene, 1, 3, "hw");
	assert_true(token_of(&scene.fixture, "/lock/0000000001") == scene.fixture.slot);
	changes = told(&scene.fixture);
	assert_int_equal(changes.count, 1);
	assert_told(&changes, 0, CHANGE_GRANTED, "/lock/0000000001");
	assert_int_equal(changes.changes[0].cause, CAUSE_REQUEST);
	assert_int_equal(stat_of(&scene.fixture, "/lock").ttl_ms, 0);
	assert_hash_is_true(&scene.fixture);
	fixture_close(&scene.fixture);
}

static void
delay_follows_nothing_but_the_expiry_of_a_holder(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	for (unsigned i = 0; i < 4; i++)
		enter(&scene, i, 0, 0, 5000);
	expire(&scene.fixture, &scene.parties[1]); /* waited */
	release(&scene.fixture, &scene.parties[0], "/lock");
	assert_holders(&scene, 2, 4, "hw");
	leave(&scene.fixture, &scene.parties[2]);
	assert_holders(&scene, 3, 4, "h");
	fixture_close(&scene.fixture);
}

static void
delay_holds_for_an_empty_lock_too(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, 0, 0, 600000);
	expire(&scene.fixture, &scene.parties[0]);
	scene.fixture.uptime_ms = 599999;
	collect(&scene.fixture);
	assert_true(exists(&scene.fixture, "/lock"));
	assert_int_equal(enter(&scene, 1, OP_TRY, 0, 0), SYNOD_HELD);
	assert_int_equal(enter(&scene, 1, 0, 0, 0), SYNOD_OK);
	assert_holders(&scene, 1, 2, "w");
	scene.fixture.uptime_ms = 600000;
	collect(&scene.fixture);
	assert_holders(&scene, 1, 2, "h");
	fixture_close(&scene.fixture);
}

static void
longest_delay_counts(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, OP_SHARED, 0, 9000);
	enter(&scene, 1, OP_SHARED, 0, 2000);
	enter(&scene, 2, 0, 0, 0);
	expire(&scene.fixture, &scene.parties[0]);
	expire(&scene.fixture, &scene.parties[1]);
	scene.fixture.uptime_ms = 8999;
	collect(&scene.fixture);
	assert_holders(&scene, 2, 3, "w");
	scene.fixture.uptime_ms = 9000;
	collect(&scene.fixture);
	assert_holders(&scene, 2, 3, "h");
	fixture_close(&scene.fixture);
}

static void
delay_that_is_over_does_not_wait_to_be_collected(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, 0, 0, 2000);
	enter(&scene, 1, 0, 0, 0);
	expire(&scene.fixture, &scene.parties[0]);
	scene.fixture.uptime_ms = 2000;
	assert_int_equal(enter(&scene, 2, 0, 0, 0), SYNOD_OK);
	assert_int_equal(acquired(&scene.fixture).token, 0);
	assert_holders(&scene, 1, 3, "hw");
	collect(&scene.fixture);
	assert_holders(&scene, 1, 3, "hw");
	release(&scene.fixture, &scene.parties[1], "/lock");
	assert_holders(&scene, 2, 3, "h");
	fixture_close(&scene.fixture);
}

static void
delay_survives_a_restart(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, 0, 0, 2000);
	enter(&scene, 1, 0, 0, 0);
	expire(&scene.fixture, &scene.parties[0]);
	restart(&scene);
	scene.fixture.uptime_ms = 1999;
	collect(&scene.fixture);
	assert_holders(&scene, 1, 2, "w");
	scene.fixture.uptime_ms = 2000;
	collect(&scene.fixture);
	assert_holders(&scene, 1, 2, "h");
	fixture_close(&scene.fixture);
}

/* ---- lock nodes ---- */

static void
empty_lock_is_collected_and_made_again(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, 0, 5, 0);
	release(&scene.fixture, &scene.parties[0], "/lock");
	scene.fixture.uptime_ms = CONTAINER_LINGER_MS - 1;
	collect(&scene.fixture);
	assert_true(exists(&scene.fixture, "/lock"));
	scene.fixture.uptime_ms = CONTAINER_LINGER_MS;
	collect(&scene.fixture);
	assert_false(exists(&scene.fixture, "/lock"));
	enter(&scene, 1, 0, 0, 0);
	assert_true(acquired(&scene.fixture).token == scene.fixture.slot);
	assert_string_equal(acquired(&scene.fixture).path, "/lock/0000000000");
	scene.fixture.uptime_ms *= 3;
	collect(&scene.fixture);
	assert_holders(&scene, 0, 1, "h");
	assert_hash_is_true(&scene.fixture);
	fixture_close(&scene.fixture);
}

static void
numbers_of_contenders_are_no_names(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	take(&scene.fixture, &scene.parties[0], "/lock");
	release(&scene.fixture, &scene.parties[0], "/lock");
	commit(&scene.fixture);
	execute(scene.fixture.db, "UPDATE node SET sequence = 9999999999 WHERE name = 'lock'");
	execute(scene.fixture.db, "COMMIT; BEGIN");
	crash(&scene.fixture);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(enter(&scene, i, 0, 0, 0), SYNOD_OK);
	restart(&scene);
	assert_int_equal(enter(&scene, 3, 0, 0, 0), SYNOD_OK);
	assert_int_equal(acquired(&scene.fixture).ahead, 3);
	release(&scene.fixture, &scene.parties[0], "/lock");
	assert_true(token_of(&scene.fixture, "/lock/10000000000") == scene.fixture.slot);
	assert_true(token_of(&scene.fixture, "/lock/10000000001") == 0);
	fixture_close(&scene.fixture);
}

static void
queue_survives_a_restart(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	for (unsigned i = 0; i < 3; i++)
		enter(&scene, i, 0, 0, 0);
	restart(&scene);
	assert_int_equal(enter(&scene, 1, 0, 0, 0), SYNOD_EXISTS);
	release(&scene.fixture, &scene.parties[0], "/lock");
	restart(&scene);
	assert_holders(&scene, 1, 3, "hw");
	leave(&scene.fixture, &scene.parties[1]);
	assert_holders(&scene, 2, 3, "h");
	fixture_close(&scene.fixture);
}

/* ---- deletions by others ---- */

static void
deleting_a_contender_takes_its_place_away(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	for (unsigned i = 0; i < 3; i++)
		enter(&scene, i, 0, 0, 0);
	act_as(&scene.fixture, &scene.parties[5]);
	assert_int_equal(delete_node(&scene.fixture, "/lock/0000000001"), SYNOD_OK);
	assert_holders(&scene, 2, 3, "w");
	act_as(&scene.fixture, &scene.parties[5]);
	assert_int_equal(delete_node(&scene.fixture, "/lock/0000000000"), SYNOD_OK);
	assert_true(token_of(&scene.fixture, "/lock/0000000002") == scene.fixture.slot);
	assert_int_equal(release(&scene.fixture, &scene.parties[0], "/lock"), SYNOD_NOT_HELD);
	assert_int_equal(enter(&scene, 0, 0, 0, 0), SYNOD_OK);
	fixture_close(&scene.fixture);
}

static void
deleting_the_lock_ends_the_queue(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene);
	take(&scene.fixture, &scene.parties[0], "/dir/lock");
	wait_for(&scene.fixture, &scene.parties[1], "/dir/lock");
	act_as(&scene.fixture, &scene.parties[5]);
	assert_int_equal(write_node(&scene.fixture, OP_DELETE, OP_RECURSIVE, "/dir", NULL),
	                 SYNOD_OK);
	assert_int_equal(deleted_count(&scene.fixture), 4);
	assert_int_equal(release(&scene.fixture, &scene.parties[0], "/dir/lock"), SYNOD_NOT_HELD);
	take(&scene.fixture, &scene.parties[1], "/dir/lock");
	wait_for(&scene.fixture, &scene.parties[0], "/dir/lock");
	leave(&scene.fixture, &scene.parties[1]);
	assert_true(token_of(&scene.fixture, "/dir/lock/0000000001") == scene.fixture.slot);
	assert_int_equal(
		session_find(scene.fixture.namespace, scene.parties[0].session)->contender_count,
		1);
	assert_hash_is_true(&scene.fixture);
	fixture_close(&scene.fixture);
}

/* ---- transactions ---- */

/* Delete PATHS, and then fail if FAILS. */
static int
delete_all(struct scene *scene, const char *const *paths, unsigned count, bool fails)
{
	struct batch batch = {0};

	for (unsigned i = 0; i < count; i++)
		batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, paths[i], NULL);
	if (fails)
		batch_add(&batch, THEN, OP_SET, 0, "/missing", NULL);
	act_as(&scene->fixture, &scene->parties[5]);
	return batch_run(&scene->fixture, &batch);
}

static void
transaction_grants_once_it_is_complete(void **state)
{
	static const char *const paths[] = {"/lock/0000000001", "/lock/0000000000"};
	struct scene scene;
	struct told changes;

	(void)state;
	scene_open(&scene);
	for (unsigned i = 0; i < 3; i++)
		enter(&scene, i, 0, 0, 0);
	assert_int_equal(delete_all(&scene, paths, 2, false), SYNOD_OK);
	changes = told(&scene.fixture);
	assert_int_equal(changes.count, 3);
	assert_told(&changes, 2, CHANGE_GRANTED, "/lock/0000000002");
	assert_true(token_of(&scene.fixture, "/lock/0000000002") == scene.fixture.slot);
	fixture_close(&scene.fixture);
}

static void
transaction_grants_in_the_order_of_the_paths(void **state)
{
	static const char *const locks[] = {"/m", "/z", "/a"};
	static const char *const paths[] = {"/m/0000000000", "/z/0000000000", "/a/0000000000"};
	struct scene scene;
	struct told changes;

	(void)state;
	scene_open(&scene);
	for (unsigned i = 0; i < 3; i++) {
		take(&scene.fixture, &scene.parties[0], locks[i]);
		wait_for(&scene.fixture, &scene.parties[1], locks[i]);
	}
	assert_int_equal(delete_all(&scene, paths, 3, false), SYNOD_OK);
	changes = told(&scene.fixture);
	assert_told(&changes, 3, CHANGE_GRANTED, "/a/0000000001");
	assert_told(&changes, 4, CHANGE_GRANTED, "/m/0000000001");
	assert_told(&changes, 5, CHANGE_GRANTED, "/z/0000000001");
	fixture_close(&scene.fixture);
}

static void
undone_transaction_takes_nothing_from_anybody(void **state)
{
	static const char *const one[] = {"/lock/0000000000"};
	static const char *const whole[] = {"/lock", "/locks"};
	struct scene scene;
	uint64_t token;

	(void)state;
	scene_open(&scene);
	take(&scene.fixture, &scene.parties[0], "/locks/other");
	for (unsigned i = 0; i < 3; i++)
		enter(&scene, i, 0, 0, 0);
	token = token_of(&scene.fixture, "/lock/0000000000");
	assert_int_equal(delete_all(&scene, one, 1, true), SYNOD_NOT_FOUND);
	assert_int_equal(told(&scene.fixture).count, 0);
	assert_int_equal(delete_all(&scene, whole, 2, true), SYNOD_NOT_FOUND);
	assert_int_equal(told(&scene.fixture).count, 0);
	assert_true(token_of(&scene.fixture, "/lock/0000000000") == token);
	assert_holders(&scene, 0, 3, "hww");
	assert_int_equal(
		session_find(scene.fixture.namespace, scene.parties[0].session)->contender_count,
		2);
	assert_int_equal(enter(&scene, 1, 0, 0, 0), SYNOD_EXISTS);
	release(&scene.fixture, &scene.parties[0], "/lock");
	assert_holders(&scene, 1, 3, "hw");
	assert_hash_is_true(&scene.fixture);
	fixture_close(&scene.fixture);
}

static void
transaction_can_put_another_node_where_the_lock_was(void **state)
{
	struct batch batch = {0};
	struct scene scene;

	(void)state;
	scene_open(&scene);
	enter(&scene, 0, 0, 0, 0);
	enter(&scene, 1, 0, 0, 0);
	batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/lock", NULL);
	batch_add(&batch, THEN, OP_CREATE, 0, "/lock", "no lock");
	act_as(&scene.fixture, &scene.parties[5]);
	assert_int_equal(batch_run(&scene.fixture, &batch), SYNOD_OK);
	assert_int_equal(enter(&scene, 2, 0, 0, 0), SYNOD_NOT_A_LOCK);
	assert_int_equal(release(&scene.fixture, &scene.parties[0], "/lock"), SYNOD_NOT_HELD);
	fixture_close(&scene.fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(semaphore_has_as_many_holders_as_its_limit),
		cmocka_unit_test(readers_share_and_writers_do_not),
		cmocka_unit_test(readers_follow_at_once_when_a_waiting_writer_leaves),
		cmocka_unit_test(thousands_of_readers_are_let_in_at_once),
		cmocka_unit_test(closing_hands_over_in_the_order_of_the_paths),
		cmocka_unit_test(expiry_hands_over_without_a_delay),
		cmocka_unit_test(delay_follows_the_expiry_of_a_holder),
		cmocka_unit_test(delay_follows_nothing_but_the_expiry_of_a_holder),
		cmocka_unit_test(delay_holds_for_an_empty_lock_too),
		cmocka_unit_test(longest_delay_counts),
		cmocka_unit_test(delay_that_is_over_does_not_wait_to_be_collected),
		cmocka_unit_test(delay_survives_a_restart),
		cmocka_unit_test(empty_lock_is_collected_and_made_again),
		cmocka_unit_test(numbers_of_contenders_are_no_names),
		cmocka_unit_test(queue_survives_a_restart),
		cmocka_unit_test(deleting_a_contender_takes_its_place_away),
		cmocka_unit_test(deleting_the_lock_ends_the_queue),
		cmocka_unit_test(transaction_grants_once_it_is_complete),
		cmocka_unit_test(transaction_grants_in_the_order_of_the_paths),
		cmocka_unit_test(undone_transaction_takes_nothing_from_anybody),
		cmocka_unit_test(transaction_can_put_another_node_where_the_lock_was),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
