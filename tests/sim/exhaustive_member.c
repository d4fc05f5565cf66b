/* The real core behind numbered states: unpacked, stepped, judged, packed again. */
#include "tests/sim/exhaustive_member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/exhaustive_core.h"
#include "tests/sim/exhaustive_intern.h"
#include "tests/sim/exhaustive_message.h"

#define WRITES_MAX 12

struct write {
	uint8_t type, ballot, previous, count;
	uint8_t entries[SLOTS_MAX];
};

/* All of a member but its core; plain bytes without padding, so that equal means equal. */
struct shell {
	uint8_t id;
	uint8_t life;
	uint8_t prepared, prepared_dead; /* highest ballot of a PREPARE sent; in earlier lives */
	struct brief_log disk;
	uint8_t applied, applied_on_disk;
	uint8_t write_count;
	struct write writes[WRITES_MAX];
};

struct remembered {
	uint64_t key;
	uint32_t outcome; /* number + 1; 0: free */
};

static struct {
	const struct scope *scope;
	struct intern states;
	struct member_brief *briefs; /* by state */
	uint32_t brief_count, brief_capacity;
	struct remembered *memory; /* open addressing, by state and action */
	uint32_t memory_capacity, memory_count;
	struct outcome *outcomes;
	uint32_t outcome_capacity;
	uint64_t steps;
} all;

/* The member at work. */
static struct {
	struct shell shell;
	struct paxos *paxos;
	struct outcome outcome;
	struct paxos_update update;
	unsigned finished; /* writes that were reported durable */
	unsigned taken;    /* values that were proposed */
} now;

_Noreturn void
exhaustive_fail(const char *promise)
{
	fprintf(stderr, "broken promise: %s\n", promise);
	abort();
}

static void
require(bool holds, const char *promise)
{
	if (!holds)
		exhaustive_fail(promise);
}

/* ---- messages ---- */

/* Nothing leaves before it is durable. */
static void
judge_message(const struct paxos_message *message)
{
	const struct brief_log *disk = &now.shell.disk;
	uint8_t ballot = small_ballot(message->ballot);

	switch (message->type) {
	case MESSAGE_PREPARE:
		require(disk->promised == ballot, "own promise durable before PREPARE leaves");
		require(ballot > now.shell.prepared_dead, "no ballot used in two lives");
		require(ballot >= now.shell.prepared, "own ballots increase");
		now.shell.prepared = ballot;
		break;
	case MESSAGE_PROMISE:
		require(disk->promised == ballot, "promise durable before PROMISE leaves");
		require(disk->accepted == small_ballot(message->accepted) &&
		                disk->length == message->length,
		        "what PROMISE reports is durable");
		for (uint32_t i = 0; i < message->entry_count; i++)
			require(disk->entries[message->previous + i] ==
			                small_entry(message->entries[i]),
			        "what PROMISE reports is durable");
		break;
	case MESSAGE_ACCEPTED:
	case MESSAGE_HEARTBEAT_ANSWER:
		if (message->length == 0)
			break;
		require(disk->accepted == ballot && disk->length >= message->length,
		        "values durable before ACCEPTED leaves");
		break;
	default: break;
	}
}

/* Losing a message is always allowed; what serves no purpose within the scope is lost at once. */
static bool
is_lost(const struct paxos_message *message)
{
	switch (message->type) {
	case MESSAGE_PREVOTE:
	case MESSAGE_PREVOTE_ANSWER:
	case MESSAGE_REFUSE: return true;
	case MESSAGE_HEARTBEAT:
	case MESSAGE_HEARTBEAT_ANSWER: return !all.scope->has_heartbeats;
	default: return false;
	}
}

static void
send(const struct paxos_message *message)
{
	uint16_t number;

	judge_message(message);
	if (is_lost(message))
		return;
	number = message_number(message);
	for (unsigned i = 0; i < now.outcome.sent_count; i++) {
		if (now.outcome.sent[i] == number)
			return;
	}
	CHECK(now.outcome.sent_count < SENT_MAX);
	now.outcome.sent[now.outcome.sent_count++] = number;
}

