/*
 * Random histories of locks against a simple model: who holds, who waits, which
 * guards pass.  Two namespaces get the same commands, one of them with hardly any
 * memory and with restarts; their hashes and rows stay the same.
 */
#include "tests/unit/namespace/parties.h"
#include "tests/unit/namespace/random.h"

#define LOCKS   3
#define PARTIES 8
#define STEPS   3000
#define SEEDS   4

struct place {
	unsigned party;
	uint64_t sequence;
	uint64_t token;
	uint64_t delay_ms;
	bool is_shared;
};

struct model_lock {
	bool exists;
	uint64_t limit;
	uint64_t sequence; /* of the next contender */
	uint64_t delayed_until_ms;
	struct place places[PARTIES];
	unsigned count;
	uint64_t last_token;
	uint64_t earlier_token; /* of a holder that went */
};

struct world {
	struct fixture a;
	struct fixture b;
	struct chance chance;
	struct party parties[PARTIES];
	uint64_t joined;
	struct model_lock locks[LOCKS];
};

static const char *const paths[LOCKS] = {"/locks/a", "/locks/b", "/locks/deep/c"};

/* ---- the model ---- */

static bool
fits(const struct model_lock *lock, bool is_shared)
{
	unsigned shared = 0;
	unsigned exclusive = 0;

	for (unsigned i = 0; i < lock->count; i++) {
		if (lock->places[i].token != 0 && lock->places[i].is_shared)
			shared++;
		if (lock->places[i].token != 0 && !lock->places[i].is_shared)
			exclusive++;
	}
	return is_shared ? exclusive == 0 : shared == 0 && exclusive < lock->limit;
}

static void
model_settle(struct world *world, struct model_lock *lock)
{
	uint64_t slot = world->a.slot;

	if (lock->delayed_until_ms > world->a.uptime_ms)
		return;
	lock->delayed_until_ms = 0;
	for (unsigned i = 0; i < lock->count; i++) {
		struct place *place = &lock->places[i];

		if (place->token != 0)
			continue;
		if (!fits(lock, place->is_shared))
			return;
		if (place->is_shared || lock->limit > 1)
			assert_true(slot >= lock->last_token);
		else
			assert_true(slot > lock->last_token);
		place->token = slot;
		lock->last_token = slot;
	}
}

static void
model_lose(struct world *world, struct model_lock *lock, unsigned index, bool has_expired)
{
	struct place gone = lock->places[index];
	uint64_t until_ms = world->a.uptime_ms + gone.delay_ms;

	lock->count--;
	memmove(&lock->places[index], &lock->places[index + 1],
	        (lock->count - index) * sizeof gone);
	if (gone.token != 0)
		lock->earlier_token = gone.token;
	if (has_expired && gone.token != 0 && gone.delay_ms > 0 &&
	    until_ms > lock->delayed_until_ms)
		lock->delayed_until_ms = until_ms;
	model_settle(world, lock);
}

static int
model_find(const struct model_lock *lock, unsigned party)
{
	for (unsigned i = 0; i < lock->count; i++)
		if (lock->places[i].party == party)
			return (int)i;
	return -1;
}

/* Would a newcomer be granted, after all that can be granted have been? */
static bool
model_admits(struct world *world, const struct model_lock *lock, bool is_shared, uint64_t limit)
{
	struct model_lock copy = *lock;

	copy.limit = limit;
	copy.last_token = 0;
	model_settle(world, &copy);
	if (copy.delayed_until_ms > world->a.uptime_ms)
		return false;
	return fits(&copy, is_shared) &&
	       (copy.count == 0 || copy.places[copy.count - 1].token != 0);
}

static bool
model_holds(const struct model_lock *lock, uint64_t token)
{
	for (unsigned i = 0; i < lock->count; i++)
		if (token != 0 && lock->places[i].token == token)
			return true;
	return false;
}

/* ---- both namespaces ---- */

static void
assert_alike(struct world *world)
{
	world->b.slot = world->b.namespace->applied;
	assert_true(world->a.slot == world->b.slot);
	assert_int_equal(world->a.applied.error, world->b.applied.error);
	assert_true(slice_equal(buffer_slice(&world->a.result), buffer_slice(&world->b.result)));
	assert_true(
		hash_equal(namespace_hash(world->a.namespace), namespace_hash(world->b.namespace)));
}

static int
act_both(struct world *world, unsigned who, const struct operation *operation,
         const struct condition *conditions)
{
	struct party same = world->parties[who];
	int error = act(&world->a, &world->parties[who], operation, conditions);

	act(&world->b, &same, operation, conditions);
	assert_alike(world);
	return error;
}

static void
join_both(struct world *world, unsigned who)
{
	world->parties[who] = join(&world->a, ++world->joined);
	join(&world->b, world->joined);
	assert_alike(world);
}

