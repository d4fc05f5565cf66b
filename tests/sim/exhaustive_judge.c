/* Invariants over all members, and the history that they need. */
#include "tests/sim/exhaustive_judge.h"

#include <stdio.h>
#include <string.h>

#include "shared/check.h"
#include "shared/protocol.h"
#include "tests/sim/exhaustive_core.h"
#include "tests/sim/exhaustive_intern.h"
#include "tests/sim/exhaustive_message.h"

#define VOTES_MAX 64

/* A value for a slot at a ballot: whether a leader has proposed it, and who has ever held it
 * durably, accepted at that ballot. */
struct vote {
	uint8_t ballot, slot, entry;
	uint8_t is_proposed, voters; /* a bit for each member */
};

/* Bytes without padding. */
struct history {
	uint8_t chosen_count;
	uint8_t chosen[SLOTS_MAX], chosen_at[SLOTS_MAX]; /* entry; the lowest ballot of a quorum */
	uint8_t known; /* the highest slot that any member has known to be chosen */
	uint8_t known_at_read[READS_MAX]; /* the same when each read was asked */
	uint8_t vote_count;
	struct vote votes[VOTES_MAX]; /* in order of (ballot, slot, entry) */
};

static struct intern histories;

void
judge_reset(void)
{
	intern_fini(&histories);
}

uint32_t
judge_first(void)
{
	struct history history;

	memset(&history, 0, sizeof(history));
	return intern_add(&histories, &history, sizeof(history));
}

static struct history
history_get(uint32_t number)
{
	struct history history;
	size_t size;

	memcpy(&history, intern_get(&histories, number, &size), sizeof(history));
	return history;
}

static void
require(bool holds, const char *promise)
{
	if (!holds)
		exhaustive_fail(promise);
}

/* ---- one ballot carries at most one sequence ---- */

static int
vote_compare(const struct vote *vote, uint8_t ballot, unsigned slot, uint8_t entry)
{
	if (vote->ballot != ballot)
		return vote->ballot - ballot;
	if (vote->slot != slot)
		return vote->slot - (int)slot;
	return vote->entry - entry;
}

/* The row of a value, made if need be. */
static struct vote *
vote_row(struct history *history, uint8_t ballot, unsigned slot, uint8_t entry)
{
	struct vote *at = history->votes, *end = at + history->vote_count;

	while (at < end && vote_compare(at, ballot, slot, entry) < 0)
		at++;
	if (at < end && vote_compare(at, ballot, slot, entry) == 0)
		return at;
	CHECK(history->vote_count < VOTES_MAX);
	memmove(at + 1, at, (size_t)(end - at) * sizeof(*at));
	*at = (struct vote){.ballot = ballot, .slot = (uint8_t)slot, .entry = entry};
	history->vote_count++;
	return at;
}

static void
note_proposal(struct history *history, struct proposal proposal)
{
	vote_row(history, proposal.ballot, proposal.slot, proposal.entry)->is_proposed = 1;
	for (unsigned i = 0; i < history->vote_count; i++) {
		const struct vote *vote = &history->votes[i];

		if (vote->is_proposed && vote->ballot == proposal.ballot &&
		    vote->slot == proposal.slot)
			require(vote->entry == proposal.entry,
			        "one ballot carries at most one sequence");
	}
}

static void
note_proposals(struct history *history, const struct outcome *outcome)
{
	struct proposal proposals[SLOTS_MAX];

	for (unsigned i = 0; i < outcome->sent_count; i++) {
		unsigned count = message_proposals(outcome->sent[i], proposals);

		for (unsigned k = 0; k < count; k++)
			note_proposal(history, proposals[k]);
	}
}

/* ---- chosen, by definition ---- */

static void
note_chosen(struct history *history, const struct vote *vote)
{
	unsigned at = vote->slot - 1u;

	if (at < history->chosen_count) {
		require(history->chosen[at] == vote->entry, "a chosen value never changes");
		if (vote->ballot < history->chosen_at[at])
			history->chosen_at[at] = vote->ballot;
		return;
	}
	CHECK(at == history->chosen_count);
	history->chosen[at] = vote->entry;
	history->chosen_at[at] = vote->ballot;
	history->chosen_count++;
}

/*
 * A value is chosen once two of three have ever held it durably, accepted at the same ballot,
 * whether or not anybody knows.
 */
