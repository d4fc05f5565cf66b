/* Timers, pre-votes, heartbeats, stepping down and handing over. */
#include "server/paxos/election.h"

#include <string.h>

#include "server/paxos/core.h"
#include "server/paxos/learner.h"
#include "server/paxos/quorum.h"
#include "shared/check.h"
#include "shared/planted.h"

/* ---- clocks ---- */

void
election_reset_deadline(struct paxos *paxos, uint64_t delay_ms)
{
	const struct paxos_options *options = &paxos->options;
	uint64_t spread = options->election_timeout_max_ms - options->election_timeout_min_ms + 1;

	/* With a full disk we would lead only to refuse: let those with room go first. */
	if (paxos->no_space)
		delay_ms += options->election_timeout_max_ms;
	paxos->election.deadline_ms = paxos->now_ms + delay_ms + options->election_timeout_min_ms +
	                              paxos_random(paxos, spread);
}

/*
 * A member that has just started has heard nobody; it need not wait a whole timeout, because the
 * pre-vote keeps it from disturbing a leader that the others hear.
 */
void
election_init(struct paxos *paxos)
{
	struct election *election = &paxos->election;
	uint64_t wait = 0;

	if (paxos->options.voter_count > 1)
		wait = paxos_random(paxos, paxos->options.election_timeout_min_ms / 2 + 1);
	election->deadline_ms = paxos->now_ms + wait;
	election->heartbeat_ms = NEVER;
	election->chosen_due_ms = NEVER;
	election->round_max = paxos->promised.round;
	if (paxos->promised.epoch < paxos->options.epoch)
		election->round_max = 0;
}

uint64_t
election_deadline(const struct paxos *paxos)
{
	const struct election *election = &paxos->election;
	uint64_t deadline = election->heartbeat_ms;

	if (paxos->role == ROLE_LEADER) {
		if (election->chosen_due_ms < deadline)
			deadline = election->chosen_due_ms;
		return deadline;
	}
	return election->deadline_ms < deadline ? election->deadline_ms : deadline;
}

uint64_t
election_quorum_heard_ms(const struct paxos *paxos)
{
	const struct proposer *proposer = &paxos->proposer;
	uint64_t heard[PAXOS_VOTERS_MAX];

	for (unsigned i = 0; i < proposer->voter_count; i++)
		heard[i] = i == proposer->self ? paxos->now_ms : proposer->voters[i].heard_ms;
	return quorum_reached(heard, proposer->voter_count);
}

bool
election_has_leader(const struct paxos *paxos)
{
	const struct election *election = &paxos->election;
	uint64_t heard_ms = election->heard_ms;

	if (paxos->role == ROLE_CANDIDATE || election->leader == 0)
		return false;
	if (paxos->role == ROLE_LEADER)
		heard_ms = election_quorum_heard_ms(paxos);
	return paxos->now_ms < heard_ms + paxos->options.election_timeout_min_ms;
}

/* ---- changes of role ---- */

static void
follow_nobody(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;

	proposer_reset(paxos);
	paxos->role = ROLE_FOLLOWER;
	election->leader = 0;
	election->leader_ballot = BALLOT_NONE;
	election->is_prevoting = false;
	election->heartbeat_ms = NEVER;
	election->chosen_due_ms = NEVER;
	election->transfer_target = 0;
	reads_fail(paxos, update);
}

void
election_give_up(struct paxos *paxos, uint64_t delay_ms, struct paxos_update *update)
{
	CHECK(paxos->role == ROLE_CANDIDATE);

	follow_nobody(paxos, update);
	election_reset_deadline(paxos, delay_ms);
	paxos_report(paxos, TRANSITION_CANDIDATE_FAILED, paxos->log.length, paxos->options.self, 0,
	             update);
}

void
election_step_down(struct paxos *paxos, enum transition_type reason, uint64_t ms,
                   struct paxos_update *update)
{
	CHECK(paxos->role == ROLE_LEADER);

