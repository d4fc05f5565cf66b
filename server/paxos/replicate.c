/* Phase 2 towards one voter: the adopted log first, then plain ACCEPTs, pipelined. */
#include <string.h>

#include "server/paxos/core.h"
#include "server/paxos/proposer.h"
#include "shared/check.h"

/* The most bytes under way to one voter: it may be far behind, and its disk slow. */
#define FLIGHT_BYTES_MAX (8u << 20)

static void
flights_clear(struct voter *voter)
{
	voter->flight_head = 0;
	voter->flight_count = 0;
	voter->flight_bytes = 0;
}

static void
flight_push(struct voter *voter, uint64_t last, size_t bytes)
{
	uint32_t at = (voter->flight_head + voter->flight_count) & (FLIGHTS_MAX - 1);

	CHECK(voter->flight_count < FLIGHTS_MAX);

	voter->flights[at].last = last;
	voter->flights[at].bytes = bytes;
	voter->flight_count++;
	voter->flight_bytes += bytes;
}

static void
flights_land(struct voter *voter, uint64_t matched)
{
	while (voter->flight_count > 0 && voter->flights[voter->flight_head].last <= matched) {
		voter->flight_bytes -= voter->flights[voter->flight_head].bytes;
		voter->flight_head = (voter->flight_head + 1) & (FLIGHTS_MAX - 1);
		voter->flight_count--;
	}
}

/* Start again after AGREED. */
static void
rewind_to(struct paxos *paxos, struct voter *voter, uint64_t agreed, struct paxos_update *update)
{
	voter->next = agreed + 1;
	voter->load = 0;
	voter->probe_sequence = 0;
	flights_clear(voter);
	paxos_report(paxos, TRANSITION_RESYNC_SENT, agreed, voter->member, 0, update);
}

/*
 * A page of the adopted log.  One that does not reach the target is answered with
 * RESYNC, which brings the next one; so a long log goes page by page and is never all
 * under way at once.
 */
static void
send_sync_page(struct paxos *paxos, struct voter *voter, struct entry *const *entries,
               uint32_t count, size_t bytes, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	struct paxos_message *message =
		paxos_send(paxos, MESSAGE_ACCEPT_SYNC, voter->member, proposer->ballot, update);

	message->length = proposer->target;
	message->chosen = paxos->chosen;
	message->base = voter->base;
	message->previous = voter->next - 1;
	message->entries = update_share(entries, count);
	message->entry_count = count;
	voter->next += count;
	voter->told = paxos->chosen;
	if (voter->next > proposer->target)
		voter->state = VOTER_SYNCED;
	flight_push(voter, voter->next - 1, bytes);
}

static void
send_accept(struct paxos *paxos, struct voter *voter, struct entry *const *entries, uint32_t count,
            size_t bytes, struct paxos_update *update)
{
	struct paxos_message *message =
		paxos_send(paxos, MESSAGE_ACCEPT, voter->member, paxos->proposer.ballot, update);

	message->chosen = paxos->chosen;
	message->previous = voter->next - 1;
	message->entries = update_share(entries, count);
	message->entry_count = count;
	voter->next += count;
	voter->told = paxos->chosen;
	if (count > 0)
		flight_push(voter, voter->next - 1, bytes);
}

static void
send_entries(struct paxos *paxos, struct voter *voter, struct entry *const *entries, uint32_t count,
             size_t bytes, struct paxos_update *update)
{
	if (voter->state == VOTER_SYNCING)
		send_sync_page(paxos, voter, entries, count, bytes, update);
	else
		send_accept(paxos, voter, entries, count, bytes, update);
}

static void
send_from_memory(struct paxos *paxos, struct voter *voter, struct paxos_update *update)
{
	struct entry *entries[MESSAGE_ENTRIES_MAX];
	size_t bytes;
	uint32_t count = paxos_page(paxos, voter->next, &bytes);

	for (uint32_t i = 0; i < count; i++)
		entries[i] = log_get(&paxos->log, voter->next + i);
	send_entries(paxos, voter, entries, count, bytes, update);
}

/* Nothing more may be sent now. */
static bool
is_held_back(const struct paxos *paxos, const struct voter *voter)
{
	if (voter->state == VOTER_UNPROMISED || voter->load != 0 || voter->no_space)
		return true;
	if (voter->state == VOTER_SYNCING)
		return voter->flight_count > 0; /* one page at a time */
	return voter->next > paxos->log.length || voter->flight_count >= FLIGHTS_MAX ||
	       voter->flight_bytes >= FLIGHT_BYTES_MAX;
}

void
replicate(struct paxos *paxos, struct voter *voter, struct paxos_update *update)
{
	CHECK(paxos->role == ROLE_LEADER);

	while (!is_held_back(paxos, voter)) {
		if (voter->next < paxos->log.first && voter->next <= paxos->log.length)
			voter->load = paxos_load(paxos, voter->next, paxos->log.first - 1, update);
		else
			send_from_memory(paxos, voter, update);
	}
}

void
replicate_start(struct paxos *paxos, struct voter *voter, uint64_t base,
                struct paxos_update *update)
{
	CHECK(base <= paxos->proposer.adopted_length);

	voter->state = VOTER_SYNCING;
	voter->base = base;
	voter->next = base + 1;
	voter->matched = 0;
	flights_clear(voter);
	replicate(paxos, voter, update);
}