/* ---- the disk ---- */

static void
disk_write(struct brief_log *disk, const struct write *write)
{
	if (write->type == PERSIST_PROMISE) {
		require(write->ballot > disk->promised, "promised never decreases");
		disk->promised = write->ballot;
		return;
	}
	if (write->type == PERSIST_SYNC) {
		require(write->ballot >= disk->accepted, "accepted never decreases");
		require(write->ballot <= disk->promised, "accepted <= promised");
		require(write->previous <= disk->length, "the log has no gap");
		disk->accepted = write->ballot;
		memset(disk->entries + write->previous, 0, (size_t)SLOTS_MAX - write->previous);
		disk->length = write->previous;
	} else {
		require(write->ballot == disk->accepted, "appended at the accepted ballot");
		require(write->previous == disk->length, "the log has no gap");
	}
	memcpy(disk->entries + disk->length, write->entries, write->count);
	disk->length = (uint8_t)(disk->length + write->count);
}

static void
take_write(const struct paxos_persist *persist)
{
	struct write *write = &now.shell.writes[now.shell.write_count++];

	CHECK(now.shell.write_count <= WRITES_MAX);
	CHECK(persist->token == now.finished + now.shell.write_count);
	CHECK(persist->previous + persist->entry_count <= SLOTS_MAX);
	write->type = (uint8_t)persist->type;
	write->ballot = small_ballot(persist->ballot);
	write->previous = (uint8_t)persist->previous;
	write->count = (uint8_t)persist->entry_count;
	for (uint32_t i = 0; i < persist->entry_count; i++)
		write->entries[i] = small_entry(persist->entries[i]);
}

static void
drop_writes(unsigned count)
{
	struct shell *shell = &now.shell;

	shell->write_count = (uint8_t)(shell->write_count - count);
	memmove(shell->writes, shell->writes + count, shell->write_count * sizeof(struct write));
	memset(shell->writes + shell->write_count, 0, count * sizeof(struct write));
}

/* ---- stepping the core ---- */

static void
answer_loads(void)
{
	struct paxos_load loads[4];
	struct entry *entries[SLOTS_MAX];
	uint32_t count = now.update.load_count;

	CHECK(count <= 4);
	memcpy(loads, now.update.loads, count * sizeof(loads[0]));
	for (uint32_t i = 0; i < count; i++) {
		struct paxos_event event = {.type = EVENT_LOADED, .now_ms = CORE_NOW_MS};
		uint64_t end = loads[i].first + loads[i].count_max - 1;

		if (end > now.shell.disk.length)
			end = now.shell.disk.length;
		for (uint64_t slot = loads[i].first; slot <= end; slot++)
			entries[slot - loads[i].first] =
				entry_of_small(now.shell.disk.entries[slot - 1]);
		event.loaded.id = loads[i].id;
		event.loaded.first = loads[i].first;
		event.loaded.entries = entries;
		event.loaded.count =
			end >= loads[i].first ? (uint32_t)(end - loads[i].first + 1) : 0;
		core_step(now.paxos, &event, &now.update);
	}
}

static void
take_reads(void)
{
	for (uint32_t i = 0; i < now.update.read_count; i++) {
		const struct paxos_read *read = &now.update.reads[i];

		CHECK(now.outcome.read_count < READS_MAX);
		now.outcome.reads[now.outcome.read_count++] = (struct read_outcome){
			(uint8_t)read->cookie, (uint8_t)read->index, read->error == SYNOD_OK};
	}
}

static void
take_update(void)
{
	struct paxos_update *update = &now.update;

	for (uint32_t i = 0; i < update->persist_count; i++)
		take_write(&update->persists[i]);
	for (uint32_t i = 0; i < update->message_count; i++)
		send(&update->messages[i]);
	take_reads();
	now.taken += update->proposed_count;
}