	paxos_report(paxos, reason, paxos->chosen, paxos->options.self, ms, update);
	follow_nobody(paxos, update);
	election_reset_deadline(paxos, 0);
}

void
election_yield(struct paxos *paxos, struct ballot ballot, struct paxos_update *update)
{
	CHECK(ballot_compare(ballot, paxos->promised) >= 0);

	if (paxos->role == ROLE_LEADER)
		election_step_down(paxos, TRANSITION_LOST_BALLOT, 0, update);
	else if (paxos->role == ROLE_CANDIDATE)
		election_give_up(paxos, 0, update);
	else if (ballot_compare(ballot, paxos->election.leader_ballot) > 0)
		follow_nobody(paxos, update);
	/* Whoever it is shall have the time to get on with it. */
	election_reset_deadline(paxos, 0);
}

void
election_on_leader_heard(struct paxos *paxos, const struct paxos_message *message,
                         struct paxos_update *update)
{
	struct election *election = &paxos->election;

	CHECK(ballot_compare(message->ballot, paxos->promised) >= 0);

	if (ballot_compare(message->ballot, election->leader_ballot) < 0)
		return; /* a deposed leader, before our promise to its successor */
	if (!ballot_equal(message->ballot, election->leader_ballot)) {
		election_yield(paxos, message->ballot, update);
		election->leader = message->from;
		election->leader_ballot = message->ballot;
		paxos_report(paxos, TRANSITION_FOLLOWING, paxos->log.length, message->from, 0,
		             update);
	}
	election->is_prevoting = false;
	election->heartbeat_ms = NEVER;
	election->heard_ms = paxos->now_ms;
	election_reset_deadline(paxos, 0);
}

/* ---- pre-vote and candidacy ---- */

static struct ballot
next_ballot(const struct paxos *paxos)
{
	return (struct ballot){
		.epoch = paxos->options.epoch,
		.round = (PLANTED(BALLOT_REUSED) ? paxos->accepted.round
	                                         : paxos->election.round_max) +
	                 1,
		.member = paxos->options.self,
	};
}

static void
stand(struct paxos *paxos, bool by_transfer, struct paxos_update *update)
{
	struct election *election = &paxos->election;
	struct ballot ballot = next_ballot(paxos);

	CHECK(paxos->role == ROLE_FOLLOWER);

	follow_nobody(paxos, update);
	paxos->role = ROLE_CANDIDATE;
	election->round_max = ballot.round;
	election_reset_deadline(paxos, 0);
	election->heartbeat_ms = paxos->now_ms + paxos->options.heartbeat_ms;
	proposer_prepare(paxos, ballot, by_transfer, update);
	paxos_report(paxos, TRANSITION_CANDIDATE, paxos->log.length, paxos->options.self, 0,
	             update);
}

static void
ask_prevotes(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;
	const struct proposer *proposer = &paxos->proposer;

	election->heartbeat_ms = paxos->now_ms + paxos->options.heartbeat_ms;
	for (unsigned i = 0; i < proposer->voter_count; i++) {
		struct paxos_message *message;

		if (i == proposer->self || election->is_granted[i])
			continue;
		message = paxos_send(paxos, MESSAGE_PREVOTE, proposer->voters[i].member,
		                     election->prevote, update);
		message->accepted = paxos->accepted;
		message->length = paxos->log.length;
		message->chosen = paxos->chosen;
	}
}

static void
count_prevotes(struct paxos *paxos, struct paxos_update *update)
{
	const struct proposer *proposer = &paxos->proposer;
	unsigned granted = 0;

	for (unsigned i = 0; i < proposer->voter_count; i++)
		granted += paxos->election.is_granted[i];
	if (granted >= quorum_size(proposer->voter_count))
		stand(paxos, false, update);
}