void
replicate_on_matched(struct paxos *paxos, struct voter *voter, uint64_t length,
                     struct paxos_update *update)
{
	/* Nobody can hold more at our ballot than we do, or less than we adopted. */
	if (length > paxos->log.length || length < paxos->proposer.target ||
	    voter->state == VOTER_UNPROMISED)
		return;
	if (length > voter->matched)
		voter->matched = length;
	voter->state = VOTER_SYNCED;
	if (voter->next <= voter->matched) {
		/* Sent again without need; go on from what it has. */
		voter->next = voter->matched + 1;
		voter->load = 0;
	}
	flights_land(voter, voter->matched);
	replicate(paxos, voter, update);
}

void
replicate_on_resync(struct paxos *paxos, const struct paxos_message *message,
                    struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	struct voter *voter = proposer_voter(paxos, message->from);
	bool is_accepted = ballot_equal(message->accepted, proposer->ballot);
	uint64_t agreed = message->length;

	if (paxos->role != ROLE_LEADER || !ballot_equal(message->ballot, proposer->ballot) ||
	    agreed > paxos->log.length || voter->state == VOTER_UNPROMISED)
		return;
	voter->heard_ms = paxos->now_ms;
	if (is_accepted) {
		if (agreed < voter->matched)
			agreed = voter->matched; /* an old question */
		if (agreed + 1 >= voter->next)
			return;
		voter->state = VOTER_SYNCED;
	} else {
		if (voter->matched > 0)
			return; /* from before it accepted our log */
		if (agreed < voter->base)
			agreed = voter->base;
		/* The page after this one is under way already. */
		if (voter->state == VOTER_SYNCING && agreed + 1 < voter->next)
			return;
		voter->state = VOTER_SYNCING;
	}
	if (agreed + 1 != voter->next) {
		rewind_to(paxos, voter, agreed, update);
	} else {
		flights_clear(voter);
	}
	replicate(paxos, voter, update);
}

/*
 * PREVIOUS tells how far the voter held our log when the heartbeat came; all that was sent before
 * the heartbeat should have been there.  What was not is lost: send it again.
 */
static bool
has_lost(const struct paxos *paxos, const struct voter *voter, const struct paxos_message *message)
{
	if (voter->probe_sequence == 0 || message->sequence < voter->probe_sequence ||
	    voter->load != 0 || voter->no_space)
		return false;
	if (voter->state == VOTER_SYNCED && voter->matched == 0 &&
	    !ballot_equal(message->accepted, paxos->proposer.ballot))
		return true;
	return message->previous + 1 < voter->probe_next;
}

void
replicate_on_heartbeat_answer(struct paxos *paxos, struct voter *voter,
                              const struct paxos_message *message, struct paxos_update *update)
{
	bool is_accepted = ballot_equal(message->accepted, paxos->proposer.ballot);
	uint64_t agreed = message->previous;

	voter->no_space = (message->flags & MESSAGE_NO_SPACE) != 0;
	voter->is_eager = (message->flags & MESSAGE_EAGER) != 0;
	if (voter->state == VOTER_UNPROMISED || agreed > paxos->log.length)
		return;
	if (is_accepted)
		replicate_on_matched(paxos, voter, message->length, update);
	else if (voter->matched > 0)
		return; /* an answer from before it accepted our log */
	if (has_lost(paxos, voter, message)) {
		if (!is_accepted)
			voter->state = VOTER_SYNCING;
		if (!is_accepted && agreed < voter->base)
			agreed = voter->base;
		if (agreed < voter->matched)
			agreed = voter->matched;
		rewind_to(paxos, voter, agreed, update);
	} else if (voter->state == VOTER_SYNCING && agreed + 1 >= voter->next) {
		flights_clear(voter); /* the page arrived, its RESYNC did not */
	}
	if (message->sequence >= voter->probe_sequence)
		voter->probe_sequence = 0;
	replicate(paxos, voter, update);
}

bool
replicate_on_loaded(struct paxos *paxos, const struct paxos_event *event,
                    struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;
	struct voter *voter = NULL;
	size_t bytes = 0;

	for (unsigned i = 0; i < proposer->voter_count; i++) {
		if (proposer->voters[i].load != 0 && proposer->voters[i].load == event->loaded.id)
			voter = &proposer->voters[i];
	}
	if (voter == NULL)
		return false;
	CHECK(paxos->role == ROLE_LEADER);
	voter->load = 0;
	/* Gone for now: the next heartbeat's answer starts it again. */
	if (event->loaded.count == 0)
		return true;
	CHECK(event->loaded.first == voter->next);
	for (uint32_t i = 0; i < event->loaded.count; i++)
		bytes += log_cost(event->loaded.entries[i]);
	send_entries(paxos, voter, event->loaded.entries, event->loaded.count, bytes, update);
	replicate(paxos, voter, update);
	return true;
}

void
replicate_tell_chosen(struct paxos *paxos, bool only_eager, struct paxos_update *update)
{
	struct proposer *proposer = &paxos->proposer;

	for (unsigned i = 0; i < proposer->voter_count; i++) {
		struct voter *voter = &proposer->voters[i];

		if (i != proposer->self && voter->state == VOTER_SYNCED &&
		    voter->told < paxos->chosen && (voter->is_eager || !only_eager))
			send_accept(paxos, voter, NULL, 0, 0, update);
	}
}
