/* Confirmation rounds. */
#include "server/paxos/reads.h"

#include <stdlib.h>
#include <string.h>

#include "server/paxos/core.h"
#include "server/paxos/learner.h"
#include "server/paxos/quorum.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

static void
round_add(struct read_round *round, member_id member, uint64_t cookie)
{
	if (round->count == round->capacity) {
		round->capacity = round->capacity == 0 ? 64 : round->capacity * 2;
		round->waiters =
			check_realloc(round->waiters, round->capacity * sizeof(*round->waiters));
	}
	round->waiters[round->count++] = (struct read_waiter){member, cookie};
}

void
reads_init(struct paxos *paxos)
{
	paxos->reads.nonce =
		PLANTED(TOKEN_OF_EARLIER_LIFE) ? 0 : paxos_random(paxos, UINT64_C(1) << 60);
}

void
reads_fini(struct reads *reads)
{
	free(reads->waiting.waiters);
	for (unsigned i = 0; i < READ_ROUNDS_MAX; i++)
		free(reads->rounds[i].waiters);
	memset(reads, 0, sizeof(*reads));
}

static void
answer(struct paxos *paxos, const struct read_waiter *waiter, int error, uint64_t index,
       struct paxos_update *update)
{
	struct paxos_message *message;

	if (waiter->member == 0) {
		update_read(update, waiter->cookie, error, index);
		return;
	}
	message = paxos_send(paxos, MESSAGE_READ_INDEX_ANSWER, waiter->member, paxos->promised,
	                     update);
	message->sequence = waiter->cookie;
	if (error == SYNOD_OK) {
		message->ballot = paxos->proposer.ballot;
		message->chosen = index;
		message->flags |= MESSAGE_GRANTED;
	}
}

static void
round_finish(struct paxos *paxos, struct read_round *round, int error, uint64_t index,
             struct paxos_update *update)
{
	for (uint32_t i = 0; i < round->count; i++)
		answer(paxos, &round->waiters[i], error, index, update);
	round->count = 0;
}

/* Remove the oldest round, keeping its memory for a later one. */
static void
drop_first(struct reads *reads)
{
	struct read_round first = reads->rounds[0];

	CHECK(reads->round_count > 0);
	CHECK(first.count == 0);

	reads->round_count--;
	memmove(&reads->rounds[0], &reads->rounds[1],
	        (READ_ROUNDS_MAX - 1) * sizeof(reads->rounds[0]));
	reads->rounds[READ_ROUNDS_MAX - 1] = first;
}

/* Everybody who waits goes into a round of their own, the newest. */
static struct read_round *
begin_round(struct reads *reads)
{
	struct read_round *round = &reads->rounds[reads->round_count];
	struct read_round spare = *round;

	CHECK(reads->round_count < READ_ROUNDS_MAX);

	*round = reads->waiting;
	reads->waiting = spare;
	reads->waiting.count = 0;
	reads->round_count++;
	return round;
}

void
reads_fail(struct paxos *paxos, struct paxos_update *update)
{
	struct reads *reads = &paxos->reads;

	while (reads->round_count > 0) {
		round_finish(paxos, &reads->rounds[0], SYNOD_RETRY, 0, update);
		drop_first(reads);
	}
	round_finish(paxos, &reads->waiting, SYNOD_RETRY, 0, update);
}

/* False: nobody here can tell an index now, or too many ask already. */
static bool
can_wait(const struct paxos *paxos)
{
	if (paxos->reads.waiting.count >= READS_WAITING_MAX || paxos->role == ROLE_CANDIDATE)
		return false;
	if (paxos->role == ROLE_LEADER)
		return paxos->log.stop == 0;
	return paxos->election.leader != 0;
}

void
reads_on_read(struct paxos *paxos, uint64_t cookie, struct paxos_update *update)
{
	if (!can_wait(paxos)) {
		update_read(update, cookie, SYNOD_RETRY, 0);
		return;
	}
	round_add(&paxos->reads.waiting, 0, cookie);
}

void
reads_on_read_index(struct paxos *paxos, const struct paxos_message *message,
                    struct paxos_update *update)
{
	struct read_waiter waiter = {message->from, message->sequence};

	if (paxos->role != ROLE_LEADER || !can_wait(paxos) ||
	    !ballot_equal(message->ballot, paxos->proposer.ballot)) {
		answer(paxos, &waiter, SYNOD_RETRY, 0, update);
		return;
	}
	round_add(&paxos->reads.waiting, waiter.member, waiter.cookie);
}

