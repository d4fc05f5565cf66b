/* Members, disks and messages under a test's control, and the judge of the invariants. */
#include "tests/support/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/protocol.h"

/* ---- randomness ---- */

uint64_t
world_random(struct world *world, uint64_t limit)
{
	uint64_t z;

	CHECK(limit > 0);
	world->random += 0x9e3779b97f4a7c15;
	z = world->random;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % limit;
}

/* ---- entries ---- */

static uint64_t
entry_hash(const struct entry *entry)
{
	uint64_t hash = 0xcbf29ce484222325 ^ entry->kind;

	for (uint32_t i = 0; i < entry->size; i++)
		hash = (hash ^ entry->bytes[i]) * 0x100000001b3;
	return hash;
}

static bool
entry_equal(const struct entry *a, const struct entry *b)
{
	return a == b || (a->kind == b->kind && a->size == b->size &&
	                  memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* ---- making ---- */

void
world_init(struct world *world, unsigned count, const struct paxos_options *options, uint64_t seed)
{
	CHECK(count <= WORLD_MEMBERS_MAX);

	memset(world, 0, sizeof(*world));
	world->now_ms = 1000;
	world->random = seed;
	world->member_count = count;
	world->options = *options;
	world->options.epoch = 1;
	world->options.voter_count = count;
	world->tail_max = UINT32_MAX;
	for (unsigned i = 0; i < count; i++) {
		world->members[i].id = i + 1;
		world->options.voters[i] = i + 1;
	}
}

static void
persist_release(struct paxos_persist *persist)
{
	for (uint32_t i = 0; i < persist->entry_count; i++)
		entry_release(persist->entries[i]);
	free(persist->entries);
}

static void
disk_cut(struct world_disk *disk, uint64_t length)
{
	while (disk->length > length)
		entry_release(disk->entries[--disk->length]);
}

static void
stop(struct world_member *member)
{
	for (uint32_t i = 0; i < member->persist_count; i++)
		persist_release(&member->persists[i]);
	member->persist_count = 0;
	member->load_count = 0;
	paxos_free(member->paxos);
	member->paxos = NULL;
}

void
world_fini(struct world *world)
{
	for (unsigned i = 0; i < world->member_count; i++) {
		struct world_member *member = &world->members[i];

		stop(member);
		disk_cut(&member->disk, 0);
		free(member->disk.entries);
		free(member->persists);
		free(member->loads);
	}
	while (world->packet_count > 0)
		world_drop(world, world->packet_count - 1);
	for (uint64_t i = 0; i < world->chosen_length; i++)
		entry_release(world->chosen[i]);
	free(world->packets);
	free(world->chosen);
	free(world->chosen_at);
	free(world->reads);
	free(world->proposals);
	paxos_update_fini(&world->update);
}

struct world_member *
world_member(struct world *world, member_id id)
{
	CHECK(id >= 1);
	CHECK(id <= world->member_count);
	return &world->members[id - 1];
}

/* ---- the judge ---- */

static unsigned
count_holders(const struct world *world, uint64_t slot, const struct entry *entry)
{
	unsigned holders = 0;

	for (unsigned i = 0; i < world->member_count; i++) {
		const struct world_disk *disk = &world->members[i].disk;

		holders += disk->length >= slot && entry_equal(disk->entries[slot - 1], entry);
	}
	return holders;
}

static struct entry *
held_entry(const struct world_member *member, uint64_t slot)
{
	struct entry *entry = paxos_entry(member->paxos, slot);

	if (entry == NULL && slot <= member->disk.length)
		entry = member->disk.entries[slot - 1];
	CHECK(entry != NULL);
	return entry;
}

static void
chosen_grow(struct world *world)
{
	uint64_t capacity = 2 * world->chosen_capacity + 64;

	if (world->chosen_length < world->chosen_capacity)
		return;
	world->chosen = check_realloc(world->chosen, capacity * sizeof(*world->chosen));
	world->chosen_at = check_realloc(world->chosen_at, capacity * sizeof(*world->chosen_at));
	world->chosen_capacity = capacity;
}

/* Chosen prefixes agree; a chosen value is durable at a quorum when chosen. */
static void
judge_chosen(struct world *world, struct world_member *member, uint64_t chosen,
             struct ballot ballot)
{
	for (uint64_t slot = member->chosen_judged + 1; slot <= chosen; slot++) {
		struct entry *entry = held_entry(member, slot);

		if (slot <= world->chosen_length) {
			CHECK(entry_equal(world->chosen[slot - 1], entry));
			continue;
		}
		if (!world->is_lied_to)
			CHECK(count_holders(world, slot, entry) > world->member_count / 2);
		chosen_grow(world);
		world->chosen_at[world->chosen_length] = ballot;
		world->chosen[world->chosen_length++] = entry_retain(entry);
	}
	if (chosen > member->chosen_judged)
		member->chosen_judged = chosen;
}

/*
 * Whatever was chosen at a lower ballot stands in the leader's log.  A leader whose own ballot is
 * outdated already may lack what was chosen since; it can choose nothing itself.
 */
static void
judge_leader(struct world *world, struct world_member *member, struct ballot ballot)
{
	for (uint64_t slot = 1; slot <= world->chosen_length; slot++) {
		if (ballot_compare(world->chosen_at[slot - 1], ballot) < 0)
			CHECK(entry_equal(world->chosen[slot - 1], held_entry(member, slot)));
	}
}

/* The place of (BALLOT, SLOT) in the table, taken or free. */
static struct world_proposal *
proposal_at(struct world *world, struct ballot ballot, uint64_t slot)
{
	uint64_t at = (ballot.round * 31 + ballot.member) * 0x9e3779b97f4a7c15 + slot * 0x2545f491;

	for (at ^= at >> 29;; at++) {
		struct world_proposal *proposal =
			&world->proposals[at & (world->proposal_capacity - 1)];

		if (proposal->slot == 0 ||
		    (proposal->slot == slot && ballot_equal(proposal->ballot, ballot)))
			return proposal;
	}
}

static void
proposals_grow(struct world *world)
{
	struct world_proposal *old = world->proposals;
	uint32_t capacity = world->proposal_capacity;

	world->proposal_capacity = capacity == 0 ? 4096 : 2 * capacity;
	world->proposals = check_calloc(world->proposal_capacity, sizeof(*world->proposals));
	for (uint32_t i = 0; i < capacity; i++) {
		if (old[i].slot != 0)
			*proposal_at(world, old[i].ballot, old[i].slot) = old[i];
	}
	free(old);
}

/* One ballot proposes at most one value for a slot. */
static void
judge_proposal(struct world *world, struct ballot ballot, uint64_t slot, uint64_t hash)
{
	struct world_proposal *proposal;

	if (2 * (world->proposal_count + 1) > world->proposal_capacity)
		proposals_grow(world);
	proposal = proposal_at(world, ballot, slot);
	if (proposal->slot == 0) {
		*proposal = (struct world_proposal){ballot, slot, hash};
		world->proposal_count++;
	}
	CHECK(proposal->hash == hash);
}

/* Nothing leaves before it is durable. */
static void
judge_message(struct world *world, struct world_member *member, const struct paxos_message *message)
{
	const struct world_disk *disk = &member->disk;

	CHECK(message->from == member->id);
	switch (message->type) {
	case MESSAGE_PREPARE:
		CHECK(ballot_equal(disk->promised, message->ballot));
		CHECK(ballot_compare(message->ballot, member->prepared_dead) > 0);
		CHECK(ballot_compare(message->ballot, member->prepared) >= 0);
		member->prepared = message->ballot;
		break;
	case MESSAGE_PROMISE:
		CHECK(ballot_equal(disk->promised, message->ballot));
		CHECK(ballot_equal(disk->accepted, message->accepted));
		CHECK(disk->length == message->length);
		for (uint32_t i = 0; i < message->entry_count; i++)
			CHECK(entry_equal(message->entries[i],
			                  disk->entries[message->previous + i]));
		break;
	case MESSAGE_ACCEPTED:
	case MESSAGE_HEARTBEAT_ANSWER:
		if (message->length == 0)
			break;
		CHECK(ballot_equal(disk->accepted, message->ballot));
		CHECK(disk->length >= message->length);
		break;
	case MESSAGE_ACCEPT_SYNC:
	case MESSAGE_ACCEPT:
		for (uint32_t i = 0; i < message->entry_count; i++)
			judge_proposal(world, message->ballot, message->previous + i + 1,
			               entry_hash(message->entries[i]));
		break;
	default: break;
	}
}

/* A read reflects everything that anybody knew to be chosen when it was asked. */
static void
judge_read(struct world *world, const struct paxos_read *read)
{
	struct world_read *asked = &world->reads[read->cookie];

	CHECK(read->cookie < world->read_count);
	CHECK(!asked->is_answered);
	asked->is_answered = true;
	asked->error = read->error;
	asked->index = read->index;
	if (read->error == SYNOD_OK)
		CHECK(read->index >= asked->known);
	else
		CHECK(read->error == SYNOD_RETRY);
}

/* ---- stepping ---- */

static void
trace_message(const struct world *world, const char *what, const struct paxos_message *message)
{
	char ballot[BALLOT_TEXT_SIZE], accepted[BALLOT_TEXT_SIZE];

	fprintf(stderr,
	        "%6" PRIu64 " %s %" PRIu64 "->%" PRIu64 " %s b=%s a=%s len=%" PRIu64
	        " chosen=%" PRIu64 " base=%" PRIu64 " prev=%" PRIu64 " seq=%" PRIu64 " n=%u f=%u\n",
	        world->now_ms, what, message->from, message->to, paxos_message_name(message->type),
	        ballot_format(message->ballot, ballot), ballot_format(message->accepted, accepted),
	        message->length, message->chosen, message->base, message->previous,
	        message->sequence, message->entry_count, message->flags);
}

static void
take_persists(struct world *world, struct world_member *member)
{
	struct paxos_update *update = &world->update;

	for (uint32_t i = 0; i < update->persist_count; i++) {
		if (member->persist_count == member->persist_capacity) {
			member->persist_capacity = 2 * member->persist_capacity + 16;
			member->persists =
				check_realloc(member->persists,
			                      member->persist_capacity * sizeof(*member->persists));
		}
		if (member->persist_count > 0)
			CHECK(update->persists[i].token >
			      member->persists[member->persist_count - 1].token);
		member->persists[member->persist_count++] = update->persists[i];
	}
	update->persist_count = 0;
}

static void
take_messages(struct world *world, struct world_member *member)
{
	struct paxos_update *update = &world->update;

	for (uint32_t i = 0; i < update->message_count; i++) {
		judge_message(world, member, &update->messages[i]);
		if (world->packet_count == world->packet_capacity) {
			world->packet_capacity = 2 * world->packet_capacity + 64;
			world->packets = check_realloc(
				world->packets, world->packet_capacity * sizeof(*world->packets));
		}
		if (world->is_tracing)
			trace_message(world, "send", &update->messages[i]);
		world->packets[world->packet_count++] = update->messages[i];
	}
	update->message_count = 0;
}

static void
take_loads(struct world *world, struct world_member *member)
{
	struct paxos_update *update = &world->update;

	for (uint32_t i = 0; i < update->load_count; i++) {
		if (member->load_count == member->load_capacity) {
			member->load_capacity = 2 * member->load_capacity + 8;
			member->loads = check_realloc(
				member->loads, member->load_capacity * sizeof(*member->loads));
		}
		member->loads[member->load_count++] = update->loads[i];
	}
}

static void
take_transitions(struct world *world, struct world_member *member)
{
	struct paxos_update *update = &world->update;

	for (uint32_t i = 0; i < update->transition_count; i++) {
		const struct paxos_transition *transition = &update->transitions[i];

		if (world->is_tracing) {
			char text[256];

			paxos_transition_format(transition, text, sizeof(text));
			fprintf(stderr, "%6" PRIu64 " member %" PRIu64 ": %s\n", world->now_ms,
			        member->id, text);
		}
		if (transition->type == TRANSITION_LEADER)
			judge_leader(world, member, transition->ballot);
		if (transition->type == TRANSITION_CHOSEN)
			judge_chosen(world, member, transition->slot, transition->ballot);
		if (world->on_transition != NULL)
			world->on_transition(world->context, world, member->id, transition);
	}
}

void
world_step(struct world *world, struct world_member *member, struct paxos_event *event)
{
	struct paxos_update *update = &world->update;

	CHECK(member->paxos != NULL);
	paxos_update_clear(update);
	event->now_ms = world->now_ms;
	paxos_step(member->paxos, event, update);
	take_persists(world, member);
	take_messages(world, member);
	take_loads(world, member);
	take_transitions(world, member);
	for (uint32_t i = 0; i < update->read_count; i++)
		judge_read(world, &update->reads[i]);
}

void
world_tick(struct world *world, struct world_member *member)
{
	world_step(world, member, &(struct paxos_event){.type = EVENT_TICK});
}

static uint32_t
propose(struct world *world, struct world_member *member, struct entry **entries, uint32_t count,
        int *error)
{
	struct paxos_event event = {
		.type = EVENT_PROPOSE,
		.propose = {.entries = entries, .count = count},
	};
	struct paxos_view before, after;
	uint32_t taken;

	paxos_view(member->paxos, &before);
	world_step(world, member, &event);
	taken = world->update.proposed_count;
	*error = world->update.propose_error;
	paxos_view(member->paxos, &after);
	CHECK(after.length == before.length + taken);
	if (taken > 0)
		CHECK(world->update.proposed_first == before.length + 1);
	for (uint32_t i = taken; i < count; i++)
		entry_release(entries[i]);
	return taken;
}

uint32_t
world_propose(struct world *world, struct world_member *member, uint32_t count, int *error)
{
	struct entry *entries[64];

	CHECK(count <= 64);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t value[4] = {world_random(world, UINT64_MAX)};

		entries[i] =
			entry_new_copy(ENTRY_COMMAND, value, 8 + (uint32_t)world_random(world, 24));
	}
	return propose(world, member, entries, count, error);
}

bool
world_propose_value(struct world *world, struct world_member *member, uint8_t kind,
                    const char *value, int *error)
{
	struct entry *entry = entry_new_copy(kind, value, (uint32_t)strlen(value));

	return propose(world, member, &entry, 1, error) == 1;
}

uint64_t
world_read(struct world *world, struct world_member *member)
{
	uint64_t cookie = world->read_count;

	if (world->read_count == world->read_capacity) {
		world->read_capacity = 2 * world->read_capacity + 64;
		world->reads =
			check_realloc(world->reads, world->read_capacity * sizeof(*world->reads));
	}
	world->reads[world->read_count++] =
		(struct world_read){.cookie = cookie, .known = world->chosen_length};
	world_step(world, member, &(struct paxos_event){.type = EVENT_READ, .read = cookie});
	return cookie;
}

/* ---- the network ---- */

static struct paxos_message
packet_remove(struct world *world, uint32_t index)
{
	struct paxos_message message = world->packets[index];

	CHECK(index < world->packet_count);
	world->packet_count--;
	memmove(&world->packets[index], &world->packets[index + 1],
	        (world->packet_count - index) * sizeof(*world->packets));
	return message;
}

void
world_drop(struct world *world, uint32_t index)
{
	struct paxos_message message = packet_remove(world, index);

	paxos_message_fini(&message);
}

void
world_deliver(struct world *world, uint32_t index, bool is_kept)
{
	struct paxos_message message;
	struct world_member *to;

	CHECK(index < world->packet_count);
	if (is_kept) {
		message = world->packets[index];
		if (message.entry_count > 0)
			message.entries = check_malloc(message.entry_count * sizeof(void *));
		for (uint32_t i = 0; i < message.entry_count; i++)
			message.entries[i] = entry_retain(world->packets[index].entries[i]);
	} else {
		message = packet_remove(world, index);
	}
	to = world_member(world, message.to);
	if (world->is_tracing)
		trace_message(world, to->paxos == NULL ? "lost" : "recv", &message);
	if (to->paxos != NULL)
		world_step(world, to,
		           &(struct paxos_event){.type = EVENT_MESSAGE, .message = &message});
	paxos_message_fini(&message);
}

/* ---- the disks ---- */

static void
disk_append(struct world_disk *disk, struct entry *entry)
{
	if (disk->length == disk->capacity) {
		disk->capacity = 2 * disk->capacity + 64;
		disk->entries =
			check_realloc(disk->entries, disk->capacity * sizeof(struct entry *));
	}
	disk->entries[disk->length++] = entry_retain(entry);
}

static void
disk_write(struct world_disk *disk, const struct paxos_persist *persist, uint32_t entry_count)
{
	switch (persist->type) {
	case PERSIST_PROMISE:
		CHECK(ballot_compare(persist->ballot, disk->promised) > 0);
		disk->promised = persist->ballot;
		return;
	case PERSIST_SYNC:
		CHECK(!ballot_is_none(persist->ballot));
		CHECK(ballot_compare(persist->ballot, disk->accepted) >= 0);
		CHECK(ballot_compare(persist->ballot, disk->promised) <= 0);
		CHECK(persist->previous <= disk->length);
		CHECK(persist->previous >= disk->applied);
		disk->accepted = persist->ballot;
		disk_cut(disk, persist->previous);
		break;
	case PERSIST_APPEND:
		CHECK(ballot_equal(persist->ballot, disk->accepted));
		CHECK(persist->previous == disk->length);
		break;
	}
	for (uint32_t i = 0; i < entry_count; i++)
		disk_append(disk, persist->entries[i]);
}

void
world_persist(struct world *world, struct world_member *member, uint32_t count)
{
	if (count > member->persist_count)
		count = member->persist_count;
	if (count == 0)
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct paxos_persist *persist = &member->persists[i];

		disk_write(&member->disk, persist, persist->entry_count);
		member->synced = persist->token;
		persist_release(persist);
	}
	member->persist_count -= count;
	memmove(member->persists, member->persists + count,
	        member->persist_count * sizeof(*member->persists));
	world_step(world, member,
	           &(struct paxos_event){.type = EVENT_PERSISTED, .persisted = member->synced});
}