static void persist(void);

/* One step, and at once what the rest of the member does about it: load, apply. */
static void
step(struct paxos_event *event)
{
	struct paxos_view view;

	event->now_ms = CORE_NOW_MS;
	core_step(now.paxos, event, &now.update);
	all.steps++;
	take_update();
	while (now.update.load_count > 0) {
		answer_loads();
		take_update();
	}
	if (!all.scope->is_disk_slow && now.shell.write_count > 0) {
		persist();
		return;
	}
	paxos_view(now.paxos, &view);
	if (view.chosen > now.shell.applied) {
		now.shell.applied = (uint8_t)view.chosen;
		step(&(struct paxos_event){.type = EVENT_APPLIED, .applied = view.chosen});
	}
}

static void
deliver(uint16_t number)
{
	struct entry *entries[SLOTS_MAX];
	struct paxos_message message = message_unpacked(number, entries);

	step(&(struct paxos_event){.type = EVENT_MESSAGE, .message = &message});
}

static void
persist(void)
{
	disk_write(&now.shell.disk, &now.shell.writes[0]);
	drop_writes(1);
	now.finished++;
	step(&(struct paxos_event){.type = EVENT_PERSISTED, .persisted = now.finished});
}

static void
propose(uint8_t value)
{
	struct entry *entry = entry_new_copy(ENTRY_COMMAND, &value, 1);
	struct paxos_event event = {
		.type = EVENT_PROPOSE,
		.propose = {.entries = &entry, .count = 1},
	};

	step(&event);
	if (now.taken == 0)
		entry_release(entry);
}

static void
stand(void)
{
	struct paxos_message answer = {.type = MESSAGE_PREVOTE_ANSWER, .flags = MESSAGE_GRANTED};
	struct paxos_event tick = {.type = EVENT_TICK};

	if (core_is_leading(now.paxos)) {
		core_lose_quorum(now.paxos);
		step(&tick);
	}
	if (core_is_standing(now.paxos)) {
		core_lose_patience(now.paxos);
		step(&tick);
	}
	core_lose_patience(now.paxos);
	step(&tick);
	answer.from = now.shell.id % EXHAUSTIVE_MEMBERS + 1;
	answer.to = now.shell.id;
	if (core_prevote(now.paxos, &answer.ballot))
		step(&(struct paxos_event){.type = EVENT_MESSAGE, .message = &answer});
}

static void
start(void)
{
	now.paxos = core_start(now.shell.id, now.shell.life, &now.shell.disk,
	                       now.shell.applied_on_disk, all.scope);
	now.shell.applied = now.shell.applied_on_disk;
}

/* WRITTEN of the writes under way still get to the disk; everything in memory is gone. */
static void
crash(unsigned written, bool is_database_current)
{
	struct shell *shell = &now.shell;

	for (unsigned i = 0; i < written; i++)
		disk_write(&shell->disk, &shell->writes[i]);
	drop_writes(shell->write_count);
	now.finished = 0;
	if (is_database_current)
		shell->applied_on_disk = shell->applied;
	shell->prepared_dead = shell->prepared;
	shell->life++;
	paxos_free(now.paxos);
	start();
}

static void
perform(struct action action)
{
	struct paxos_event event = {.type = EVENT_TICK};

	switch (action.kind) {
	case ACTION_DELIVER: deliver(action.argument); break;
	case ACTION_PERSIST: persist(); break;
	case ACTION_STAND: stand(); break;
	case ACTION_HEARTBEAT:
		core_make_heartbeat_due(now.paxos);
		step(&event);
		break;
	case ACTION_TELL:
		core_make_telling_due(now.paxos);
		step(&event);
		break;
	case ACTION_PROPOSE: propose((uint8_t)action.argument); break;
	case ACTION_READ:
		event.type = EVENT_READ;
		event.read = action.argument;
		step(&event);
		break;
	case ACTION_CRASH: crash(action.argument / 2u, action.argument % 2u); break;
	}
}

