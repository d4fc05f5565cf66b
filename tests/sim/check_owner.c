/*
 * What has an owner goes with it: all of it in one revision, for one reason, and
 * never again is there anything of that owner.  At the end the rows of a member
 * are exactly what the changes say, and every owner in them is alive.
 *
 * That no owner ends early is checked while it runs: owner_on_changes().
 */
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

struct dead {
	uint64_t owner;
	uint64_t revision;
	unsigned cause;
};

struct check {
	struct living *living;
	struct replay_state nodes;
	struct dead *dead;
	size_t dead_count, dead_capacity;
	size_t found; /* rows of the member */
};

static void
fail(struct check *check, const char *why, const char *path, uint64_t owner, uint64_t revision)
{
	world_fail(check->living->world, "owner", "%s: %s of owner %lu at revision %lu", why, path,
	           (unsigned long)owner, (unsigned long)revision);
}

static struct dead *
find_dead(struct check *check, uint64_t owner)
{
	for (size_t i = 0; i < check->dead_count; i++)
		if (check->dead[i].owner == owner)
			return &check->dead[i];
	return NULL;
}

static void
bury(struct check *check, const struct chronicled *change)
{
	uint64_t owner = chronicled_end(change);
	const struct dead *dead = find_dead(check, owner);

	if (dead) {
		if (dead->revision != change->revision || dead->cause != change->cause)
			fail(check, "an owner ended twice", change->path, owner, change->revision);
		return;
	}
	LIVING_GROW(check->dead, check->dead_count, check->dead_capacity);
	check->dead[check->dead_count++] = (struct dead){owner, change->revision, change->cause};
	check->living->world->statistics.owners_checked++;
}

/* What becomes suspect loses its owner and keeps what it says.  The contender for a lock never
 * does: it would hide that its holder has gone. */
static void
check_suspicion(struct check *check, const struct chronicled *change, const struct replayed *node)
{
	if (change->owner != 0 || change->previous_owner == 0 ||
	    node->owner != change->previous_owner)
		fail(check, "suspect, of another owner", change->path, change->previous_owner,
		     change->revision);
	if (node->version != change->version || node->data_hash != change->data_hash)
		fail(check, "suspect, with other data", change->path, change->previous_owner,
		     change->revision);
	for (unsigned i = 0; i < LOCKS_MAX; i++)
		if (strncmp(change->path, lock_kinds[i].path, strlen(lock_kinds[i].path)) == 0)
			fail(check, "the contender for a lock is suspect", change->path,
			     change->previous_owner, change->revision);
}

static void
check_change(struct check *check, const struct chronicled *change)
{
	const struct replayed *node = replay_find(&check->nodes, change->path);
	bool is_suspicion = chronicled_is_suspicion(change);
	bool is_takeover = change->cause == SYNOD_CAUSE_SUPERSEDED;

	if (change->kind == SYNOD_CREATED ? node != NULL : node == NULL)
		fail(check, "created what existed, or changed what did not", change->path,
		     change->owner, change->revision);
	if (chronicled_end(change) != 0)
		bury(check, change);
	else if (change->owner != 0 && find_dead(check, change->owner))
		fail(check, "something of an owner that has ended", change->path, change->owner,
		     change->revision);
	if (node && is_takeover && node->owner != change->previous_owner)
		fail(check, "taken over from somebody else", change->path, change->owner,
		     change->revision);
	if (node && is_suspicion)
		check_suspicion(check, change, node);
	else if (node && !is_takeover && node->owner != 0 && node->owner != change->owner)
		fail(check, "another owner without being taken over", change->path, change->owner,
		     change->revision);
	replay_change(&check->nodes, change);
}

/* The owners that ended at REVISION have left nothing. */
static void
check_remains(struct check *check, uint64_t revision)
{
	for (size_t i = check->dead_count; i > 0 && check->dead[i - 1].revision == revision; i--)
		for (size_t k = 0; k < check->nodes.count; k++)
			if (check->nodes.nodes[k].exists &&
			    check->nodes.nodes[k].owner == check->dead[i - 1].owner)
				fail(check, "left behind", check->nodes.nodes[k].path,
				     check->dead[i - 1].owner, revision);
}

/* ---- the rows ---- */

static bool
check_row(void *context, const struct state_item *item)
{
	struct check *check = context;
	char path[LIVING_PATH];
	const struct replayed *node;
	size_t size = item->path.size < sizeof path ? item->path.size : sizeof path - 1;

	memcpy(path, item->path.bytes, size);
	path[size] = '\0';
	node = replay_find(&check->nodes, path);
	if (!node)
		fail(check, "a row of what should be gone", path, item->stat.owner,
		     check->living->chronicle->revision);
	else if (node->owner != item->stat.owner || node->version != item->stat.version ||
	         node->created != item->stat.created || node->modified != item->stat.modified ||
	         node->token != item->stat.token)
		fail(check, "a row is not what the changes say", path, item->stat.owner,
		     check->living->chronicle->revision);
	check->found++;
	return !check->living->world->has_failed;
}

struct census {
	struct check *check;
	uint64_t *alive;
	size_t count, capacity;
};

static void
count_session(void *context, uint64_t session, uint64_t generation, uint64_t timeout_ms)
{
	struct census *census = context;

	(void)generation;
	(void)timeout_ms;
	LIVING_GROW(census->alive, census->count, census->capacity);
	census->alive[census->count++] = session;
}

static void
check_owners(struct check *check, struct namespace *namespace)
{
	struct census census = {.check = check};

	CHECK(namespace_each_session(namespace, count_session, &census) == SYNOD_OK);
	for (size_t i = 0; i < check->nodes.count; i++) {
		const struct replayed *node = &check->nodes.nodes[i];
		bool is_alive = !node->exists || node->owner == 0;

		for (size_t k = 0; k < census.count && !is_alive; k++)
			is_alive = census.alive[k] == node->owner;
		if (!is_alive)
			fail(check, "its owner is not alive", node->path, node->owner,
			     check->living->chronicle->revision);
	}
	free(census.alive);
}

static void
check_rows(struct check *check, struct host *host)
{
	struct namespace *namespace =
		(struct namespace *)executor_namespace(host->member->executor);
	size_t count = 0;
	int error;

	if (!namespace || namespace_revision(namespace) != check->living->chronicle->revision)
		return;
	check->found = 0;
	host->world->running = host;
	error = namespace_each_node(namespace, slice_of(LIVING_ROOT), WATCH_SUBTREE, check_row,
	                            check);
	host->world->running = NULL;
	if (error != SYNOD_OK)
		return;
	for (size_t i = 0; i < check->nodes.count; i++)
		count += check->nodes.nodes[i].exists &&
		         strncmp(check->nodes.nodes[i].path, LIVING_ROOT, strlen(LIVING_ROOT)) == 0;
	if (count != check->found)
		fail(check, "rows are missing", host->name, 0, check->living->chronicle->revision);
	check_owners(check, namespace);
}

void
check_owner(struct living *living)
{
	const struct chronicle *chronicle = living->chronicle;
	struct check check = {.living = living};

	for (size_t i = 0; i < chronicle->count && !living->world->has_failed; i++) {
		const struct chronicled *change = &chronicle->changes[i];

		check_change(&check, change);
		if (i + 1 == chronicle->count || change[1].revision != change->revision)
			check_remains(&check, change->revision);
	}
	for (unsigned i = 0; i < living->world->options.members; i++) {
		struct host *host = living->world->hosts[i];

		if (host->is_up && !host->is_wiped && !living->world->has_failed)
			check_rows(&check, host);
	}
	replay_fini(&check.nodes);
	free(check.dead);
}