void
reads_on_read_index_answer(struct paxos *paxos, const struct paxos_message *message,
                           struct paxos_update *update)
{
	struct reads *reads = &paxos->reads;
	struct read_round *round = NULL;
	bool is_granted = (message->flags & MESSAGE_GRANTED) != 0;

	if (paxos->role != ROLE_FOLLOWER || message->from != paxos->election.leader)
		return;
	for (unsigned i = 0; i < reads->round_count; i++) {
		if (reads->rounds[i].sequence == message->sequence)
			round = &reads->rounds[i];
	}
	if (round == NULL)
		return;
	/* The index is good only if the leader that we asked was still the leader then. */
	if (is_granted && !ballot_equal(message->ballot, paxos->election.leader_ballot))
		return;
	if (is_granted)
		learner_on_chosen(paxos, message->ballot, message->chosen, update);
	round_finish(paxos, round, is_granted ? SYNOD_OK : SYNOD_RETRY, message->chosen, update);
	while (reads->round_count > 0 && reads->rounds[0].count == 0)
		drop_first(reads);
}

/* ---- what has become possible ---- */

/* Complete the rounds that a quorum, this member included, has answered. */
static void
confirm(struct paxos *paxos, struct paxos_update *update)
{
	struct reads *reads = &paxos->reads;
	struct proposer *proposer = &paxos->proposer;
	uint64_t answered[PAXOS_VOTERS_MAX], confirmed;

	for (unsigned i = 0; i < proposer->voter_count; i++)
		answered[i] = i == proposer->self ? paxos->election.sequence
		                                  : proposer->voters[i].answered;
	confirmed = PLANTED(READ_UNCONFIRMED) ? UINT64_MAX
	                                      : quorum_reached(answered, proposer->voter_count);
	while (reads->round_count > 0 && reads->rounds[0].sequence <= confirmed) {
		round_finish(paxos, &reads->rounds[0], SYNOD_OK, reads->rounds[0].index, update);
		drop_first(reads);
	}
}

static void
settle_leader(struct paxos *paxos, struct paxos_update *update)
{
	struct reads *reads = &paxos->reads;

	if (paxos->log.stop > 0) {
		reads_fail(paxos, update);
		return;
	}
	confirm(paxos, update);
	/* Before LEADER_START is applied, `chosen` may lack what an earlier leader answered. */
	while ((paxos_is_serving(paxos) || PLANTED(READ_BEFORE_START)) &&
	       reads->waiting.count > 0 && reads->round_count < READ_ROUNDS_MAX) {
		struct read_round *round = begin_round(reads);

		round->index = paxos->chosen;
		election_broadcast(paxos, update);
		round->sequence = paxos->election.sequence - (PLANTED(READ_BY_OLD_ANSWER) ? 1 : 0);
		if (paxos->options.voter_count == 1)
			confirm(paxos, update);
	}
}

static void
settle_follower(struct paxos *paxos, struct paxos_update *update)
{
	struct reads *reads = &paxos->reads;
	struct election *election = &paxos->election;

	while (reads->round_count > 0 && paxos->now_ms >= reads->rounds[0].deadline_ms) {
		round_finish(paxos, &reads->rounds[0], SYNOD_RETRY, 0, update);
		drop_first(reads);
	}
	while (election->leader != 0 && reads->waiting.count > 0 &&
	       reads->round_count < READ_ROUNDS_MAX) {
		struct read_round *round = begin_round(reads);
		struct paxos_message *message;

		round->sequence = PLANTED(READ_TOKEN_REUSED) ? reads->nonce : ++reads->nonce;
		round->deadline_ms = paxos->now_ms + paxos->options.election_timeout_max_ms;
		message = paxos_send(paxos, MESSAGE_READ_INDEX, election->leader,
		                     election->leader_ballot, update);
		message->sequence = round->sequence;
	}
}

void
reads_settle(struct paxos *paxos, struct paxos_update *update)
{
	if (paxos->role == ROLE_LEADER)
		settle_leader(paxos, update);
	else if (paxos->role == ROLE_FOLLOWER)
		settle_follower(paxos, update);
}

uint64_t
reads_deadline(const struct paxos *paxos)
{
	const struct reads *reads = &paxos->reads;

	if (paxos->role == ROLE_LEADER || reads->round_count == 0)
		return NEVER;
	return reads->rounds[0].deadline_ms;
}
