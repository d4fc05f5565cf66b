/*
 * Beyond the budget: a member whose disk was not harmed never contradicts its own past.
 *
 * Where a majority has forgotten what it promised, other values can be chosen and nobody
 * can know.  What a member has applied itself it does know: no other value, and no
 * other state, may ever take its place there.
 */
#include <stdlib.h>

#include "server/state.h"
#include "shared/check.h"
#include "tests/sim/oracle.h"

struct past {
	uint64_t entry; /* a hash; 0: not known */
	struct state_hash state;
};

struct check_own {
	struct world *world;
	struct {
		struct past *slots;
		uint64_t capacity;
		uint64_t looked;
	} members[MEMBERS_LIMIT];
};

struct check_own *
check_own_new(struct world *world)
{
	struct check_own *check = check_calloc(1, sizeof *check);

	check->world = world;
	return check;
}

void
check_own_free(struct check_own *check)
{
	for (unsigned i = 0; i < MEMBERS_LIMIT; i++)
		free(check->members[i].slots);
	free(check);
}

static struct past *
past_at(struct check_own *check, const struct host *host, uint64_t slot)
{
	uint64_t *capacity = &check->members[host->index].capacity;
	struct past **slots = &check->members[host->index].slots;

	if (slot >= *capacity) {
		uint64_t before = *capacity;

		*capacity = slot * 2 + 256;
		*slots = check_realloc(*slots, *capacity * sizeof **slots);
		for (uint64_t i = before; i < *capacity; i++)
			(*slots)[i] = (struct past){0};
	}
	return &(*slots)[slot];
}

/* What was not yet applied durably may be forgotten; all of it, if the disk was harmed. */
void
check_own_on_start(struct check_own *check, struct host *host)
{
	uint64_t from = host->may_forget ? 0 : host->member->view.applied + 1;

	for (uint64_t i = from; i < check->members[host->index].capacity; i++)
		check->members[host->index].slots[i] = (struct past){0};
	check->members[host->index].looked = host->member->view.applied;
}

void
check_own_on_run(struct check_own *check, struct host *host)
{
	uint64_t *looked = &check->members[host->index].looked;

	while (*looked < host->member->view.applied) {
		struct entry *entry = paxos_entry(host->member->paxos, ++*looked);
		struct past *past = past_at(check, host, *looked);
		uint64_t hash;

		if (!entry)
			continue;
		hash = oracle_hash_entry(entry);
		if (past->entry == 0)
			past->entry = hash;
		else if (past->entry != hash)
			world_fail(check->world, "own",
			           "%s has applied another value in slot %lu before", host->name,
			           (unsigned long)*looked);
	}
}

void
check_own_on_executor_run(struct check_own *check, struct host *host)
{
	const struct namespace *namespace = executor_namespace(host->member->executor);
	struct state_hash hash;
	struct past *past;

	if (!namespace)
		return;
	hash = namespace_hash(namespace);
	past = past_at(check, host, namespace_applied(namespace));
	if (past->state.low == 0 && past->state.high == 0)
		past->state = hash;
	else if (past->state.low != hash.low || past->state.high != hash.high)
		world_fail(check->world, "own", "%s has had another state at slot %lu before",
		           host->name, (unsigned long)namespace_applied(namespace));
}

static bool
is_running(const struct host *host)
{
	return host->is_up && host->member && !host->is_wiped;
}

static bool
agree(struct check_own *check, const struct host *a, const struct host *b)
{
	uint64_t limit = a->member->view.applied;

	if (b->member->view.applied < limit)
		limit = b->member->view.applied;
	for (uint64_t slot = 1; slot <= limit; slot++) {
		const struct past *left = past_at(check, a, slot), *right = past_at(check, b, slot);

		if (left->entry != 0 && right->entry != 0 && left->entry != right->entry)
			return false;
	}
	return true;
}

void
check_own_at_end(struct check_own *check)
{
	struct world *world = check->world;

	for (unsigned i = 0; i < world->options.members; i++) {
		for (unsigned k = 0; k < i; k++) {
			const struct host *a = world->hosts[i], *b = world->hosts[k];

			if (!is_running(a) || !is_running(b) ||
			    ballot_compare(a->member->view.accepted, b->member->view.accepted) != 0)
				continue;
			world->statistics.pasts_compared++;
			if (!agree(check, a, b))
				world->statistics.pasts_differ++;
		}
	}
}
