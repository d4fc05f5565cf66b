/* A core's fields to bytes and back, deadlines moved by hand. */
#include "tests/sim/exhaustive_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/paxos/core.h"
#include "shared/check.h"

/* ---- ballots and entries ---- */

uint8_t
small_ballot(struct ballot ballot)
{
	if (ballot.epoch == 0)
		return (uint8_t)ballot.member; /* none, or that of a member which only learned */
	CHECK(ballot.round > 0);
	CHECK(ballot.round < 60);
	CHECK(ballot.member <= EXHAUSTIVE_MEMBERS);
	return (uint8_t)(ballot.round * 4 + ballot.member);
}

struct ballot
ballot_of_small(uint8_t small)
{
	return (struct ballot){.epoch = small >= 4, .round = small / 4, .member = small % 4};
}

static struct {
	struct entry *entries[256];
	unsigned count;
} known = {.count = 1};

uint8_t
small_entry(const struct entry *entry)
{
	for (unsigned i = 1; i < known.count; i++) {
		const struct entry *other = known.entries[i];

		if (other == entry || (other->kind == entry->kind && other->size == entry->size &&
		                       memcmp(other->bytes, entry->bytes, entry->size) == 0))
			return (uint8_t)i;
	}
	CHECK(known.count < 256);
	known.entries[known.count] = entry_new_copy(entry->kind, entry->bytes, entry->size);
	return (uint8_t)known.count++;
}

struct entry *
entry_of_small(uint8_t small)
{
	CHECK(small > 0);
	CHECK(small < known.count);
	return known.entries[small];
}

/* LEADER_START carries its ballot; its last two bytes are round and member. */
const char *
entries_format(const uint8_t *entries, unsigned count, char *text)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		const struct entry *entry = entry_of_small(entries[i]);
		const char *space = i > 0 ? " " : "";

		if (entry->kind == ENTRY_LEADER_START)
			used += (size_t)sprintf(text + used, "%sS%u.%u", space,
			                        entry->bytes[entry->size - 2],
			                        entry->bytes[entry->size - 1]);
		else
			used += (size_t)sprintf(text + used, "%s%c", space, 'a' + entry->bytes[0]);
	}
	return text;
}

/* ---- coding ---- */

void
code_bytes(struct coder *coder, void *field, size_t size)
{
	if (coder->is_packing) {
		CHECK(coder->at + size <= sizeof(coder->bytes));
		memcpy(coder->bytes + coder->at, field, size);
	} else {
		CHECK(coder->at + size <= coder->size);
		memcpy(field, coder->bytes + coder->at, size);
	}
	coder->at += size;
}

#define CODE(field) code_bytes(coder, &(field), sizeof(field))

/* A number that is small within our scopes, in one byte. */
static void
code_u64(struct coder *coder, uint64_t *field)
{
	uint8_t byte = (uint8_t)*field;

	if (coder->is_packing)
		CHECK(*field < 256);
	CODE(byte);
	*field = byte;
}

static void
code_u32(struct coder *coder, uint32_t *field)
{
	uint64_t wide = *field;

	code_u64(coder, &wide);
	*field = (uint32_t)wide;
}

static void
code_size(struct coder *coder, size_t *field)
{
	uint16_t narrow = (uint16_t)*field;

	CODE(narrow);
	*field = narrow;
}

static void
code_ballot(struct coder *coder, struct ballot *ballot)
{
	uint8_t small = small_ballot(*ballot);

	CODE(small);
	*ballot = ballot_of_small(small);
}

/* Of a deadline only whether there is one. */
static void
code_deadline(struct coder *coder, uint64_t *deadline_ms)
{
	bool is_set = *deadline_ms != NEVER;

	CODE(is_set);
	if (!coder->is_packing)
		*deadline_ms = is_set ? CORE_NOW_MS + 50 : NEVER;
}

/* An array that grows: COUNT references, made anew when reading. */
static void
code_entries(struct coder *coder, struct entry ***entries, uint32_t *count, uint32_t *capacity)
{
	code_u32(coder, count);
	if (!coder->is_packing) {
		*capacity = *count + 8;
		*entries = check_malloc(*capacity * sizeof(struct entry *));
	}
	for (uint32_t i = 0; i < *count; i++) {
		uint8_t small = coder->is_packing ? small_entry((*entries)[i]) : 0;

		CODE(small);
		if (!coder->is_packing)
			(*entries)[i] = entry_retain(entry_of_small(small));
	}
}

static void
code_log(struct coder *coder, struct log *log)
{
	uint64_t first = log->first, length = log->length, settled = log->settled;

	code_u64(coder, &first);
	code_u64(coder, &length);
	code_u64(coder, &settled);
	if (!coder->is_packing)
		log_init(log, first - 1);
	for (uint64_t slot = first; slot <= length; slot++) {
		uint8_t small = coder->is_packing ? small_entry(log_get(log, slot)) : 0;

		CODE(small);
		if (!coder->is_packing)
			log_append(log, entry_retain(entry_of_small(small)));
	}
	if (!coder->is_packing)
		log_settle(log, settled);
}