static void
start_prevote(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;

	follow_nobody(paxos, update);
	election->is_prevoting = true;
	election->prevote = next_ballot(paxos);
	memset(election->is_granted, 0, sizeof(election->is_granted));
	election->is_granted[paxos->proposer.self] = true;
	election_reset_deadline(paxos, 0);
	paxos_report(paxos, TRANSITION_PREVOTE_STARTED, paxos->log.length, paxos->options.self, 0,
	             update);
	ask_prevotes(paxos, update);
	count_prevotes(paxos, update);
}

/*
 * A candidate that lacks more than it would take has to give up anyway; the members
 * that hold more should win without its disturbing them first.
 */
static bool
lags_too_far(const struct paxos *paxos, const struct paxos_message *prevote)
{
	int order = ballot_compare(prevote->accepted, paxos->accepted);
	uint64_t common = order < 0 ? prevote->chosen : prevote->length;

	return order <= 0 && paxos->log.length > common &&
	       paxos->log.length - common > paxos->options.cache_entries;
}

void
election_on_prevote(struct paxos *paxos, const struct paxos_message *message,
                    struct paxos_update *update)
{
	struct paxos_message *answer =
		paxos_send(paxos, MESSAGE_PREVOTE_ANSWER, message->from, message->ballot, update);

	answer->accepted = paxos->promised;
	if (ballot_compare(message->ballot, paxos->promised) > 0 && !election_has_leader(paxos) &&
	    paxos->role != ROLE_LEADER && !lags_too_far(paxos, message))
		answer->flags |= MESSAGE_GRANTED;
}

void
election_on_prevote_answer(struct paxos *paxos, const struct paxos_message *message,
                           struct paxos_update *update)
{
	struct election *election = &paxos->election;
	struct voter *voter = proposer_voter(paxos, message->from);

	if (!election->is_prevoting || !ballot_equal(message->ballot, election->prevote) ||
	    (message->flags & MESSAGE_GRANTED) == 0)
		return;
	election->is_granted[voter - paxos->proposer.voters] = true;
	count_prevotes(paxos, update);
}

static void
tick_follower(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;
	uint64_t stall_ms = paxos->options.election_timeout_max_ms;

	if (paxos->now_ms >= election->deadline_ms) {
		/* With a stalled disk we could not lead: leave it to the others for now. */
		if (election->is_stalled && paxos->now_ms < election->stalled_ms + stall_ms)
			election_reset_deadline(paxos, stall_ms);
		else
			start_prevote(paxos, update);
		election->is_stalled = false;
	} else if (election->is_prevoting && paxos->now_ms >= election->heartbeat_ms) {
		ask_prevotes(paxos, update);
	}
}

static void
tick_candidate(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;

	if (paxos->now_ms >= election->deadline_ms) {
		election_give_up(paxos, 0, update);
	} else if (paxos->now_ms >= election->heartbeat_ms) {
		election->heartbeat_ms = paxos->now_ms + paxos->options.heartbeat_ms;
		if (paxos->proposer.is_prepare_sent)
			proposer_retry_prepare(paxos, update);
	}
}

/* ---- the leader ---- */

void
election_won(struct paxos *paxos)
{
	struct election *election = &paxos->election;
	struct proposer *proposer = &paxos->proposer;

	CHECK(paxos->role == ROLE_CANDIDATE);

	paxos->role = ROLE_LEADER;
	election->leader = paxos->options.self;
	election->leader_ballot = proposer->ballot;
	election->heartbeat_ms = paxos->now_ms + paxos->options.heartbeat_ms;
	election->chosen_due_ms = NEVER;
	for (unsigned i = 0; i < proposer->voter_count; i++) {
		if (proposer->voters[i].state != VOTER_UNPROMISED)
			proposer->voters[i].heard_ms = paxos->now_ms;
	}
}

