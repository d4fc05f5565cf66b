/* The core's door: making it, stepping it, looking at it. */
#include "server/paxos/paxos.h"

#include <stdlib.h>

#include "server/paxos/core.h"
#include "server/paxos/learner.h"
#include "shared/check.h"

/* Beyond any life time; so that no arithmetic on a number from outside overflows. */
#define NUMBER_MAX (UINT64_C(1) << 62)

/* ---- making ---- */

static void
set_defaults(struct paxos_options *options)
{
#define DEFAULT(field, value)                                                                      \
	do {                                                                                       \
		if (options->field == 0)                                                           \
			options->field = (value);                                                  \
	} while (0)
	DEFAULT(heartbeat_ms, 50);
	DEFAULT(election_timeout_min_ms, 250);
	DEFAULT(election_timeout_max_ms, 2 * options->election_timeout_min_ms);
	DEFAULT(chosen_delay_ms, 2);
	DEFAULT(window_entries, 16384);
	DEFAULT(window_bytes, 64u << 20);
	DEFAULT(cache_entries, 65536);
	DEFAULT(cache_bytes, 64u << 20);
	DEFAULT(message_entries, MESSAGE_ENTRIES_MAX);
	DEFAULT(message_bytes, 1u << 20);
#undef DEFAULT
	if (options->message_entries > MESSAGE_ENTRIES_MAX)
		options->message_entries = MESSAGE_ENTRIES_MAX;
}

static void
check_inputs(const struct paxos_options *options, const struct paxos_restored *restored)
{
	CHECK(options->voter_count > 0);
	CHECK(options->voter_count <= PAXOS_VOTERS_MAX);
	CHECK(options->epoch > 0);
	for (unsigned i = 0; i < options->voter_count; i++) {
		CHECK(options->voters[i] != 0);
		for (unsigned j = 0; j < i; j++)
			CHECK(options->voters[i] != options->voters[j]);
	}
	CHECK(options->heartbeat_ms < options->election_timeout_min_ms);
	CHECK(options->election_timeout_min_ms <= options->election_timeout_max_ms);

	CHECK(ballot_compare(restored->accepted, restored->promised) <= 0);
	CHECK(restored->promised.epoch <= options->epoch);
	CHECK(restored->applied <= restored->length);
	CHECK(restored->base <= restored->length);
	if (restored->tail != NULL) {
		CHECK(restored->tail_first > 0);
		CHECK(restored->tail_first <= restored->length + 1);
	}
}

static void
restore(struct paxos *paxos, const struct paxos_restored *restored)
{
	struct durable_state durable = {
		.promised = restored->promised,
		.accepted = restored->accepted,
		.length = restored->length,
	};
	uint64_t before_tail = restored->length;

	if (restored->tail != NULL)
		before_tail = restored->tail_first - 1;
	paxos->promised = restored->promised;
	paxos->accepted = restored->accepted;
	paxos->base = restored->base;
	paxos->applied = restored->applied;
	paxos->chosen = restored->applied;
	durable_init(&paxos->durable, &durable);
	log_init(&paxos->log, before_tail);
	for (uint64_t slot = before_tail + 1; slot <= restored->length; slot++)
		log_append(&paxos->log, restored->tail[slot - restored->tail_first]);
	log_settle(&paxos->log, paxos->chosen);
}

struct paxos *
paxos_new(const struct paxos_options *options, const struct paxos_restored *restored,
          uint64_t now_ms)
{
	struct paxos *paxos = check_calloc(1, sizeof(*paxos));

	paxos->options = *options;
	set_defaults(&paxos->options);
	check_inputs(&paxos->options, restored);
	paxos->role = ROLE_FOLLOWER;
	paxos->now_ms = now_ms;
	paxos->random = options->seed;
	restore(paxos, restored);
	proposer_init(paxos);
	election_init(paxos);
	reads_init(paxos);
	return paxos;
}

void
paxos_free(struct paxos *paxos)
{
	if (paxos == NULL)
		return;
	acceptor_fini(&paxos->acceptor);
	proposer_fini(&paxos->proposer);
	reads_fini(&paxos->reads);
	log_fini(&paxos->log);
	durable_fini(&paxos->durable);
	free(paxos);
}

/* ---- messages ---- */