static void
code_durable_state(struct coder *coder, struct durable_state *state)
{
	code_ballot(coder, &state->promised);
	code_ballot(coder, &state->accepted);
	code_u64(coder, &state->length);
}

/* Tokens are counted anew: the oldest write under way is 1. */
static void
code_durable(struct coder *coder, struct durable *durable)
{
	struct durable_state state = durable->now;
	uint32_t count = durable->pending_count;

	code_durable_state(coder, &state);
	code_u32(coder, &count);
	if (!coder->is_packing)
		durable_init(durable, &state);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = (durable->pending_head + i) & (durable->pending_capacity - 1);

		if (coder->is_packing)
			state = durable->pending[at].state;
		code_durable_state(coder, &state);
		if (!coder->is_packing)
			durable_push(durable, &state);
	}
}

static void
code_acceptor(struct coder *coder, struct acceptor *acceptor)
{
	CODE(acceptor->promise.is_owed);
	code_ballot(coder, &acceptor->promise.ballot);
	code_u64(coder, &acceptor->promise.first);
	code_u64(coder, &acceptor->promise.next);
	code_u64(coder, &acceptor->promise.load);
	CODE(acceptor->promise.is_held);
	code_ballot(coder, &acceptor->staged.ballot);
	code_u64(coder, &acceptor->staged.previous);
	code_entries(coder, &acceptor->staged.entries, &acceptor->staged.count,
	             &acceptor->staged.capacity);
	code_u64(coder, &acceptor->reported);
	CODE(acceptor->is_report_owed);
}

static void
code_flights(struct coder *coder, struct voter *voter)
{
	uint32_t head = coder->is_packing ? voter->flight_head : 0;

	code_u32(coder, &voter->flight_count);
	for (uint32_t i = 0; i < voter->flight_count; i++) {
		uint32_t at = (head + i) & (FLIGHTS_MAX - 1);

		code_u64(coder, &voter->flights[at].last);
		code_size(coder, &voter->flights[at].bytes);
	}
	code_size(coder, &voter->flight_bytes);
}

static void
code_voter(struct coder *coder, struct voter *voter)
{
	uint8_t state = (uint8_t)voter->state;

	CODE(state);
	voter->state = (enum voter_state)state;
	CODE(voter->is_out);
	code_ballot(coder, &voter->accepted);
	code_u64(coder, &voter->length);
	code_u64(coder, &voter->chosen);
	code_u64(coder, &voter->suffix.previous);
	code_entries(coder, &voter->suffix.entries, &voter->suffix.count, &voter->suffix.capacity);
	code_size(coder, &voter->suffix.bytes);
	code_u64(coder, &voter->base);
	code_u64(coder, &voter->next);
	code_u64(coder, &voter->matched);
	code_u64(coder, &voter->told);
	code_u64(coder, &voter->load);
	CODE(voter->no_space);
	CODE(voter->is_eager);
	code_flights(coder, voter);
	code_u64(coder, &voter->probe_sequence);
	code_u64(coder, &voter->probe_next);
	code_u64(coder, &voter->answered);
}

static void
code_proposer(struct coder *coder, struct proposer *proposer)
{
	code_ballot(coder, &proposer->ballot);
	CODE(proposer->is_prepare_sent);
	CODE(proposer->by_transfer);
	code_u64(coder, &proposer->target);
	code_u64(coder, &proposer->start);
	CODE(proposer->is_serving);
	code_ballot(coder, &proposer->adopted);
	code_u64(coder, &proposer->adopted_length);
	for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++)
		code_voter(coder, &proposer->voters[i]);
}

static void
code_election(struct coder *coder, struct election *election)
{
	code_deadline(coder, &election->heartbeat_ms);
	code_deadline(coder, &election->chosen_due_ms);
	code_u64(coder, &election->round_max);
	code_u64(coder, &election->leader);
	code_ballot(coder, &election->leader_ballot);
	code_u64(coder, &election->sequence);
	if (!coder->is_packing)
		election->deadline_ms = NEVER;
}

static void
code_round(struct coder *coder, struct read_round *round)
{
	CODE(round->sequence);
	code_u64(coder, &round->index);
	code_u32(coder, &round->count);
	if (!coder->is_packing) {
		round->deadline_ms = NEVER;
		round->capacity = round->count + 4;
		round->waiters = check_calloc(round->capacity, sizeof(*round->waiters));
	}
	for (uint32_t i = 0; i < round->count; i++) {
		code_u64(coder, &round->waiters[i].member);
		CODE(round->waiters[i].cookie);
	}
}

