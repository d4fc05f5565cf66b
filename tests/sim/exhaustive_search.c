/* The search: a queue of states, a set of those seen, and how each was first reached. */
#include "tests/sim/exhaustive_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "shared/check.h"
#include "shared/protocol.h"
#include "tests/sim/exhaustive_judge.h"
#include "tests/sim/exhaustive_message.h"

#define UNDER_WAY_MAX  96
#define PATH_MAX_STEPS 512

#define UNLIMITED      255

enum budget {
	ELECTIONS,
	CRASHES,
	VALUES,
	HEARTBEATS,
	READS,
	DUPLICATES,
	BUDGETS
};

/* What the rest of the search depends on; equal states are explored once. */
struct state {
	uint32_t members[EXHAUSTIVE_MEMBERS];
	uint32_t history;
	uint8_t left[BUDGETS];
	uint16_t count;
	uint16_t under_way[UNDER_WAY_MAX]; /* messages, in rising order, each once */
};

#define STATE_HEAD offsetof(struct state, under_way)

struct queue {
	uint8_t *bytes;
	size_t size, capacity;
};

/* States seen: by hash only; with 64 bits a false match among 10^8 has odds of 1 in 3000. */
static struct {
	const struct scope *scope;
	struct search_limits limits;
	struct search_result result;
	double begin;
	uint64_t *hashes;
	uint32_t *parents;
	struct action *actions;
	uint32_t count, capacity;
	uint32_t *table; /* open addressing; index + 1, 0: free */
	uint32_t table_capacity;
	struct queue now, next;
	uint32_t current;      /* the state being expanded */
	struct action attempt; /* what is tried there */
	bool is_attempting;
	struct state first;
} search;

static double
clock_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- states seen ---- */

static uint32_t *
seen_place(uint64_t hash)
{
	uint32_t mask = search.table_capacity - 1, at = (uint32_t)(hash >> 20) & mask;

	while (search.table[at] != 0 && search.hashes[search.table[at] - 1] != hash)
		at = (at + 1) & mask;
	return &search.table[at];
}

static void
seen_grow(void)
{
	search.capacity = search.capacity == 0 ? 1u << 16 : 2 * search.capacity;
	search.hashes = check_realloc(search.hashes, search.capacity * sizeof(*search.hashes));
	search.parents = check_realloc(search.parents, search.capacity * sizeof(*search.parents));
	search.actions = check_realloc(search.actions, search.capacity * sizeof(*search.actions));
	free(search.table);
	search.table_capacity = 2 * search.capacity;
	search.table = check_calloc(search.table_capacity, sizeof(*search.table));
	for (uint32_t i = 0; i < search.count; i++)
		*seen_place(search.hashes[i]) = i + 1;
}

static void
queue_push(struct queue *queue, const void *bytes, size_t size)
{
	if (queue->size + size > queue->capacity) {
		queue->capacity = 2 * (queue->size + size) + 65536;
		queue->bytes = check_realloc(queue->bytes, queue->capacity);
	}
	memcpy(queue->bytes + queue->size, bytes, size);
	queue->size += size;
}

/* Queue STATE unless it was seen before. */
static void
visit(const struct state *state, struct action action)
{
	size_t size = STATE_HEAD + state->count * sizeof(state->under_way[0]);
	uint64_t hash = XXH3_64bits(state, size);
	uint32_t *place;

	if (search.count == search.capacity)
		seen_grow();
	place = seen_place(hash);
	if (*place != 0)
		return;
	search.hashes[search.count] = hash;
	search.parents[search.count] = search.current;
	search.actions[search.count] = action;
	queue_push(&search.next, &search.count, sizeof(search.count));
	queue_push(&search.next, state, size);
	*place = ++search.count;
}

/* ---- actions ---- */

static void
messages_remove(struct state *state, uint16_t message)
{
	unsigned at = 0;

	while (state->under_way[at] != message)
		at++;
	state->count--;
	memmove(&state->under_way[at], &state->under_way[at + 1],
	        (state->count - at) * sizeof(message));
}

static void
messages_add(struct state *state, uint16_t message)
{
	unsigned at = 0;

	while (at < state->count && state->under_way[at] < message)
		at++;
	if (at < state->count && state->under_way[at] == message)
		return; /* the second of two equal ones is lost */
	CHECK(state->count < UNDER_WAY_MAX);
	memmove(&state->under_way[at + 1], &state->under_way[at],
	        (state->count - at) * sizeof(message));
	state->under_way[at] = message;
	state->count++;
}

