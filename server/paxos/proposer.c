/* Phase 1 for the whole suffix, leadership, and proposing. */
#include "server/paxos/proposer.h"

#include <stdlib.h>
#include <string.h>

#include "server/paxos/codec.h"
#include "server/paxos/core.h"
#include "server/paxos/learner.h"
#include "server/paxos/quorum.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

static void
suffix_clear(struct suffix *suffix)
{
	for (uint32_t i = 0; i < suffix->count; i++)
		entry_release(suffix->entries[i]);
	free(suffix->entries);
	memset(suffix, 0, sizeof(*suffix));
}

void
proposer_init(struct paxos *paxos)
{
	struct proposer *proposer = &paxos->proposer;

	proposer->voter_count = paxos->options.voter_count;
	proposer->self = PAXOS_VOTERS_MAX;
	for (unsigned i = 0; i < proposer->voter_count; i++) {
		proposer->voters[i].member = paxos->options.voters[i];
		if (proposer->voters[i].member == paxos->options.self)
			proposer->self = i;
	}
	CHECK(proposer->self < proposer->voter_count);
}

void
proposer_fini(struct proposer *proposer)
{
	for (unsigned i = 0; i < proposer->voter_count; i++)
		suffix_clear(&proposer->voters[i].suffix);
}

struct voter *
proposer_voter(struct paxos *paxos, member_id member)
{
	for (unsigned i = 0; i < paxos->proposer.voter_count; i++) {
		if (paxos->proposer.voters[i].member == member)
			return &paxos->proposer.voters[i];
	}
	return NULL;
}

void
proposer_reset(struct paxos *paxos)
{
	struct proposer *proposer = &paxos->proposer;

	proposer->ballot = BALLOT_NONE;
	proposer->is_prepare_sent = false;
	proposer->is_serving = false;
	proposer->target = 0;
	proposer->start = 0;
	for (unsigned i = 0; i < proposer->voter_count; i++) {
		struct voter *voter = &proposer->voters[i];
		struct voter fresh = {.member = voter->member, .heard_ms = voter->heard_ms};

		suffix_clear(&voter->suffix);
		*voter = fresh;
	}
}

/* ---- phase 1: asking ---- */

void
proposer_prepare(struct paxos *paxos, struct ballot ballot, bool by_transfer,
                 struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	struct voter *self;

	CHECK(paxos->role == ROLE_CANDIDATE);
	CHECK(ballot.member == paxos->options.self);

	proposer_reset(paxos);
	acceptor_unstage(&paxos->acceptor);
	/* Durable before the first PREPARE leaves: a crash must not let us use this ballot twice.
	 */
	paxos_persist_promise(paxos, ballot, update);
	proposer->ballot = ballot;
	proposer->by_transfer = by_transfer;

	self = &proposer->voters[proposer->self];
	self->accepted = paxos->accepted;
	self->length = paxos->log.length;
	self->chosen = paxos->chosen;
}

void
proposer_send_prepare(struct paxos *paxos, struct voter *voter, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	struct paxos_message *message =
		paxos_send(paxos, MESSAGE_PREPARE, voter->member, proposer->ballot, update);

	CHECK(ballot_compare(paxos->durable.now.promised, proposer->ballot) >= 0 ||
	      PLANTED(PREPARE_BEFORE_SYNC));

	message->accepted = paxos->accepted;
	message->length = paxos->log.length;
	message->chosen = paxos->chosen;
	if (proposer->by_transfer)
		message->flags |= MESSAGE_BY_TRANSFER;
	voter->prepare_ms = paxos->now_ms;
}

void
proposer_retry_prepare(struct paxos *paxos, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;

	for (unsigned i = 0; i < proposer->voter_count; i++) {
		struct voter *voter = &proposer->voters[i];

		if (i == proposer->self || voter->state != VOTER_UNPROMISED || voter->is_out ||
		    paxos->now_ms < voter->prepare_ms + paxos->options.heartbeat_ms)
			continue;
		proposer_send_prepare(paxos, voter, update);
	}
}

