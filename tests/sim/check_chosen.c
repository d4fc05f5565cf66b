/*
 * Chosen prefixes of any two members agree; one ballot carries one sequence; what
 * is chosen is durable at a quorum, and in the log of every later leader.
 */
#include <stdlib.h>

#include "server/state.h"
#include "shared/check.h"
#include "tests/sim/oracle.h"

struct slot {
	uint64_t hash;        /* 0: not known to be chosen */
	struct ballot ballot; /* of the member that first knew */
};

struct proposal {
	uint64_t key; /* of ballot and slot; 0: empty */
	uint64_t hash;
};

struct check_chosen {
	struct world *world;
	struct check_durable *durable;
	struct slot *slots; /* by number */
	uint64_t slot_capacity;
	uint64_t highest;
	uint64_t looked[MEMBERS_LIMIT]; /* chosen, up to this one looked at */
	struct proposal *proposals;
	size_t proposal_count, proposal_capacity;
};

struct check_chosen *
check_chosen_new(struct world *world, struct check_durable *durable)
{
	struct check_chosen *check = check_calloc(1, sizeof *check);

	check->world = world;
	check->durable = durable;
	check->proposal_capacity = 1024;
	check->proposals = check_calloc(check->proposal_capacity, sizeof *check->proposals);
	return check;
}

void
check_chosen_free(struct check_chosen *check)
{
	free(check->slots);
	free(check->proposals);
	free(check);
}

/* FNV-1a; never 0. */
uint64_t
oracle_hash_entry(const struct entry *entry)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ entry->kind;

	for (uint32_t i = 0; i < entry->size; i++)
		hash = (hash ^ entry->bytes[i]) * UINT64_C(0x100000001b3);
	return random_mix(hash) | 1;
}

static struct slot *
slot_at(struct check_chosen *check, uint64_t number)
{
	if (number >= check->slot_capacity) {
		uint64_t capacity = check->slot_capacity ? check->slot_capacity : 256;

		while (capacity <= number)
			capacity *= 2;
		check->slots = check_realloc(check->slots, capacity * sizeof *check->slots);
		for (uint64_t i = check->slot_capacity; i < capacity; i++)
			check->slots[i] = (struct slot){0};
		check->slot_capacity = capacity;
	}
	return &check->slots[number];
}

/* ---- one ballot, one sequence ---- */

static struct proposal *
proposal_at(struct check_chosen *check, uint64_t key)
{
	size_t at = key & (check->proposal_capacity - 1);

	while (check->proposals[at].key != 0 && check->proposals[at].key != key)
		at = (at + 1) & (check->proposal_capacity - 1);
	return &check->proposals[at];
}

static void
grow(struct check_chosen *check)
{
	struct proposal *old = check->proposals;
	size_t capacity = check->proposal_capacity;

	if (check->proposal_count * 2 < capacity)
		return;
	check->proposal_capacity = capacity * 2;
	check->proposals = check_calloc(check->proposal_capacity, sizeof *check->proposals);
	for (size_t i = 0; i < capacity; i++)
		if (old[i].key != 0)
			*proposal_at(check, old[i].key) = old[i];
	free(old);
}

static void
note_proposal(struct check_chosen *check, struct host *host, struct ballot ballot, uint64_t slot,
              uint64_t hash)
{
	uint64_t key = random_mix(random_mix(ballot.round * 64 + ballot.member) + slot) | 1;
	struct proposal *proposal = proposal_at(check, key);
	const struct slot *chosen = slot_at(check, slot);

	if (proposal->key == 0) {
		*proposal = (struct proposal){key, hash};
		check->proposal_count++;
		grow(check);
	} else if (proposal->hash != hash) {
		world_fail(check->world, "ballot",
		           "%s proposes two different values for slot %lu at ballot %lu.%lu",
		           host->name, (unsigned long)slot, (unsigned long)ballot.round,
		           (unsigned long)ballot.member);
	}
	if (chosen->hash != 0 && chosen->hash != hash &&
	    ballot_compare(ballot, chosen->ballot) >= 0)
		world_fail(
			check->world, "chosen",
			"%s proposes at %lu.%lu for slot %lu, where something else was chosen at "
			"%lu.%lu",
			host->name, (unsigned long)ballot.round, (unsigned long)ballot.member,
			(unsigned long)slot, (unsigned long)chosen->ballot.round,
			(unsigned long)chosen->ballot.member);
}

/* HOST says, or acts as if, everything up to SLOT were chosen. */
static void
check_quorum(struct check_chosen *check, struct host *host, uint64_t slot)
{
	if (slot <= check->highest)
		return;
	check->highest = slot;
	if (!check_durable_has_quorum(check->durable, slot))
		world_fail(check->world, "quorum",
		           "%s says that slot %lu is chosen, but no quorum has it durably",
		           host->name, (unsigned long)slot);
}

void
check_chosen_on_message(struct check_chosen *check, struct host *host,
                        const struct paxos_message *message)
{
	if (message->type == MESSAGE_ACCEPT || message->type == MESSAGE_ACCEPT_SYNC ||
	    message->type == MESSAGE_HEARTBEAT)
		check_quorum(check, host, message->chosen);
	if (message->type != MESSAGE_ACCEPT && message->type != MESSAGE_ACCEPT_SYNC)
		return;
	for (uint32_t i = 0; i < message->entry_count; i++)
		note_proposal(check, host, message->ballot, message->previous + 1 + i,
		              oracle_hash_entry(message->entries[i]));
}

/* ---- chosen ---- */

static void
look_at(struct check_chosen *check, struct host *host, uint64_t number)
{
	const struct paxos_view *view = &host->member->view;
	struct entry *entry = paxos_entry(host->member->paxos, number);
	struct slot *slot = slot_at(check, number);
	uint64_t hash;

	if (!entry) /* it has left the memory already; the state hashes will tell */
		return;
	hash = oracle_hash_entry(entry);
	if (slot->hash == 0) {
		slot->hash = hash;
		slot->ballot = view->accepted;
		check->world->statistics.slots++;
	} else if (slot->hash != hash) {
		world_fail(check->world, "chosen", "%s has another value chosen in slot %lu",
		           host->name, (unsigned long)number);
	}
}

void
check_chosen_on_start(struct check_chosen *check, struct host *host)
{
	check->looked[host->index] = 0;
	check_chosen_on_run(check, host);
}

void
check_chosen_on_run(struct check_chosen *check, struct host *host)
{
	const struct paxos_view *view = &host->member->view;
	uint64_t *looked = &check->looked[host->index];

	if (view->chosen < *looked) {
		world_fail(check->world, "chosen", "%s: chosen went back from %lu to %lu",
		           host->name, (unsigned long)*looked, (unsigned long)view->chosen);
		return;
	}
	check_quorum(check, host, view->chosen);
	while (*looked < view->chosen)
		look_at(check, host, ++*looked);
}