static void
note_votes(struct history *history, const struct brief_log *disk, unsigned member)
{
	for (unsigned slot = 1; slot <= disk->length; slot++) {
		struct vote *vote =
			vote_row(history, disk->accepted, slot, disk->entries[slot - 1]);

		vote->voters |= (uint8_t)(1u << member);
		if ((vote->voters & (vote->voters - 1)) != 0)
			note_chosen(history, vote);
	}
}

/* Whoever calls a value chosen must be right, and must be able to apply it after a crash. */
static void
judge_claims(struct history *history, const struct member_brief *brief)
{
	require(brief->chosen <= history->chosen_count,
	        "a chosen value is durable at a quorum when chosen");
	for (unsigned i = 0; i < brief->chosen; i++)
		require(brief->memory.entries[i] == history->chosen[i], "chosen prefixes agree");
	require(brief->applied <= brief->chosen, "applied <= chosen");
	require(brief->applied <= brief->disk.length, "what is applied is durable");
	for (unsigned i = 0; i < brief->applied; i++)
		require(brief->disk.entries[i] == history->chosen[i], "what is applied is durable");
	if (brief->chosen > history->known)
		history->known = brief->chosen;
}

/* A chosen value stands in the log of every leader of a higher ballot. */
static void
judge_leader(const struct history *history, const struct member_brief *brief)
{
	if (brief->role != ROLE_LEADER)
		return;
	for (unsigned i = 0; i < history->chosen_count; i++) {
		if (history->chosen_at[i] < brief->memory.promised)
			require(brief->memory.length > i &&
			                brief->memory.entries[i] == history->chosen[i],
			        "a chosen value is in every later leader's log");
	}
}

/* ---- one member, before and after ---- */

static void
judge_member(const struct member_brief *before, const struct member_brief *after)
{
	require(after->disk.promised >= before->disk.promised, "promised never decreases");
	require(after->disk.accepted >= before->disk.accepted, "accepted never decreases");
	require(after->disk.accepted <= after->disk.promised, "accepted <= promised");
	require(after->memory.accepted <= after->memory.promised, "accepted <= promised");
	require(after->memory.promised >= before->disk.promised,
	        "promised never decreases across a restart");
}

static void
judge_reads(const struct history *history, const struct outcome *outcome)
{
	for (unsigned i = 0; i < outcome->read_count; i++) {
		const struct read_outcome *read = &outcome->reads[i];

		if (!read->is_good)
			continue;
		require(read->index >= history->known_at_read[read->cookie - 1],
		        "a read reflects all that was known to be chosen when it was asked");
		require(read->index <= history->chosen_count, "a read's index is chosen");
	}
}

uint32_t
judge_action(uint32_t number, const uint32_t *before, const uint32_t *after, struct action action,
             const struct outcome *outcome)
{
	struct history history = history_get(number);
	struct member_brief brief[EXHAUSTIVE_MEMBERS];
	struct member_brief old = member_brief(before[action.member]);

	for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++)
		brief[i] = member_brief(after[i]);
	judge_member(&old, &brief[action.member]);
	if (action.kind == ACTION_READ)
		history.known_at_read[action.argument - 1] = history.known;
	note_proposals(&history, outcome);
	note_votes(&history, &brief[action.member].disk, action.member);
	judge_claims(&history, &brief[action.member]);
	for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++)
		judge_leader(&history, &brief[i]);
	judge_reads(&history, outcome);
	return intern_add(&histories, &history, sizeof(history));
}

unsigned
judge_chosen(uint32_t history)
{
	return history_get(history).chosen_count;
}

const char *
judge_format(uint32_t number, char *text)
{
	struct history history = history_get(number);
	char entries[SLOTS_MAX * 8 + 1];
	int used = snprintf(text, ACTION_TEXT_SIZE, "chosen=[%s] at",
	                    entries_format(history.chosen, history.chosen_count, entries));

	for (unsigned i = 0; i < history.chosen_count; i++) {
		char ballot[BALLOT_TEXT_SIZE];

		ballot_format(ballot_of_small(history.chosen_at[i]), ballot);
		used += snprintf(text + used, ACTION_TEXT_SIZE - (size_t)used, " %s", ballot);
	}
	snprintf(text + used, ACTION_TEXT_SIZE - (size_t)used, " known=%u", history.known);
	return text;
}