void
election_broadcast(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;
	struct proposer *proposer = &paxos->proposer;

	CHECK(paxos->role == ROLE_LEADER);

	election->sequence++;
	for (unsigned i = 0; i < proposer->voter_count; i++) {
		struct voter *voter = &proposer->voters[i];
		struct paxos_message *message;

		if (i == proposer->self)
			continue;
		message = paxos_send(paxos, MESSAGE_HEARTBEAT, voter->member, proposer->ballot,
		                     update);
		message->length = paxos->log.length;
		message->chosen = paxos->chosen;
		message->sequence = election->sequence;
		if (voter->state == VOTER_SYNCED)
			voter->told = paxos->chosen;
		if (voter->probe_sequence == 0) {
			voter->probe_sequence = election->sequence;
			voter->probe_next = voter->next;
		}
	}
}

/* The voter to hand over to: of those that answer, the one that holds most. */
static member_id
best_successor(const struct paxos *paxos)
{
	const struct proposer *proposer = &paxos->proposer;
	const struct voter *best = NULL;

	for (unsigned i = 0; i < proposer->voter_count; i++) {
		const struct voter *voter = &proposer->voters[i];

		if (i == proposer->self || voter->state != VOTER_SYNCED || voter->no_space ||
		    voter->matched < paxos->chosen ||
		    paxos->now_ms >= voter->heard_ms + paxos->options.election_timeout_min_ms)
			continue;
		if (best == NULL || voter->matched > best->matched)
			best = voter;
	}
	return best == NULL ? 0 : best->member;
}

void
election_on_transfer(struct paxos *paxos, member_id target, struct paxos_update *update)
{
	struct election *election = &paxos->election;

	if (paxos->role != ROLE_LEADER || election->transfer_target != 0)
		return;
	if (target == 0)
		target = best_successor(paxos);
	if (target == 0 || target == paxos->options.self || proposer_voter(paxos, target) == NULL)
		return;
	election->transfer_target = target;
	election->is_transfer_sent = false;
	election->transfer_ms = paxos->now_ms + paxos->options.election_timeout_max_ms;
	paxos_report(paxos, TRANSITION_TRANSFERRING, paxos->log.length, target, 0, update);
}

/* A leader whose disk is full looks for a successor that has room, again and again. */
static void
make_room_elsewhere(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;

	if (!paxos->no_space || paxos->now_ms < election->no_space_ms)
		return;
	election->no_space_ms = paxos->now_ms + 2 * paxos->options.election_timeout_max_ms;
	election_on_transfer(paxos, 0, update);
}

static void
send_transfer(struct paxos *paxos, struct paxos_update *update)
{
	const struct voter *target = proposer_voter(paxos, paxos->election.transfer_target);

	if (target->matched == paxos->log.length)
		paxos_send(paxos, MESSAGE_TRANSFER, target->member, paxos->proposer.ballot, update);
}

static void
tick_leader(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;
	uint64_t heard_ms = election_quorum_heard_ms(paxos);
	uint64_t silence_ms = paxos->now_ms - heard_ms;

	/* Check-quorum: whom we cannot reach may have elected somebody else. */
	if (silence_ms >= paxos->options.election_timeout_max_ms &&
	    !PLANTED(CHECK_QUORUM_MISSING)) {
		election_step_down(paxos, TRANSITION_LOST_QUORUM, silence_ms, update);
		return;
	}
	if (election->transfer_target != 0 && paxos->now_ms >= election->transfer_ms)
		election->transfer_target = 0;
	if (paxos->now_ms >= election->chosen_due_ms) {
		election->chosen_due_ms = NEVER;
		replicate_tell_chosen(paxos, false, update);
	}
	if (paxos->now_ms < election->heartbeat_ms)
		return;
	election->heartbeat_ms = paxos->now_ms + paxos->options.heartbeat_ms;
	make_room_elsewhere(paxos, update);
	election_broadcast(paxos, update);
	proposer_retry_prepare(paxos, update);
	if (election->transfer_target != 0)
		send_transfer(paxos, update);
}