static void
code_reads(struct coder *coder, struct reads *reads)
{
	uint32_t count = reads->round_count;

	CODE(reads->nonce);
	code_round(coder, &reads->waiting);
	code_u32(coder, &count);
	reads->round_count = count;
	for (uint32_t i = 0; i < count; i++)
		code_round(coder, &reads->rounds[i]);
}

/*
 * Left out are the clock's marks that time may overtake at any moment (who was heard when), what
 * only scopes with full disks and transfers would use, and the generator.
 */
void
code_core(struct coder *coder, struct paxos *paxos)
{
	uint8_t role = (uint8_t)paxos->role;

	CODE(role);
	paxos->role = (enum member_role)role;
	code_ballot(coder, &paxos->promised);
	code_ballot(coder, &paxos->accepted);
	code_u64(coder, &paxos->chosen);
	code_u64(coder, &paxos->applied);
	code_log(coder, &paxos->log);
	code_durable(coder, &paxos->durable);
	code_acceptor(coder, &paxos->acceptor);
	code_proposer(coder, &paxos->proposer);
	code_election(coder, &paxos->election);
	code_reads(coder, &paxos->reads);
}

/* ---- making ---- */

static void
fill_options(struct paxos_options *options, member_id self, const struct scope *scope)
{
	memset(options, 0, sizeof(*options));
	options->self = self;
	options->epoch = 1;
	options->voter_count = EXHAUSTIVE_MEMBERS;
	for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++)
		options->voters[i] = i + 1;
	options->message_entries = scope->page;
}

/* Everything that code_core() brings itself is left empty here. */
struct paxos *
core_new(member_id self, const struct scope *scope)
{
	static struct paxos *patterns[EXHAUSTIVE_MEMBERS];
	static const struct scope *made_for;
	struct paxos *paxos = check_malloc(sizeof(*paxos));

	if (made_for != scope) {
		for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++) {
			struct paxos_options options;
			struct paxos_restored nothing = {.tail_first = 1};

			paxos_free(patterns[i]);
			fill_options(&options, i + 1, scope);
			patterns[i] = paxos_new(&options, &nothing, CORE_NOW_MS);
		}
		made_for = scope;
	}
	memcpy(paxos, patterns[self - 1], sizeof(*paxos));
	return paxos;
}

struct paxos *
core_start(member_id self, unsigned life, const struct brief_log *disk, uint64_t applied,
           const struct scope *scope)
{
	struct entry *tail[SLOTS_MAX];
	uint32_t count = disk->length < scope->tail ? disk->length : scope->tail;
	struct paxos_restored restored = {
		.promised = ballot_of_small(disk->promised),
		.accepted = ballot_of_small(disk->accepted),
		.length = disk->length,
		.applied = applied,
		.tail_first = disk->length - count + 1,
		.tail = count > 0 ? tail : NULL,
	};
	struct paxos_options options;

	fill_options(&options, self, scope);
	options.seed = self * 100 + life; /* a different one at every start */
	for (uint32_t i = 0; i < count; i++)
		tail[i] = entry_retain(entry_of_small(disk->entries[disk->length - count + i]));
	return paxos_new(&options, &restored, CORE_NOW_MS);
}

void
core_step(struct paxos *paxos, const struct paxos_event *event, struct paxos_update *update)
{
	paxos_update_clear(update);
	paxos_step(paxos, event, update);
}

/* ---- deadlines ---- */

/* A tick of a leader that shall not step down. */
static void
hear_everybody(struct paxos *paxos)
{
	for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++)
		paxos->proposer.voters[i].heard_ms = CORE_NOW_MS;
}

void
core_lose_quorum(struct paxos *paxos)
{
	for (unsigned i = 0; i < EXHAUSTIVE_MEMBERS; i++)
		paxos->proposer.voters[i].heard_ms = 0;
}

void
core_lose_patience(struct paxos *paxos)
{
	paxos->election.deadline_ms = CORE_NOW_MS;
}

void
core_make_heartbeat_due(struct paxos *paxos)
{
	hear_everybody(paxos);
	paxos->election.heartbeat_ms = CORE_NOW_MS;
}

void
core_make_telling_due(struct paxos *paxos)
{
	hear_everybody(paxos);
	paxos->election.chosen_due_ms = CORE_NOW_MS;
}

bool
core_is_leading(const struct paxos *paxos)
{
	return paxos->role == ROLE_LEADER;
}

bool
core_is_standing(const struct paxos *paxos)
{
	return paxos->role == ROLE_CANDIDATE;
}

bool
core_prevote(const struct paxos *paxos, struct ballot *ballot)
{
	*ballot = paxos->election.prevote;
	return paxos->election.is_prevoting;
}

bool
core_may_tell(const struct paxos *paxos)
{
	return paxos->role == ROLE_LEADER && paxos->election.chosen_due_ms != NEVER;
}

uint64_t
core_chosen(const struct paxos *paxos)
{
	return paxos->chosen;
}