static bool
ballot_is_sane(const struct paxos *paxos, struct ballot ballot)
{
	return ballot.epoch <= paxos->options.epoch && ballot.round < NUMBER_MAX;
}

static bool
is_voter(struct paxos *paxos, member_id member)
{
	return proposer_voter(paxos, member) != NULL;
}

/* Whose ballot a message of this type carries: the sender's, the receiver's, or either's. */
static bool
ballot_fits_type(const struct paxos *paxos, const struct paxos_message *message)
{
	switch (message->type) {
	case MESSAGE_PREVOTE:
	case MESSAGE_PREPARE:
	case MESSAGE_ACCEPT_SYNC:
	case MESSAGE_ACCEPT:
	case MESSAGE_HEARTBEAT:
	case MESSAGE_TRANSFER: return message->ballot.member == message->from;
	case MESSAGE_PREVOTE_ANSWER:
	case MESSAGE_PROMISE:
	case MESSAGE_REFUSE:
	case MESSAGE_ACCEPTED:
	case MESSAGE_RESYNC:
	case MESSAGE_HEARTBEAT_ANSWER:
	case MESSAGE_READ_INDEX: return message->ballot.member == paxos->options.self;
	case MESSAGE_READ_INDEX_ANSWER: return true;
	default: return false;
	}
}

/* Messages come from outside: what cannot be from a voter of this epoch is ignored. */
static bool
message_is_sane(struct paxos *paxos, const struct paxos_message *message)
{
	return message->to == paxos->options.self && message->from != paxos->options.self &&
	       is_voter(paxos, message->from) && message->ballot.epoch == paxos->options.epoch &&
	       message->ballot.round > 0 && ballot_is_sane(paxos, message->ballot) &&
	       ballot_is_sane(paxos, message->accepted) && ballot_fits_type(paxos, message) &&
	       message->length < NUMBER_MAX && message->chosen < NUMBER_MAX &&
	       message->base < NUMBER_MAX && message->previous < NUMBER_MAX &&
	       message->sequence < NUMBER_MAX && message->entry_count <= MESSAGE_ENTRIES_MAX;
}

static void
note_round(struct paxos *paxos, struct ballot ballot)
{
	if (ballot.epoch == paxos->options.epoch && ballot.round > paxos->election.round_max)
		paxos->election.round_max = ballot.round;
}

static void
on_message(struct paxos *paxos, const struct paxos_message *message, struct paxos_update *update)
{
	if (!message_is_sane(paxos, message))
		return;
	/* A pre-vote's ballot is only asked about; nobody has used it. */
	if (message->type != MESSAGE_PREVOTE && message->type != MESSAGE_PREVOTE_ANSWER)
		note_round(paxos, message->ballot);
	note_round(paxos, message->accepted);
	switch (message->type) {
	case MESSAGE_PREVOTE: election_on_prevote(paxos, message, update); break;
	case MESSAGE_PREVOTE_ANSWER: election_on_prevote_answer(paxos, message, update); break;
	case MESSAGE_PREPARE: acceptor_on_prepare(paxos, message, update); break;
	case MESSAGE_PROMISE: proposer_on_promise(paxos, message, update); break;
	case MESSAGE_REFUSE: proposer_on_refuse(paxos, message, update); break;
	case MESSAGE_ACCEPT_SYNC: acceptor_on_accept_sync(paxos, message, update); break;
	case MESSAGE_ACCEPT: acceptor_on_accept(paxos, message, update); break;
	case MESSAGE_ACCEPTED: proposer_on_accepted(paxos, message, update); break;
	case MESSAGE_RESYNC: replicate_on_resync(paxos, message, update); break;
	case MESSAGE_HEARTBEAT: election_on_heartbeat(paxos, message, update); break;
	case MESSAGE_HEARTBEAT_ANSWER: election_on_heartbeat_answer(paxos, message, update); break;
	case MESSAGE_READ_INDEX: reads_on_read_index(paxos, message, update); break;
	case MESSAGE_READ_INDEX_ANSWER: reads_on_read_index_answer(paxos, message, update); break;
	case MESSAGE_TRANSFER: election_on_transfer_message(paxos, message, update); break;
	default: break;
	}
}

static void
on_loaded(struct paxos *paxos, const struct paxos_event *event, struct paxos_update *update)
{
	/* An answer that nobody waits for any more is dropped. */
	if (!acceptor_on_loaded(paxos, event, update))
		replicate_on_loaded(paxos, event, update);
}