/* ---- phase 1: the answers ---- */

/* This voter will not count.  If too few remain, so is the candidacy lost. */
static void
rule_out(struct paxos *paxos, struct voter *voter, uint64_t delay_ms, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	unsigned possible = 0;

	voter->is_out = true;
	if (!PLANTED(RULED_OUT_COUNTS))
		voter->state =
			VOTER_UNPROMISED; /* its promise, if it gave one, has lost its suffix */
	suffix_clear(&voter->suffix);
	for (unsigned i = 0; i < proposer->voter_count; i++)
		possible += !proposer->voters[i].is_out;
	if (possible < quorum_size(proposer->voter_count))
		election_give_up(paxos, delay_ms, update);
}

void
proposer_on_refuse(struct paxos *paxos, const struct paxos_message *message,
                   struct paxos_update *update)
{
	struct voter *voter = proposer_voter(paxos, message->from);

	if (paxos->role == ROLE_FOLLOWER ||
	    !ballot_equal(message->ballot, paxos->proposer.ballot) ||
	    ballot_compare(message->accepted, message->ballot) <= 0)
		return;
	if (paxos->role == ROLE_LEADER)
		election_step_down(paxos, TRANSITION_LOST_BALLOT, 0, update);
	else if (!voter->is_out)
		rule_out(paxos, voter, 0, update);
}

/*
 * How much of the promiser's log the candidate already has in common with it; the rule of the
 * acceptor's suffix_first(), seen from the other side.
 */
static uint64_t
common_with(const struct paxos *paxos, const struct voter *voter)
{
	int order = ballot_compare(voter->accepted, paxos->accepted);

	if (order > 0)
		return paxos->chosen;
	if (order == 0)
		return paxos->log.length;
	return voter->length;
}

/* The promise's head is repeated on every page; a changed one begins anew. */
static void
note_promise(struct paxos *paxos, struct voter *voter, const struct paxos_message *message)
{
	bool is_same = ballot_equal(voter->accepted, message->accepted) &&
	               voter->length == message->length && voter->chosen == message->chosen;

	if (!is_same)
		suffix_clear(&voter->suffix);
	voter->accepted = message->accepted;
	voter->length = message->length;
	voter->chosen = message->chosen;
	voter->prepare_ms = paxos->now_ms;
	if (voter->suffix.count == 0)
		voter->suffix.previous = common_with(paxos, voter);
}

static void
suffix_take(struct suffix *suffix, const struct paxos_message *message)
{
	uint64_t end = suffix->previous + suffix->count;
	uint64_t last = message->previous + message->entry_count;

	if (message->previous > end || last > message->length)
		return; /* a page before this one was lost: the candidate will ask again */
	for (uint64_t slot = end + 1; slot <= last; slot++) {
		struct entry *entry = message->entries[slot - message->previous - 1];

		if (suffix->count == suffix->capacity) {
			suffix->capacity = suffix->capacity == 0 ? 64 : suffix->capacity * 2;
			suffix->entries = check_realloc(suffix->entries,
			                                suffix->capacity * sizeof(struct entry *));
		}
		suffix->entries[suffix->count++] = entry_retain(entry);
		suffix->bytes += log_cost(entry);
	}
}

/* The voter holds more than a candidate takes; it, or a member nearer to it, should lead. */
static bool
is_too_far_ahead(const struct paxos *paxos, const struct voter *voter)
{
	uint64_t common = voter->suffix.previous;
	uint64_t lack = voter->length > common ? voter->length - common : 0;

	return lack > paxos->options.cache_entries ||
	       voter->suffix.bytes > paxos->options.cache_bytes;
}

static void
collect_promise(struct paxos *paxos, struct voter *voter, const struct paxos_message *message,
                struct paxos_update *update)
{
	struct suffix *suffix = &voter->suffix;