void
world_apply(struct world *world, struct world_member *member, uint64_t count)
{
	struct paxos_view view;

	paxos_view(member->paxos, &view);
	if (member->applied + count < view.chosen)
		view.chosen = member->applied + count;
	if (view.chosen == member->applied)
		return;
	for (uint64_t slot = member->applied + 1; slot <= view.chosen; slot++)
		CHECK(entry_equal(member->disk.entries[slot - 1], world->chosen[slot - 1]));
	member->applied = view.chosen;
	world_step(world, member,
	           &(struct paxos_event){.type = EVENT_APPLIED, .applied = view.chosen});
}

void
world_load(struct world *world, struct world_member *member, uint32_t count_max)
{
	struct paxos_load load = member->loads[0];
	struct paxos_event event = {.type = EVENT_LOADED};
	uint64_t available;

	CHECK(member->load_count > 0);
	member->load_count--;
	memmove(member->loads, member->loads + 1, member->load_count * sizeof(load));
	/* Another leader may have had the log cut since; then nobody waits for the answer either.
	 */
	available = member->disk.length < load.first ? 0 : member->disk.length - load.first + 1;
	if (count_max > load.count_max)
		count_max = load.count_max;
	if (count_max > available)
		count_max = (uint32_t)available;
	event.loaded.id = load.id;
	event.loaded.first = load.first;
	event.loaded.count = count_max;
	if (count_max > 0)
		event.loaded.entries = &member->disk.entries[load.first - 1];
	world_step(world, member, &event);
}

