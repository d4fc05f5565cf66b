/* What members say of themselves and of each other. */
#include <stdlib.h>
#include <string.h>

#include "client/ask.h"
#include "shared/error.h"
#include "shared/fields.h"

/* Public structures with the memory behind them; each starts with the public part. */
struct status_block {
	struct synod_status status;
	struct arena arena;
};

struct members_block {
	struct synod_members members;
	struct arena arena;
};

static const char *
text_of(struct arena *arena, struct slice text)
{
	return text.bytes != NULL ? arena_copy(arena, text) : "";
}

static const char *
role_name(uint8_t role)
{
	switch (role) {
	case ROLE_FOLLOWER: return "follower";
	case ROLE_CANDIDATE: return "candidate";
	case ROLE_LEADER: return "leader";
	default: return "unknown";
	}
}

/* ---- status ---- */

static void
convert_status(struct arena *arena, const struct member_status *from,
               struct synod_member_status *to)
{
	to->name = text_of(arena, from->name);
	to->member_id = from->member_id;
	to->role = role_name(from->role);
	to->leader = text_of(arena, from->leader);
	to->ballot = text_of(arena, from->ballot);
	to->epoch = from->epoch;
	to->chosen = from->chosen;
	to->applied = from->applied;
	to->length = from->length;
	to->revision = from->revision;
	to->nodes = from->nodes;
	to->sessions = from->sessions;
	to->clients = from->clients;
	to->pending = from->pending;
	to->database_bytes = from->database_bytes;
	to->journal_bytes = from->journal_bytes;
	to->sync_p99_us = from->sync_p99_us;
	to->uptime_ms = from->uptime_ms;
	to->state_hash = text_of(arena, from->state_hash);
	to->software = text_of(arena, from->software);
	to->problem = text_of(arena, from->problem);
	to->cluster_id = text_of(arena, from->cluster_id);
	to->voters = from->voters;
	to->tolerates = from->tolerates;
}

static void
fill_unreachable(struct arena *arena, const struct answer *answer, struct synod_member_status *to)
{
	to->name = to->role = to->leader = to->ballot = "";
	to->state_hash = to->software = to->cluster_id = "";
	to->problem = text_of(arena, slice_of(answer->text));
}

/* The same member under a second address is not told twice. */
static bool
is_told(const struct synod_status *status, uint64_t member_id)
{
	for (size_t i = 0; i < status->member_count; i++)
		if (status->members[i].error == SYNOD_OK &&
		    status->members[i].member_id == member_id)
			return true;
	return false;
}

static void
add_status(struct status_block *block, const struct answer *answer)
{
	struct synod_member_status *to = &block->status.members[block->status.member_count];
	struct member_status from;
	int error = answer->error;

	if (error == SYNOD_OK)
		error = member_status_decode(answer->result, &from);
	if (error == SYNOD_OK && is_told(&block->status, from.member_id))
		return;
	to->error = error;
	to->endpoint = text_of(&block->arena, slice_of(answer->address));
	if (error == SYNOD_OK)
		convert_status(&block->arena, &from, to);
	else
		fill_unreachable(&block->arena, answer, to);
	block->status.member_count++;
}

int
synod_status(struct synod *synod, unsigned timeout_ms, struct synod_status **status)
{
	struct buffer body = BUFFER_EMPTY;
	struct answer *answers = NULL;
	struct status_block *block;
	unsigned count = 0;
	int error = ask_check(synod, status);

	if (error != SYNOD_OK)
		return error;
	*status = NULL;
	pack_array(&body, 0);
	block = calloc(1, sizeof *block);
	if (block == NULL || body.failed)
		error = SYNOD_NO_MEMORY;
	if (error == SYNOD_OK)
		error = ask_all(synod, OP_STATUS, buffer_slice(&body), ask_timeout_ms(timeout_ms),
		                &answers, &count);
	if (error == SYNOD_OK)
		block->status.members =
			arena_alloc(&block->arena, count * sizeof *block->status.members);
	for (unsigned i = 0; i < count && error == SYNOD_OK && !block->arena.has_failed; i++)
		add_status(block, &answers[i]);
	if (error == SYNOD_OK && block->arena.has_failed)
		error = SYNOD_NO_MEMORY;
	answers_free(answers, count);
	buffer_fini(&body);
	if (error == SYNOD_OK)
		*status = &block->status;
	else if (block != NULL)
		synod_status_free(&block->status);
	return error;
}

void
synod_status_free(struct synod_status *status)
{
	struct status_block *block = (struct status_block *)status;

	if (block == NULL)
		return;
	arena_fini(&block->arena);
	free(block);
}

/* ---- members ---- */

