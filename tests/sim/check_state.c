/* Members that have applied the same slots have the same state. */
#include <stdlib.h>

#include "server/state.h"
#include "shared/check.h"
#include "tests/sim/oracle.h"

struct check_state {
	struct world *world;
	struct state_hash *hashes; /* by slot; zero: not known */
	uint64_t capacity;
};

struct check_state *
check_state_new(struct world *world)
{
	struct check_state *check = check_calloc(1, sizeof *check);

	check->world = world;
	return check;
}

void
check_state_free(struct check_state *check)
{
	free(check->hashes);
	free(check);
}

static struct state_hash *
hash_at(struct check_state *check, uint64_t slot)
{
	if (slot >= check->capacity) {
		uint64_t capacity = check->capacity ? check->capacity : 256;

		while (capacity <= slot)
			capacity *= 2;
		check->hashes = check_realloc(check->hashes, capacity * sizeof *check->hashes);
		for (uint64_t i = check->capacity; i < capacity; i++)
			check->hashes[i] = (struct state_hash){0, 0};
		check->capacity = capacity;
	}
	return &check->hashes[slot];
}

void
check_state_on_run(struct check_state *check, struct host *host)
{
	const struct namespace *namespace = executor_namespace(host->member->executor);
	uint64_t applied = namespace_applied(namespace);
	struct state_hash hash = namespace_hash(namespace);
	struct state_hash *known = hash_at(check, applied);

	if (known->low == 0 && known->high == 0) {
		*known = hash;
		return;
	}
	check->world->statistics.hash_comparisons++;
	if (known->low != hash.low || known->high != hash.high)
		world_fail(check->world, "state", "%s has another state after slot %lu", host->name,
		           (unsigned long)applied);
}

bool
check_state_is_equal(struct world *world)
{
	const struct host *first = NULL;

	for (unsigned i = 0; i < world->options.members; i++) {
		const struct host *host = world->hosts[i];

		if (host->is_wiped || host->is_quarantined)
			continue;
		if (!host->is_up)
			return false;
		if (!first)
			first = host;
		if (namespace_applied(executor_namespace(host->member->executor)) !=
		    namespace_applied(executor_namespace(first->member->executor)))
			return false;
	}
	return true;
}
