/* A transaction that fails leaves nothing behind. */
#include "tests/unit/namespace/living.h"
#include "tests/unit/namespace/random.h"

struct picture {
	struct state_hash nodes;
	struct state_hash changes;
	uint64_t node_count;
	uint64_t revision;
	uint64_t change_count;
	uint64_t change_bytes;
	uint64_t contenders; /* of the session */
};

static struct picture
picture_of(struct fixture *fixture)
{
	struct picture picture = {0};

	assert_int_equal(nodes_write_back(fixture->namespace), SYNOD_OK);
	assert_int_equal(history_write_back(fixture->namespace), SYNOD_OK);
	picture.nodes = digest(fixture->db, "SELECT * FROM node ORDER BY parent, name");
	picture.changes = digest(fixture->db, "SELECT * FROM change ORDER BY id");
	picture.node_count = namespace_nodes(fixture->namespace);
	picture.revision = namespace_revision(fixture->namespace);
	picture.change_count = fixture->namespace->history.count;
	picture.change_bytes = fixture->namespace->history.bytes;
	picture.contenders = session_find(fixture->namespace, fixture->session)->contender_count;
	return picture;
}

/* Random operations, and in the end one that cannot succeed. */
static void
fail_transaction(struct fixture *fixture, struct chance *chance)
{
	struct batch batch = {0};
	unsigned count = 1 + chance_below(chance, 8);

	for (unsigned i = 0; i < count; i++) {
		struct random_operation random;

		random_operation_or_lock(chance, &random, 400);
		if (chance_one_in(chance, 2)) { /* so that some get far */
			random.operation.condition_count = 0;
			if (random.operation.op == OP_CREATE || random.operation.op == OP_SET)
				random.operation.op = OP_PUT;
			if (random.operation.op == OP_PUT)
				random.operation.flags = OP_PARENTS;
			if (random.operation.op == OP_DELETE)
				random.operation.flags = OP_RECURSIVE;
		}
		batch_add_with(&batch, THEN, &random.operation, &random.condition);
	}
	batch_add(&batch, THEN, OP_DELETE, 0, "/missing", NULL);
	fixture->acknowledged = fixture->seq;
	assert_int_not_equal(batch_run(fixture, &batch), SYNOD_OK);
}

static void
disturb(struct fixture *fixture, struct chance *chance)
{
	struct random_operation random;

	for (unsigned i = 0; i < 3; i++) {
		random_operation_or_lock(chance, &random, 400);
		fixture->acknowledged = fixture->seq;
		write_operation(fixture, &random.operation, &random.condition);
	}
	if (chance_one_in(chance, 4))
		commit(fixture);
	if (chance_one_in(chance, 20)) {
		commit(fixture);
		crash(fixture);
	}
}

static void
run(unsigned cache_nodes, uint64_t seed)
{
	struct namespace_options options = {.cache_nodes = cache_nodes, .change_count_max = 300};
	struct chance chance = {.state = seed, .has_kinds = true};
	struct fixture fixture;

	fixture_open_with(&fixture, ":memory:", &options);
	for (unsigned i = 0; i < RANDOM_LEASES; i++)
		chance.leases[i] = grant_lease(&fixture);
	for (unsigned round = 0; round < 300; round++) {
		struct picture before;
		struct picture after;

		disturb(&fixture, &chance);
		before = picture_of(&fixture);
		fail_transaction(&fixture, &chance);
		assert_hash_is_true(&fixture);
		after = picture_of(&fixture);
		assert_memory_equal(&before, &after, sizeof before);
	}
	fixture_close(&fixture);
}

static void
leaves_rows_and_hash_as_they_were(void **state)
{
	(void)state;
	run(65536, 1);
	run(65536, 2);
}

static void
leaves_them_so_with_hardly_any_cache(void **state)
{
	(void)state;
	run(1, 3);
	run(4, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_rows_and_hash_as_they_were),
		cmocka_unit_test(leaves_them_so_with_hardly_any_cache),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