/* Whether ACTION changes no more than the loss of a message would. */
static bool
is_futile(const struct state *state, struct action action, const struct outcome *outcome)
{
	unsigned at = 0;

	if (outcome->state != state->members[action.member] || outcome->read_count > 0)
		return false;
	for (unsigned i = 0; i < outcome->sent_count; i++) {
		for (at = 0; at < state->count && state->under_way[at] != outcome->sent[i];)
			at++;
		if (at == state->count)
			return false;
	}
	return true;
}

/* Forget the messages to MEMBER that can do nothing any more. */
static void
bury_dead(struct state *state, unsigned member)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < state->count; i++) {
		uint16_t message = state->under_way[i];

		if (message_receiver(message) != member ||
		    !message_is_dead(message, state->members[member]))
			state->under_way[kept++] = message;
	}
	state->count = (uint16_t)kept;
}

/* STATE after ACTION; false if that changes nothing. */
static bool
advance(struct state *state, struct action action, bool is_kept)
{
	uint32_t before[EXHAUSTIVE_MEMBERS];
	struct outcome outcome;

	search.attempt = action;
	search.is_attempting = true;
	outcome = member_act(state->members[action.member], action);
	search.is_attempting = false;
	if (is_futile(state, action, &outcome))
		return false;
	memcpy(before, state->members, sizeof(before));
	state->members[action.member] = outcome.state;
	if (action.kind == ACTION_DELIVER && !is_kept)
		messages_remove(state, action.argument);
	for (unsigned i = 0; i < outcome.sent_count; i++)
		messages_add(state, outcome.sent[i]);
	search.is_attempting = true;
	state->history = judge_action(state->history, before, state->members, action, &outcome);
	for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++)
		bury_dead(state, i);
	search.is_attempting = false;
	return true;
}

static void
try(const struct state *from, struct action action, int budget, bool is_kept)
{
	struct state state;

	if (budget >= 0 && from->left[budget] == 0)
		return;
	memcpy(&state, from, STATE_HEAD + from->count * sizeof(from->under_way[0]));
	if (budget >= 0 && from->left[budget] != UNLIMITED)
		state.left[budget]--;
	search.result.transitions++;
	search.result.by_kind[action.kind]++;
	if (advance(&state, action, is_kept))
		visit(&state, action);
}

static void
try_member(const struct state *state, uint8_t member)
{
	const struct scope *scope = search.scope;
	struct member_brief brief = member_brief(state->members[member]);
	uint16_t value = (uint16_t)(scope->values - state->left[VALUES]);
	uint16_t cookie = (uint16_t)(scope->reads - state->left[READS] + 1);

	if (brief.write_count > 0)
		try(state, (struct action){ACTION_PERSIST, member, 0}, -1, false);
	if (brief.may_tell)
		try(state, (struct action){ACTION_TELL, member, 0}, -1, false);
	if (brief.is_serving)
		try(state, (struct action){ACTION_PROPOSE, member, value}, VALUES, false);
	if (scope->candidates & 1u << member)
		try(state, (struct action){ACTION_STAND, member, 0}, ELECTIONS, false);
	if (brief.role != ROLE_FOLLOWER)
		try(state, (struct action){ACTION_HEARTBEAT, member, 0}, HEARTBEATS, false);
	try(state, (struct action){ACTION_READ, member, cookie}, READS, false);
	for (unsigned written = 0; written <= brief.write_count; written++) {
		for (unsigned current = 0; current < 2; current++) {
			if (current && brief.applied == brief.applied_on_disk)
				continue;
			try(state,
			    (struct action){ACTION_CRASH, member,
			                    (uint16_t)(2 * written + current)},
			    CRASHES, false);
		}
	}
}

static void
expand(const struct state *state)
{
	unsigned chosen = judge_chosen(state->history);

	if (chosen > search.result.chosen_max)
		search.result.chosen_max = chosen;
	for (unsigned i = 0; i < state->count; i++) {
		uint16_t message = state->under_way[i];
		struct action action = {ACTION_DELIVER, (uint8_t)message_receiver(message),
		                        message};

		if (state->left[DUPLICATES] != UNLIMITED)
			try(state, action, -1, false);
		try(state, action, DUPLICATES, true);
	}
	for (uint8_t member = 0; member < EXHAUSTIVE_MEMBERS; member++)
		try_member(state, member);
}

/* ---- the beginning ---- */