/* ---- steps ---- */

static int
expected_of_acquire(struct world *world, const struct model_lock *lock, unsigned who,
                    const struct operation *operation)
{
	bool is_shared = (operation->flags & OP_SHARED) != 0;
	uint64_t limit = operation->limit > 0 ? operation->limit : 1;

	if (!lock->exists)
		return SYNOD_OK;
	if (model_find(lock, who) >= 0)
		return SYNOD_EXISTS;
	if (lock->count > 0 && limit != lock->limit)
		return SYNOD_CONFLICT;
	if ((operation->flags & OP_TRY) != 0 && !model_admits(world, lock, is_shared, limit))
		return SYNOD_HELD;
	return SYNOD_OK;
}

static void
step_acquire(struct world *world)
{
	struct chance *chance = &world->chance;
	unsigned which = chance_below(chance, LOCKS);
	unsigned who = chance_below(chance, PARTIES);
	struct model_lock *lock = &world->locks[which];
	struct operation operation = {.op = OP_ACQUIRE, .path = slice_of(paths[which])};
	struct place place;
	int expected;

	if (chance_one_in(chance, 3))
		operation.flags |= OP_SHARED;
	else
		operation.limit = lock->count > 0 && !chance_one_in(chance, 8)
		                          ? lock->limit
		                          : chance_below(chance, 4);
	if (chance_one_in(chance, 4))
		operation.flags |= OP_TRY;
	if (chance_one_in(chance, 3))
		operation.ttl_ms = 500 + chance_below(chance, 3000);
	expected = expected_of_acquire(world, lock, who, &operation);
	assert_int_equal(act_both(world, who, &operation, NULL), expected);
	if (expected != SYNOD_OK)
		return;
	if (!lock->exists)
		lock->sequence = 0;
	lock->exists = true;
	if (lock->count == 0)
		lock->limit = operation.limit > 0 ? operation.limit : 1;
	place = (struct place){
		.party = who,
		.sequence = lock->sequence++,
		.delay_ms = operation.ttl_ms,
		.is_shared = (operation.flags & OP_SHARED) != 0,
	};
	lock->places[lock->count++] = place;
	model_settle(world, lock);
	assert_true(acquired(&world->a).token == lock->places[lock->count - 1].token);
	if (acquired(&world->a).token == 0)
		assert_int_equal(acquired(&world->a).ahead, lock->count - 1);
}

static void
step_release(struct world *world)
{
	struct chance *chance = &world->chance;
	unsigned which = chance_below(chance, LOCKS);
	unsigned who = chance_below(chance, PARTIES);
	struct model_lock *lock = &world->locks[which];
	struct operation operation = {.op = OP_RELEASE, .path = slice_of(paths[which])};
	int index = model_find(lock, who);
	int expected = index < 0 ? SYNOD_NOT_HELD : SYNOD_OK;

	if (chance_one_in(chance, 4))
		operation.token = lock->last_token;
	if (index >= 0 && operation.token != 0 && operation.token != lock->places[index].token)
		expected = SYNOD_NOT_HELD;
	assert_int_equal(act_both(world, who, &operation, NULL), expected);
	if (expected == SYNOD_OK)
		model_lose(world, lock, (unsigned)index, false);
}

/* A write guarded with a token of now or of earlier. */
static void
step_guard(struct world *world)
{
	struct chance *chance = &world->chance;
	unsigned which = chance_below(chance, LOCKS);
	const struct model_lock *lock = &world->locks[which];
	struct condition condition = {.kind = CONDITION_TOKEN,
	                              .relation = RELATION_EQUAL,
	                              .path = slice_of(paths[which])};
	struct operation operation = {.op = OP_PUT,
	                              .path = slice_of("/guarded"),
	                              .data = slice_of("x"),
	                              .condition_count = 1};
	const uint64_t tokens[] = {lock->last_token, lock->earlier_token, 0, world->a.slot + 1};

	condition.number = tokens[chance_below(chance, 4)];
	assert_int_equal(act_both(world, chance_below(chance, PARTIES), &operation, &condition),
	                 model_holds(lock, condition.number) ? SYNOD_OK : SYNOD_FENCED);
}

/* A session ends; another takes its place. */
static void
step_end(struct world *world)
{
	unsigned who = chance_below(&world->chance, PARTIES);
	bool has_expired = chance_one_in(&world->chance, 2);
	struct party same = world->parties[who];

	if (has_expired) {
		assert_int_equal(expire(&world->a, &same), SYNOD_OK);
		expire(&world->b, &same);
	} else {
		assert_int_equal(leave(&world->a, &world->parties[who]), SYNOD_OK);
		leave(&world->b, &same);
	}
	assert_alike(world);
	for (unsigned i = 0; i < LOCKS; i++) {
		int index = model_find(&world->locks[i], who);

		if (index >= 0)
			model_lose(world, &world->locks[i], (unsigned)index, has_expired);
	}
	join_both(world, who);
}