void
election_settle(struct paxos *paxos, struct paxos_update *update)
{
	struct election *election = &paxos->election;

	/* Sent as soon as the target has everything, and with each heartbeat until it acts. */
	if (paxos->role == ROLE_LEADER && election->transfer_target != 0 &&
	    !election->is_transfer_sent) {
		const struct voter *target = proposer_voter(paxos, election->transfer_target);

		if (target->matched == paxos->log.length) {
			election->is_transfer_sent = true;
			send_transfer(paxos, update);
		}
	}
}

void
election_on_tick(struct paxos *paxos, struct paxos_update *update)
{
	switch (paxos->role) {
	case ROLE_FOLLOWER: tick_follower(paxos, update); break;
	case ROLE_CANDIDATE: tick_candidate(paxos, update); break;
	case ROLE_LEADER: tick_leader(paxos, update); break;
	}
}

/* ---- heartbeats ---- */

/*
 * The answer confirms the leader as long as no higher ballot was promised here, so it counts for
 * reads even before this member has promised the leader's own.
 */
void
election_on_heartbeat(struct paxos *paxos, const struct paxos_message *message,
                      struct paxos_update *update)
{
	const struct durable_state *durable = &paxos->durable.now;
	struct paxos_message *answer;

	if (ballot_compare(message->ballot, paxos->promised) < 0) {
		acceptor_refuse(paxos, message, update);
		return;
	}
	election_on_leader_heard(paxos, message, update);
	learner_on_chosen(paxos, message->ballot, message->chosen, update);

	answer =
		paxos_send(paxos, MESSAGE_HEARTBEAT_ANSWER, message->from, message->ballot, update);
	answer->accepted = paxos->accepted;
	if (ballot_equal(durable->accepted, message->ballot) &&
	    ballot_equal(paxos->accepted, message->ballot))
		answer->length = durable->length;
	answer->previous = acceptor_agreed(paxos, message->ballot);
	answer->chosen = paxos->applied;
	answer->sequence = message->sequence;
	if (paxos->no_space)
		answer->flags |= MESSAGE_NO_SPACE;
	if (paxos->is_watched)
		answer->flags |= MESSAGE_EAGER;
}

void
election_on_heartbeat_answer(struct paxos *paxos, const struct paxos_message *message,
                             struct paxos_update *update)
{
	struct voter *voter = proposer_voter(paxos, message->from);

	if (paxos->role != ROLE_LEADER || !ballot_equal(message->ballot, paxos->proposer.ballot) ||
	    message->sequence > paxos->election.sequence)
		return;
	voter->heard_ms = paxos->now_ms;
	if (message->sequence > voter->answered)
		voter->answered = message->sequence;
	replicate_on_heartbeat_answer(paxos, voter, message, update);
}

/* ---- other events ---- */

void
election_on_transfer_message(struct paxos *paxos, const struct paxos_message *message,
                             struct paxos_update *update)
{
	if (paxos->role != ROLE_FOLLOWER || !ballot_equal(message->ballot, paxos->promised) ||
	    !ballot_equal(message->ballot, paxos->accepted))
		return;
	stand(paxos, true, update);
}

void
election_on_stalled(struct paxos *paxos, const struct paxos_event *event,
                    struct paxos_update *update)
{
	struct election *election = &paxos->election;
	unsigned ms = event->stalled.journal_ms;

	if (event->stalled.namespace_ms > ms)
		ms = event->stalled.namespace_ms;
	if (ms < paxos->options.election_timeout_max_ms || paxos->options.voter_count == 1)
		return;
	election->is_stalled = true;
	election->stalled_ms = paxos->now_ms;
	if (paxos->role == ROLE_LEADER)
		election_step_down(paxos, TRANSITION_LOST_STALLED, ms, update);
}

void
election_on_no_space(struct paxos *paxos, bool no_space, struct paxos_update *update)
{
	paxos->no_space = no_space;
	paxos->election.no_space_ms = paxos->now_ms;
	if (paxos->role == ROLE_LEADER)
		make_room_elsewhere(paxos, update);
}