/* ---- states ---- */

static struct member_brief
brief_now(void)
{
	struct member_brief brief;
	struct paxos_view view;

	memset(&brief, 0, sizeof(brief));
	paxos_view(now.paxos, &view);
	brief.memory.promised = small_ballot(view.ballot);
	brief.memory.accepted = small_ballot(view.accepted);
	brief.memory.length = (uint8_t)view.length;
	for (uint64_t slot = 1; slot <= view.length; slot++) {
		const struct entry *entry = paxos_entry(now.paxos, slot);

		brief.memory.entries[slot - 1] =
			entry ? small_entry(entry) : now.shell.disk.entries[slot - 1];
	}
	brief.disk = now.shell.disk;
	brief.role = (uint8_t)view.role;
	brief.is_serving = view.is_serving;
	brief.may_tell = core_may_tell(now.paxos);
	brief.chosen = (uint8_t)core_chosen(now.paxos);
	brief.applied = now.shell.applied;
	brief.applied_on_disk = now.shell.applied_on_disk;
	brief.write_count = now.shell.write_count;
	return brief;
}

static uint32_t
state_number(void)
{
	struct coder coder = {.is_packing = true};
	uint32_t number;

	code_bytes(&coder, &now.shell, sizeof(now.shell));
	code_core(&coder, now.paxos);
	number = intern_add(&all.states, coder.bytes, coder.at);
	if (number < all.brief_count)
		return number;
	if (all.brief_count == all.brief_capacity) {
		all.brief_capacity = 2 * all.brief_capacity + 1024;
		all.briefs = check_realloc(all.briefs, all.brief_capacity * sizeof(*all.briefs));
	}
	all.briefs[all.brief_count++] = brief_now();
	return number;
}

static void
unpack(uint32_t state)
{
	struct coder coder = {.is_packing = false};
	const void *bytes = intern_get(&all.states, state, &coder.size);

	CHECK(coder.size <= sizeof(coder.bytes));
	memcpy(coder.bytes, bytes, coder.size);
	code_bytes(&coder, &now.shell, sizeof(now.shell));
	now.paxos = core_new(now.shell.id, all.scope);
	code_core(&coder, now.paxos);
	CHECK(coder.at == coder.size);
}

uint32_t
member_first_state(unsigned member)
{
	uint32_t state;

	memset(&now, 0, sizeof(now));
	now.shell.id = (uint8_t)(member + 1);
	start();
	state = state_number();
	paxos_free(now.paxos);
	return state;
}

static struct outcome
work_out(uint32_t state, struct action action)
{
	unpack(state);
	memset(&now.outcome, 0, sizeof(now.outcome));
	now.finished = 0;
	now.taken = 0;
	perform(action);
	now.outcome.state = state_number();
	now.outcome.is_nothing = now.outcome.state == state && now.outcome.sent_count == 0 &&
	                         now.outcome.read_count == 0;
	paxos_free(now.paxos);
	paxos_update_clear(&now.update);
	return now.outcome;
}

/* ---- memory ---- */

static struct remembered *
memory_place(uint64_t key)
{
	uint32_t mask = all.memory_capacity - 1;
	uint64_t hash = key * 0x9e3779b97f4a7c15;
	uint32_t at = (uint32_t)(hash >> 32) & mask;

	while (all.memory[at].outcome != 0 && all.memory[at].key != key)
		at = (at + 1) & mask;
	return &all.memory[at];
}

static void
memory_grow(void)
{
	struct remembered *old = all.memory;
	uint32_t capacity = all.memory_capacity;

	all.memory_capacity = capacity == 0 ? 1u << 16 : 2 * capacity;
	all.memory = check_calloc(all.memory_capacity, sizeof(*all.memory));
	for (uint32_t i = 0; i < capacity; i++) {
		if (old[i].outcome != 0)
			*memory_place(old[i].key) = old[i];
	}
	free(old);
}

