/* Members that have applied the same slots have the same state, the same rows and the same history.
 */
#include <stdlib.h>

#include "server/namespace/internal.h"
#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
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
	uint64_t applied;
	struct state_hash hash, *known;

	if (!namespace)
		return;
	applied = namespace_applied(namespace);
	hash = namespace_hash(namespace);
	known = hash_at(check, applied);
	if (known->low == 0 && known->high == 0) {
		*known = hash;
		return;
	}
	check->world->statistics.hash_comparisons++;
	if (known->low != hash.low || known->high != hash.high)
		world_fail(check->world, "state", "%s has another state after slot %lu", host->name,
		           (unsigned long)applied);
}

/* ---- at the end ---- */

struct whole {
	struct state_hash rows;
	uint64_t changes; /* a hash of all changes in their order */
};

static void
mix(struct whole *whole, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size; i++)
		whole->changes = (whole->changes ^ at[i]) * UINT64_C(0x100000001b3);
}

static bool
mix_change(void *context, const struct change *change)
{
	struct whole *whole = context;
	uint64_t numbers[] = {change->revision, change->ordinal, change->kind,     change->version,
	                      change->owner,    change->cause,   change->path.size};

	mix(whole, numbers, sizeof numbers);
	mix(whole, change->path.bytes, change->path.size);
	mix(whole, change->data.bytes, change->data.size);
	return true;
}

/* Everything that HOST's member holds, read from its rows. */
static void
read_whole(struct host *host, struct whole *whole)
{
	struct world *world = host->world;
	/* Written back here and nowhere else than in its own actor: nothing else runs now. */
	struct namespace *namespace =
		(struct namespace *)executor_namespace(host->member->executor);
	struct state_hash kept = namespace_hash(namespace);
	int error;

	*whole = (struct whole){.changes = UINT64_C(0xcbf29ce484222325)};
	world->running = host;
	error = namespace_rehash(namespace, &whole->rows);
	if (error == SYNOD_OK)
		error = history_each(namespace, 0, mix_change, whole);
	world->running = NULL;
	if (error != SYNOD_OK)
		world_fail(world, "state", "%s cannot read its rows: %s", host->name,
		           error_name(error));
	else if (kept.low != whole->rows.low || kept.high != whole->rows.high)
		world_fail(world, "state", "the rows of %s are not those its hash is of",
		           host->name);
}

static void
compare_wholes(struct world *world, struct host *const *hosts, unsigned count)
{
	struct whole first, other;

	for (unsigned i = 0; i < count && !world->has_failed; i++) {
		read_whole(hosts[i], i == 0 ? &first : &other);
		if (i == 0 || world->has_failed)
			continue;
		if (first.rows.low != other.rows.low || first.rows.high != other.rows.high)
			world_fail(world, "state", "%s and %s hold different rows", hosts[0]->name,
			           hosts[i]->name);
		else if (first.changes != other.changes)
			world_fail(world, "state", "%s and %s tell different histories",
			           hosts[0]->name, hosts[i]->name);
	}
}

bool
check_state_is_equal(struct world *world)
{
	struct host *hosts[MEMBERS_LIMIT];
	unsigned count = 0;

	for (unsigned i = 0; i < world->options.members; i++) {
		struct host *host = world->hosts[i];

		if (host->is_wiped || host->is_quarantined)
			continue;
		if (!host->is_up)
			return false;
		if (!executor_namespace(host->member->executor))
			return false;
		hosts[count++] = host;
		if (namespace_applied(executor_namespace(host->member->executor)) !=
		    namespace_applied(executor_namespace(hosts[0]->member->executor)))
			return false;
	}
	compare_wholes(world, hosts, count);
	return true;
}
