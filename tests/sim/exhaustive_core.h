/*
 * The inside of a core for the exhaustive search: as bytes, and its clock by hand.  This is the
 * only place in the tests that knows the core's fields.
 */
#ifndef TESTS_SIM_EXHAUSTIVE_CORE_H
#define TESTS_SIM_EXHAUSTIVE_CORE_H

#include "tests/sim/exhaustive_member.h"

#define CORE_NOW_MS    1000000
#define CORE_BYTES_MAX 8192

/* Ballots and entries as small numbers that keep the ballots' order; 0: none. */
uint8_t small_ballot(struct ballot ballot);
struct ballot ballot_of_small(uint8_t small);
uint8_t small_entry(const struct entry *entry);
struct entry *entry_of_small(uint8_t small); /* no reference is taken */
const char *entries_format(const uint8_t *entries, unsigned count, char *text);

/* Writes fields to BYTES, or reads them back. */
struct coder {
	bool is_packing;
	size_t at, size;
	uint8_t bytes[CORE_BYTES_MAX];
};

void code_bytes(struct coder *coder, void *field, size_t size);

/* All that matters of a core; when reading, PAXOS comes from core_new(). */
void code_core(struct coder *coder, struct paxos *paxos);
struct paxos *core_new(member_id self, const struct scope *scope);

/* A core that starts with what the disk holds. */
struct paxos *core_start(member_id self, unsigned life, const struct brief_log *disk,
                         uint64_t applied, const struct scope *scope);

/* Clear the update, then step. */
void core_step(struct paxos *paxos, const struct paxos_event *event, struct paxos_update *update);

/* Time passes for one deadline only. */
void core_lose_quorum(struct paxos *paxos);
void core_lose_patience(struct paxos *paxos);
void core_make_heartbeat_due(struct paxos *paxos);
void core_make_telling_due(struct paxos *paxos);

bool core_is_leading(const struct paxos *paxos);
bool core_is_standing(const struct paxos *paxos);
bool core_prevote(const struct paxos *paxos, struct ballot *ballot); /* false: not asking */
bool core_may_tell(const struct paxos *paxos);
uint64_t core_chosen(const struct paxos *paxos);

#endif