	if (voter->is_out)
		return;
	note_promise(paxos, voter, message);
	if (voter->length > suffix->previous)
		suffix_take(suffix, message);
	if (is_too_far_ahead(paxos, voter)) {
		rule_out(paxos, voter, 2 * paxos->options.election_timeout_max_ms, update);
		return;
	}
	if (suffix->previous + suffix->count >= voter->length)
		voter->state = VOTER_SYNCING; /* complete */
}

/*
 * Where the logs may begin to differ.  Same accepted ballot as the adopted log's: one
 * is the other's prefix.  Otherwise only what the voter knows to be chosen is common.  The
 * voter's log does not change after its promise but by our own ACCEPT_SYNC, so
 * this stays true.
 */
static uint64_t
agreed_with(const struct paxos *paxos, const struct voter *voter)
{
	const struct proposer *proposer = &paxos->proposer;
	uint64_t agreed = voter->chosen;

	if (ballot_equal(voter->accepted, proposer->adopted) || PLANTED(AGREE_BY_LENGTH))
		agreed = voter->length;
	return agreed < proposer->adopted_length ? agreed : proposer->adopted_length;
}

/* A promise that comes after the quorum was complete: the voter only needs to be brought up. */
static void
welcome_late(struct paxos *paxos, struct voter *voter, const struct paxos_message *message,
             struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;

	if (ballot_compare(message->accepted, proposer->ballot) >= 0)
		return;
	voter->accepted = message->accepted;
	voter->length = message->length;
	voter->chosen = message->chosen;
	voter->is_out = false;
	replicate_start(paxos, voter, agreed_with(paxos, voter), update);
}

void
proposer_on_promise(struct paxos *paxos, const struct paxos_message *message,
                    struct paxos_update *update)
{
	struct voter *voter = proposer_voter(paxos, message->from);

	if (paxos->role == ROLE_FOLLOWER ||
	    !ballot_equal(message->ballot, paxos->proposer.ballot) ||
	    voter->state != VOTER_UNPROMISED || message->chosen > message->length)
		return;
	voter->heard_ms = paxos->now_ms;
	if (paxos->role == ROLE_LEADER)
		welcome_late(paxos, voter, message, update);
	else
		collect_promise(paxos, voter, message, update);
}

/* ---- phase 1: adopting ---- */

/* The promiser with the greatest (accepted, length); oneself when nobody has more. */
static struct voter *
best_promise(struct paxos *paxos)
{
	struct proposer *proposer = &paxos->proposer;
	struct voter *best = &proposer->voters[proposer->self];

	for (unsigned i = 0; i < proposer->voter_count; i++) {
		struct voter *voter = &proposer->voters[i];
		int order = PLANTED(ADOPT_LONGEST)
		                    ? 0
		                    : ballot_compare(voter->accepted, best->accepted);

		if (voter->state == VOTER_UNPROMISED || PLANTED(ADOPT_OWN))
			continue;
		if (order > 0 || (order == 0 && voter->length > best->length))
			best = voter;
	}
	return best;
}

static struct entry *
leader_start(struct ballot ballot)
{
	struct buffer packed = BUFFER_EMPTY;
	struct entry *entry;

	ballot_encode(&packed, ballot);
	CHECK(!packed.failed);
	entry = entry_new_copy(ENTRY_LEADER_START, packed.bytes, (uint32_t)packed.size);
	buffer_fini(&packed);
	return entry;
}

/*
 * Lamport: propose the value of the highest-numbered proposal among the answers; here the
 * value is a whole log.  One write makes it ours at our ballot.
 */
static void
adopt(struct paxos *paxos, struct voter *best, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	bool is_own = best == &proposer->voters[proposer->self];
	uint64_t previous = is_own ? paxos->log.length : best->suffix.previous;
	uint32_t count = is_own ? 0 : best->suffix.count;
	struct entry **entries = check_malloc((count + 1) * sizeof(struct entry *));
	bool is_stopped = paxos->log.stop > 0 && paxos->log.stop <= previous;

	for (uint32_t i = 0; i < count; i++) {
		entries[i] = entry_retain(best->suffix.entries[i]);
		is_stopped = entries[i]->kind == ENTRY_STOP;
	}
	proposer->adopted = best->accepted;
	proposer->adopted_length = previous + count;
	proposer->start = is_stopped ? 0 : previous + count + 1;
	if (!is_stopped)
		entries[count++] = leader_start(proposer->ballot);
	proposer->target = previous + count;
	paxos_persist_sync(paxos, proposer->ballot, previous, entries, count, update);
	free(entries);
}