/* ---- life and death ---- */

void
world_start(struct world *world, struct world_member *member)
{
	struct world_disk *disk = &member->disk;
	struct paxos_options options = world->options;
	struct paxos_restored restored = {
		.promised = disk->promised,
		.accepted = disk->accepted,
		.length = disk->length,
		.applied = disk->applied,
		.tail_first = disk->length + 1,
	};
	uint64_t tail = disk->length < world->tail_max ? disk->length : world->tail_max;

	CHECK(member->paxos == NULL);
	options.self = member->id;
	options.seed = world_random(world, UINT64_MAX);
	if (tail > 0) {
		restored.tail_first = disk->length - tail + 1;
		restored.tail = &disk->entries[restored.tail_first - 1];
		for (uint64_t i = 0; i < tail; i++)
			entry_retain(restored.tail[i]);
	}
	member->life++;
	member->applied = disk->applied;
	member->chosen_judged = disk->applied;
	member->synced = 0;
	member->paxos = paxos_new(&options, &restored, world->now_ms);
}

void
world_crash(struct world *world, struct world_member *member)
{
	struct world_disk *disk = &member->disk;
	uint32_t written = (uint32_t)world_random(world, member->persist_count + 1);

	CHECK(member->paxos != NULL);
	for (uint32_t i = 0; i < written; i++)
		disk_write(disk, &member->persists[i], member->persists[i].entry_count);
	/* A SYNC is all or nothing; of appended entries some may have got there. */
	if (written < member->persist_count && member->persists[written].type == PERSIST_APPEND)
		disk_write(
			disk, &member->persists[written],
			(uint32_t)world_random(world, member->persists[written].entry_count + 1));
	/* The database commits now and then, always behind the journal. */
	if (member->applied > disk->applied)
		disk->applied += world_random(world, member->applied - disk->applied + 1);
	CHECK(disk->applied <= disk->length);
	member->prepared_dead = member->prepared;
	stop(member);
}