/* All goes well until member 1 serves and nothing is under way. */
static void
settle(struct state *state)
{
	bool is_moving = advance(state, (struct action){ACTION_STAND, 0, 0}, false);

	while (is_moving) {
		is_moving = false;
		for (uint8_t member = 0; member < EXHAUSTIVE_MEMBERS; member++) {
			while (member_brief(state->members[member]).write_count > 0)
				is_moving |= advance(
					state, (struct action){ACTION_PERSIST, member, 0}, false);
			if (member_brief(state->members[member]).may_tell)
				is_moving |= advance(state, (struct action){ACTION_TELL, member, 0},
				                     false);
		}
		while (state->count > 0) {
			uint16_t message = state->under_way[0];
			struct action action = {ACTION_DELIVER, (uint8_t)message_receiver(message),
			                        message};

			if (advance(state, action, false))
				is_moving = true;
			else
				messages_remove(state, message);
		}
	}
	CHECK(member_brief(state->members[0]).is_serving);
}

static void
begin(struct state *state, const struct scope *scope)
{
	memset(state, 0, sizeof(*state));
	for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++)
		state->members[i] = member_first_state(i);
	state->history = judge_first();
	if (scope->is_settled)
		settle(state);
	state->left[ELECTIONS] = (uint8_t)scope->elections;
	state->left[CRASHES] = (uint8_t)scope->crashes;
	state->left[VALUES] = (uint8_t)scope->values;
	state->left[HEARTBEATS] = (uint8_t)scope->heartbeats;
	state->left[READS] = (uint8_t)scope->reads;
	state->left[DUPLICATES] = (uint8_t)scope->duplicates;
}

static void
reset(const struct scope *scope, const struct search_limits *limits)
{
	struct queue now = search.now, next = search.next;

	free(search.hashes);
	free(search.parents);
	free(search.actions);
	free(search.table);
	memset(&search, 0, sizeof(search));
	now.size = 0;
	next.size = 0;
	search.now = now;
	search.next = next;
	search.scope = scope;
	search.limits = *limits;
	search.begin = clock_seconds();
	member_reset(scope);
	judge_reset();
}

/* ---- the search ---- */

static bool
is_over(void)
{
	if (search.count >= search.limits.states)
		return true;
	return search.current % 1024 == 0 && clock_seconds() - search.begin > search.limits.seconds;
}

/* Expand all of one depth; false if a limit was met. */
static bool
expand_level(void)
{
	struct state state;
	size_t at = 0;

	while (at < search.now.size) {
		memcpy(&search.current, search.now.bytes + at, sizeof(search.current));
		at += sizeof(search.current);
		memcpy(&state, search.now.bytes + at, STATE_HEAD);
		at += STATE_HEAD;
		memcpy(state.under_way, search.now.bytes + at,
		       state.count * sizeof(state.under_way[0]));
		at += state.count * sizeof(state.under_way[0]);
		expand(&state);
		if (is_over())
			return at == search.now.size && search.next.size == 0;
	}
	return true;
}

struct search_result
search_scope(const struct scope *scope, const struct search_limits *limits)
{
	bool goes_on = true;

	reset(scope, limits);
	begin(&search.first, scope);
	search.current = UINT32_MAX;
	visit(&search.first, (struct action){0, 0, 0});
	while (goes_on && search.next.size > 0) {
		struct queue done = search.now;

		search.now = search.next;
		search.next = done;
		search.next.size = 0;
		goes_on = expand_level();
		if (search.next.size > 0)
			search.result.depth++;
	}
	search.result.is_complete = goes_on;
	search.result.states = search.count;
	search.result.seconds = clock_seconds() - search.begin;
	return search.result;
}

/* ---- explaining ---- */

static void
explain_step(struct action action, struct state *state)
{
	char text[ACTION_TEXT_SIZE];
	struct outcome outcome;

	fprintf(stderr, "  %s\n", action_format(action, text));
	outcome = member_act(state->members[action.member], action);
	state->members[action.member] = outcome.state;
	for (unsigned i = 0; i < outcome.sent_count; i++)
		fprintf(stderr, "      sends %s\n", message_format(outcome.sent[i], text));
	fprintf(stderr, "      now %s\n", state_format(outcome.state, text));
}

void
search_explain(void)
{
	struct action path[PATH_MAX_STEPS];
	struct state state = search.first;
	unsigned count = 0;
	char text[ACTION_TEXT_SIZE];

	if (!search.is_attempting)
		return;
	for (uint32_t at = search.current; at != 0 && at != UINT32_MAX && count < PATH_MAX_STEPS;
	     at = search.parents[at])
		path[count++] = search.actions[at];
	fprintf(stderr, "scope %s: broken after %u actions, having visited %u states:\n",
	        search.scope->name, count + 1, search.count);
	while (count > 0)
		explain_step(path[--count], &state);
	fprintf(stderr, "  %s    <-- here\n", action_format(search.attempt, text));
}