/* ---- stepping ---- */

/* The invariants of one member, after every step. */
static void
check_invariants(const struct paxos *paxos)
{
	CHECK(ballot_compare(paxos->accepted, paxos->promised) <= 0);
	CHECK(paxos->chosen <= paxos->log.length);
	CHECK(paxos->applied <= paxos->chosen);
	CHECK(paxos->durable.now.length <= paxos->log.length);
	CHECK(ballot_compare(paxos->durable.now.promised, paxos->promised) <= 0);
	CHECK(ballot_compare(paxos->durable.now.accepted, paxos->accepted) <= 0);
	CHECK(paxos->log.settled == paxos->chosen);
	if (paxos->role != ROLE_FOLLOWER)
		CHECK(ballot_equal(paxos->promised, paxos->proposer.ballot));
	if (paxos->role == ROLE_LEADER)
		CHECK(ballot_equal(paxos->accepted, paxos->proposer.ballot));
}

/* Do everything that has become possible. */
static void
settle(struct paxos *paxos, struct paxos_update *update)
{
	acceptor_settle(paxos, update);
	proposer_settle(paxos, update);
	election_settle(paxos, update);
	reads_settle(paxos, update);
	log_evict(&paxos->log, paxos->durable.now.length, paxos->options.cache_entries,
	          paxos->options.cache_bytes);
}

void
paxos_step(struct paxos *paxos, const struct paxos_event *event, struct paxos_update *update)
{
	struct ballot promised_before = paxos->promised;
	uint64_t chosen_before = paxos->chosen;

	CHECK(event->now_ms >= paxos->now_ms);

	paxos->now_ms = event->now_ms;
	switch (event->type) {
	case EVENT_TICK: election_on_tick(paxos, update); break;
	case EVENT_MESSAGE: on_message(paxos, event->message, update); break;
	case EVENT_PROPOSE: proposer_on_propose(paxos, event, update); break;
	case EVENT_PERSISTED: durable_complete(&paxos->durable, event->persisted); break;
	case EVENT_APPLIED: learner_on_applied(paxos, event->applied); break;
	case EVENT_READ: reads_on_read(paxos, event->read, update); break;
	case EVENT_LOADED: on_loaded(paxos, event, update); break;
	case EVENT_STALLED: election_on_stalled(paxos, event, update); break;
	case EVENT_TRANSFER: election_on_transfer(paxos, event->transfer, update); break;
	case EVENT_NO_SPACE: election_on_no_space(paxos, event->no_space, update); break;
	case EVENT_WATCHED: paxos->is_watched = event->watched; break;
	}
	settle(paxos, update);

	CHECK(ballot_compare(paxos->promised, promised_before) >= 0);
	CHECK(paxos->chosen >= chosen_before);
	check_invariants(paxos);
}

uint64_t
paxos_deadline(const struct paxos *paxos)
{
	uint64_t election = election_deadline(paxos), reads = reads_deadline(paxos);

	return election < reads ? election : reads;
}

/* ---- looking ---- */

struct entry *
paxos_entry(const struct paxos *paxos, uint64_t slot)
{
	return log_get(&paxos->log, slot);
}

void
paxos_view(const struct paxos *paxos, struct paxos_view *view)
{
	*view = (struct paxos_view){
		.role = paxos->role,
		.is_serving = paxos_is_serving(paxos),
		.leader = paxos->election.leader,
		.ballot = paxos->promised,
		.accepted = paxos->accepted,
		.length = paxos->log.length,
		.durable_length = paxos->durable.now.length,
		.chosen = learner_applicable(paxos),
		.applied = paxos->applied,
		.heard_ms = paxos->election.heard_ms,
	};
	if (paxos->role == ROLE_LEADER)
		view->heard_ms = election_quorum_heard_ms(paxos);
}

unsigned
paxos_voters(const struct paxos *paxos, struct paxos_voter *voters)
{
	const struct proposer *proposer = &paxos->proposer;

	for (unsigned i = 0; i < proposer->voter_count; i++) {
		const struct voter *voter = &proposer->voters[i];

		voters[i] = (struct paxos_voter){
			.member = voter->member,
			.matched = voter->matched,
			.heard_ms = i == proposer->self ? paxos->now_ms : voter->heard_ms,
		};
	}
	return proposer->voter_count;
}