/* ---- running smoothly ---- */

struct world_member *
world_leader(struct world *world)
{
	struct world_member *leader = NULL;
	struct ballot ballot = BALLOT_NONE;

	for (unsigned i = 0; i < world->member_count; i++) {
		struct world_member *member = &world->members[i];
		struct paxos_view view;

		if (member->paxos == NULL)
			continue;
		paxos_view(member->paxos, &view);
		if (view.is_serving && ballot_compare(view.ballot, ballot) > 0) {
			leader = member;
			ballot = view.ballot;
		}
	}
	return leader;
}

static void
run_once(struct world *world)
{
	uint32_t packets = world->packet_count;

	while (packets-- > 0)
		world_deliver(world, 0, false);
	for (unsigned i = 0; i < world->member_count; i++) {
		struct world_member *member = &world->members[i];

		if (member->paxos == NULL)
			continue;
		world_persist(world, member, UINT32_MAX);
		while (member->load_count > 0)
			world_load(world, member, UINT32_MAX);
		world_apply(world, member, UINT64_MAX / 2);
		if (paxos_deadline(member->paxos) <= world->now_ms)
			world_tick(world, member);
	}
}

bool
world_run(struct world *world, uint64_t ms, bool (*done)(struct world *world))
{
	uint64_t end_ms = world->now_ms + ms;

	while (world->now_ms < end_ms) {
		run_once(world);
		if (done != NULL && done(world))
			return true;
		world->now_ms++;
	}
	return done == NULL;
}