struct outcome
member_act(uint32_t state, struct action action)
{
	uint64_t key =
		(uint64_t)state << 24 | (uint64_t)action.kind << 16 | (uint64_t)action.argument;
	struct remembered *place;

	if (2 * (all.memory_count + 1) > all.memory_capacity)
		memory_grow();
	place = memory_place(key);
	if (place->outcome == 0) {
		if (all.memory_count == all.outcome_capacity) {
			all.outcome_capacity = 2 * all.outcome_capacity + 4096;
			all.outcomes = check_realloc(all.outcomes,
			                             all.outcome_capacity * sizeof(*all.outcomes));
		}
		all.outcomes[all.memory_count] = work_out(state, action);
		place->key = key;
		place->outcome = ++all.memory_count;
	}
	return all.outcomes[place->outcome - 1];
}

struct member_brief
member_brief(uint32_t state)
{
	return all.briefs[state];
}

void
member_reset(const struct scope *scope)
{
	intern_fini(&all.states);
	message_reset();
	free(all.briefs);
	free(all.memory);
	free(all.outcomes);
	paxos_update_fini(&now.update);
	memset(&all, 0, sizeof(all));
	memset(&now, 0, sizeof(now));
	all.scope = scope;
}

void
member_count(uint32_t *states, uint64_t *steps)
{
	*states = all.states.count;
	*steps = all.steps;
}

/* ---- for people ---- */

const char *
action_format(struct action action, char *text)
{
	static const char *const names[] = {
		[ACTION_PERSIST] = "the oldest write is durable",
		[ACTION_STAND] = "stands for election",
		[ACTION_HEARTBEAT] = "heartbeat is due",
		[ACTION_TELL] = "tells what is chosen",
		[ACTION_PROPOSE] = "value is proposed",
		[ACTION_READ] = "read is asked",
	};
	char message[ACTION_TEXT_SIZE];

	if (action.kind == ACTION_DELIVER)
		snprintf(text, ACTION_TEXT_SIZE, "%u receives %.240s", action.member + 1,
		         message_format(action.argument, message));
	else if (action.kind == ACTION_CRASH)
		snprintf(text, ACTION_TEXT_SIZE,
		         "%u crashes and restarts: %u more writes on disk%s", action.member + 1,
		         action.argument / 2u, action.argument % 2u ? ", database current" : "");
	else if (action.kind == ACTION_PROPOSE || action.kind == ACTION_READ)
		snprintf(text, ACTION_TEXT_SIZE, "%u: %s (%u)", action.member + 1,
		         names[action.kind], action.argument);
	else
		snprintf(text, ACTION_TEXT_SIZE, "%u: %s", action.member + 1, names[action.kind]);
	return text;
}

const char *
state_format(uint32_t state, char *text)
{
	static const char *const roles[] = {"follower", "candidate", "leader"};
	struct member_brief brief = member_brief(state);
	char promised[BALLOT_TEXT_SIZE], accepted[BALLOT_TEXT_SIZE], log[SLOTS_MAX * 8 + 1],
		disk[SLOTS_MAX * 8 + 1];

	snprintf(text, ACTION_TEXT_SIZE,
	         "%s promised=%s accepted=%s log=[%s] chosen=%u disk=[%s] writes=%u%s",
	         roles[brief.role], ballot_format(ballot_of_small(brief.memory.promised), promised),
	         ballot_format(ballot_of_small(brief.memory.accepted), accepted),
	         entries_format(brief.memory.entries, brief.memory.length, log), brief.chosen,
	         entries_format(brief.disk.entries, brief.disk.length, disk), brief.write_count,
	         brief.is_serving ? " serving" : "");
	return text;
}