/* What any promiser knows to be chosen is part of the adopted log, and chosen. */
static void
learn_from_promises(struct paxos *paxos, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;

	for (unsigned i = 0; i < proposer->voter_count; i++) {
		struct voter *voter = &proposer->voters[i];

		if (voter->state == VOTER_UNPROMISED)
			continue;
		learner_advance(paxos,
		                voter->chosen < proposer->adopted_length ? voter->chosen
		                                                         : proposer->adopted_length,
		                update);
	}
}

/* Members that keep the rules have no other; better no leader than one that guesses. */
static bool
is_adoptable(const struct paxos *paxos, const struct voter *best)
{
	const struct suffix *suffix = &best->suffix;

	if (best->length < paxos->chosen)
		return false;
	if (suffix->count > 0 && paxos->log.stop > 0 && paxos->log.stop <= suffix->previous)
		return false;
	for (uint32_t i = 0; i + 1 < suffix->count; i++) {
		if (suffix->entries[i]->kind == ENTRY_STOP)
			return false;
	}
	return true;
}

static void
lead(struct paxos *paxos, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	struct voter *best = best_promise(paxos);

	if (!is_adoptable(paxos, best)) {
		election_give_up(paxos, 0, update);
		return;
	}
	adopt(paxos, best, update);
	election_won(paxos);
	paxos_report(paxos, TRANSITION_LEADER, proposer->target, paxos->options.self, 0, update);
	learn_from_promises(paxos, update);
	for (unsigned i = 0; i < proposer->voter_count; i++) {
		struct voter *voter = &proposer->voters[i];

		suffix_clear(&voter->suffix);
		voter->is_out = false;
		if (i != proposer->self && voter->state != VOTER_UNPROMISED)
			replicate_start(paxos, voter, agreed_with(paxos, voter), update);
	}
	election_broadcast(paxos, update);
}

/* ---- phase 2 ---- */

/* How many of the values the windows have room for. */
static uint32_t
admit(const struct paxos *paxos, struct entry *const *entries, uint32_t count)
{
	const struct paxos_options *options = &paxos->options;
	uint64_t in_flight = paxos->log.length - paxos->chosen;
	size_t bytes = paxos->log.unsettled_bytes;
	uint32_t admitted = 0;

	while (admitted < count && in_flight + admitted < options->window_entries) {
		struct entry *entry = entries[admitted];

		CHECK(entry->kind == ENTRY_COMMAND || entry->kind == ENTRY_STOP);

		/* One value that alone exceeds the window may pass when nothing else is under way.
		 */
		if (bytes > 0 && bytes + log_cost(entry) > options->window_bytes)
			break;
		bytes += log_cost(entry);
		admitted++;
		if (entry->kind == ENTRY_STOP)
			break; /* seals the epoch */
	}
	return admitted;
}

void
proposer_on_propose(struct paxos *paxos, const struct paxos_event *event,
                    struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	uint32_t count;

	update->proposed_count = 0;
	update->propose_error = SYNOD_RETRY;
	if (!paxos_is_serving(paxos) || paxos->election.transfer_target != 0)
		return;
	if (paxos->no_space) {
		update->propose_error = SYNOD_NO_SPACE;
		return;
	}
	count = admit(paxos, event->propose.entries, event->propose.count);
	update->propose_error = count < event->propose.count ? SYNOD_BUSY : SYNOD_OK;
	if (count == 0)
		return;
	if (event->propose.entries[count - 1]->kind == ENTRY_STOP && count < event->propose.count)
		update->propose_error = SYNOD_RETRY;
	update->proposed_count = count;
	update->proposed_first = paxos->log.length + 1;
	paxos_persist_append(paxos, event->propose.entries, count, update);
	for (unsigned i = 0; i < proposer->voter_count; i++) {
		if (i != proposer->self)
			replicate(paxos, &proposer->voters[i], update);
	}
}