/* Somebody deletes a contender, or all locks, in a transaction that may fail. */
static void
step_delete(struct world *world)
{
	struct chance *chance = &world->chance;
	bool fails = chance_one_in(chance, 2);
	bool takes_all = chance_one_in(chance, 8);
	unsigned who = chance_below(chance, PARTIES);
	struct model_lock *lock = &world->locks[chance_below(chance, LOCKS)];
	struct party same = world->parties[who];
	struct batch batch = {0};
	unsigned index = lock->count > 0 ? chance_below(chance, lock->count) : 0;
	char path[64];

	if (lock->count == 0)
		return;
	snprintf(path, sizeof path, "%s/%010llu", paths[lock - world->locks],
	         (unsigned long long)lock->places[index].sequence);
	for (unsigned i = 0; i < 2; i++) {
		struct fixture *fixture = i == 0 ? &world->a : &world->b;

		batch_add(&batch, THEN, OP_DELETE, 0, path, NULL);
		if (takes_all)
			batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/locks", NULL);
		if (fails)
			batch_add(&batch, THEN, OP_SET, 0, "/missing", NULL);
		act_as(fixture, i == 0 ? &world->parties[who] : &same);
		assert_int_equal(batch_run(fixture, &batch), fails ? SYNOD_NOT_FOUND : SYNOD_OK);
	}
	assert_alike(world);
	if (fails)
		return;
	if (!takes_all) {
		model_lose(world, lock, index, false);
		return;
	}
	for (unsigned i = 0; i < LOCKS; i++)
		world->locks[i] = (struct model_lock){.last_token = world->locks[i].last_token};
}

static void
step_time(struct world *world)
{
	world->a.uptime_ms += chance_below(&world->chance, 2000);
	if (chance_one_in(&world->chance, 50))
		world->a.uptime_ms += CONTAINER_LINGER_MS;
	world->b.uptime_ms = world->a.uptime_ms;
	if (chance_one_in(&world->chance, 2))
		return;
	collect(&world->a);
	collect(&world->b);
	assert_alike(world);
	for (unsigned i = 0; i < LOCKS; i++) {
		struct model_lock *lock = &world->locks[i];
		bool may_go = lock->count == 0 && lock->delayed_until_ms <= world->a.uptime_ms;

		if (lock->delayed_until_ms != 0)
			model_settle(world, lock);
		if (lock->exists && !exists(&world->a, paths[i])) {
			assert_true(may_go);
			*lock = (struct model_lock){.last_token = lock->last_token};
		}
	}
}

static void
compare(struct world *world)
{
	for (unsigned i = 0; i < LOCKS; i++) {
		const struct model_lock *lock = &world->locks[i];
		struct node_stat stat;
		char path[64];

		assert_int_equal(exists(&world->a, paths[i]), lock->exists);
		if (!lock->exists)
			continue;
		stat = stat_of(&world->a, paths[i]);
		assert_int_equal(stat.children, lock->count);
		assert_true(stat.mode == lock->limit);
		for (unsigned j = 0; j < lock->count; j++) {
			snprintf(path, sizeof path, "%s/%010llu", paths[i],
			         (unsigned long long)lock->places[j].sequence);
			stat = stat_of(&world->a, path);
			assert_true(stat.owner == world->parties[lock->places[j].party].session);
			assert_true(stat.token == lock->places[j].token);
		}
	}
}

static void
step(struct world *world)
{
	switch (chance_below(&world->chance, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4: step_acquire(world); break;
	case 5:
	case 6:
	case 7: step_release(world); break;
	case 8: step_guard(world); break;
	case 9: step_end(world); break;
	case 10: step_delete(world); break;
	default: step_time(world); break;
	}
	if (chance_one_in(&world->chance, 10))
		commit(&world->b);
	if (world->b.namespace->applied == world->b.namespace->committed &&
	    chance_one_in(&world->chance, 3))
		crash(&world->b);
	compare(world);
}

static void
behaves_like_the_model(void **state)
{
	struct namespace_options little = {.cache_nodes = 2};

	(void)state;
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct world world = {.chance = {seed}};

		fixture_open(&world.a);
		fixture_open_with(&world.b, ":memory:", &little);
		for (unsigned i = 0; i < PARTIES; i++)
			join_both(&world, i);
		for (unsigned i = 0; i < STEPS; i++)
			step(&world);
		assert_hash_is_true(&world.a);
		assert_same_rows(&world.a, &world.b);
		fixture_close(&world.a);
		fixture_close(&world.b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaves_like_the_model),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