static void
read_member(struct arena *arena, struct cursor *cursor, struct synod_member *member)
{
	struct fields fields = fields_enter(cursor, 4);

	member->id = field_u64(&fields);
	member->name = text_of(arena, field_string(&fields));
	member->peer_address = text_of(arena, field_optional_string(&fields));
	member->client_address = text_of(arena, field_optional_string(&fields));
	member->role = role_name((uint8_t)field_number(&fields, UINT8_MAX));
	member->reachable = fields_next(&fields) && cursor_bool(cursor);
	member->matched = field_u64(&fields);
	fields_leave(&fields);
}

static int
read_members(struct members_block *block, struct slice result)
{
	struct cursor cursor;
	uint32_t count;

	cursor_init(&cursor, result);
	count = cursor_array(&cursor);
	block->members.members = arena_alloc(&block->arena, count * sizeof *block->members.members);
	if (block->members.members == NULL)
		return SYNOD_NO_MEMORY;
	for (uint32_t i = 0; i < count && !cursor.failed; i++)
		read_member(&block->arena, &cursor, &block->members.members[i]);
	block->members.member_count = count;
	cursor_leave(&cursor);
	return block->arena.has_failed ? SYNOD_NO_MEMORY : cursor_finish(&cursor);
}

static bool
knows_a_leader(const struct synod_members *members)
{
	for (size_t i = 0; i < members->member_count; i++)
		if (strcmp(members->members[i].role, "leader") == 0)
			return true;
	return false;
}

static void
members_replace(struct members_block **best, struct members_block *block)
{
	synod_members_free(*best != NULL ? &(*best)->members : NULL);
	*best = block;
}

/* Of all answers the first from a member that knows a leader, else the first. */
static int
choose_members(const struct answer *answers, unsigned count, struct members_block **best)
{
	int error = SYNOD_OK;

	for (unsigned i = 0; i < count; i++) {
		struct members_block *block;

		if (answers[i].error != SYNOD_OK) {
			/* What a member said tells more than why another could not be reached. */
			if (error == SYNOD_OK || answers[i].frame.size > 0)
				error = answers[i].error;
			continue;
		}
		block = calloc(1, sizeof *block);
		if (block == NULL)
			return SYNOD_NO_MEMORY;
		error = read_members(block, answers[i].result);
		if (error == SYNOD_OK && (*best == NULL || (knows_a_leader(&block->members) &&
		                                            !knows_a_leader(&(*best)->members))))
			members_replace(best, block);
		else
			synod_members_free(&block->members);
	}
	return *best != NULL ? SYNOD_OK : error;
}

int
synod_members(struct synod *synod, unsigned timeout_ms, struct synod_members **members)
{
	struct buffer body = BUFFER_EMPTY;
	struct members_block *best = NULL;
	struct answer *answers = NULL;
	unsigned count = 0;
	int error = ask_check(synod, members);

	if (error != SYNOD_OK)
		return error;
	*members = NULL;
	pack_array(&body, 0);
	error = body.failed ? SYNOD_NO_MEMORY
	                    : ask_all(synod, OP_MEMBERS, buffer_slice(&body),
	                              ask_timeout_ms(timeout_ms), &answers, &count);
	if (error == SYNOD_OK)
		error = choose_members(answers, count, &best);
	answers_free(answers, count);
	buffer_fini(&body);
	if (error == SYNOD_OK)
		*members = &best->members;
	return error;
}

void
synod_members_free(struct synod_members *members)
{
	struct members_block *block = (struct members_block *)members;

	if (block == NULL)
		return;
	arena_fini(&block->arena);
	free(block);
}

/* ---- transfer ---- */

/* Whether another member may give a better answer. */
static bool
is_worth_going_on(int error)
{
	return requests_is_transient(error) || error == SYNOD_UNSUPPORTED ||
	       (error >= SYNOD_WRONG_PROTOCOL && error <= SYNOD_WRONG_SECRET);
}

/* One after the other: only the leader can do it, the others say so or pass it on. */
int
synod_transfer(struct synod *synod, const char *name, unsigned timeout_ms)
{
	struct buffer body = BUFFER_EMPTY;
	int error = ask_check(synod, synod);
	unsigned count;

	if (error != SYNOD_OK)
		return error;
	pack_array(&body, 1);
	pack_string(&body, slice_of(name != NULL ? name : ""));
	if (body.failed)
		return SYNOD_NO_MEMORY;
	error = SYNOD_TIMEOUT;
	count = endpoints_count(&synod->endpoints);
	for (unsigned i = 0; i < count && is_worth_going_on(error); i++) {
		struct answer answer = {.address = endpoints_at(&synod->endpoints, i)};

		error = ask(synod, &answer, 1, OP_TRANSFER, buffer_slice(&body),
		            ask_timeout_ms(timeout_ms));
		if (error == SYNOD_OK)
			error = answer.error;
		answer_fini(&answer);
	}
	buffer_fini(&body);
	return error;
}