void
proposer_on_accepted(struct paxos *paxos, const struct paxos_message *message,
                     struct paxos_update *update)
{
	struct voter *voter = proposer_voter(paxos, message->from);

	if (paxos->role != ROLE_LEADER || !ballot_equal(message->ballot, paxos->proposer.ballot))
		return;
	voter->heard_ms = paxos->now_ms;
	if (PLANTED(ACCEPTED_COUNTED_TWICE) && message->length == voter->matched)
		voter = &paxos->proposer.voters[(voter - paxos->proposer.voters + 1) %
		                                paxos->proposer.voter_count];
	replicate_on_matched(paxos, voter, message->length, update);
}

/* ---- what has become possible ---- */

static void
settle_candidate(struct paxos *paxos, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	unsigned promised = 0;

	CHECK(ballot_equal(paxos->promised, proposer->ballot));

	if (!ballot_equal(paxos->durable.now.promised, proposer->ballot) &&
	    !PLANTED(PREPARE_BEFORE_SYNC))
		return;
	if (!proposer->is_prepare_sent) {
		proposer->is_prepare_sent = true;
		proposer->voters[proposer->self].state = VOTER_SYNCED;
		for (unsigned i = 0; i < proposer->voter_count; i++) {
			if (i != proposer->self)
				proposer_send_prepare(paxos, &proposer->voters[i], update);
		}
	}
	for (unsigned i = 0; i < proposer->voter_count; i++)
		promised += proposer->voters[i].state != VOTER_UNPROMISED;
	if (promised >= quorum_size(proposer->voter_count))
		lead(paxos, update);
}

/*
 * Chosen is what a quorum of distinct voters holds durably at our ballot; we are one
 * of them, with what our own disk has confirmed.
 */
static void
count_chosen(struct paxos *paxos, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	uint64_t matched[PAXOS_VOTERS_MAX], reached;

	if (ballot_equal(paxos->durable.now.accepted, proposer->ballot))
		proposer->voters[proposer->self].matched =
			PLANTED(LEADER_BEFORE_SYNC) ? paxos->log.length : paxos->durable.now.length;
	for (unsigned i = 0; i < proposer->voter_count; i++)
		matched[i] = proposer->voters[i].matched;
	reached = quorum_reached(matched, proposer->voter_count);
	if (reached <= paxos->chosen)
		return;
	CHECK(reached >= proposer->target); /* accepted at our ballot includes all we adopted */
	learner_advance(paxos, reached, update);
	if (proposer->voter_count > 1 && paxos->election.chosen_due_ms == NEVER)
		paxos->election.chosen_due_ms = paxos->now_ms + paxos->options.chosen_delay_ms;
	/* The next values tell it on their way.  Where there are none, those that are watched, by
	 * somebody who waits for a lock say, need not wait for more. */
	if (reached == paxos->log.length)
		replicate_tell_chosen(paxos, true, update);
}

static void
settle_leader(struct paxos *paxos, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;

	CHECK(ballot_equal(paxos->promised, proposer->ballot));
	CHECK(ballot_equal(paxos->accepted, proposer->ballot));

	count_chosen(paxos, update);
	if (!proposer->is_serving && proposer->start > 0 && paxos->chosen >= proposer->start &&
	    paxos->applied >= proposer->start) {
		proposer->is_serving = true;
		paxos_report(paxos, TRANSITION_SERVING, proposer->start, paxos->options.self, 0,
		             update);
	}
}

void
proposer_settle(struct paxos *paxos, struct paxos_update *update)
{
	if (paxos->role == ROLE_CANDIDATE)
		settle_candidate(paxos, update);
	if (paxos->role == ROLE_LEADER)
		settle_leader(paxos, update);
}
