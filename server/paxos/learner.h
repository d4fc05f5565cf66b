/* The learner: how far the log is known to be chosen, and applied. */
#ifndef SERVER_PAXOS_LEARNER_H
#define SERVER_PAXOS_LEARNER_H

#include "server/paxos/paxos.h"

/* The log in memory is chosen up to SLOT, at least. */
void learner_advance(struct paxos *paxos, uint64_t slot, struct paxos_update *update);

/*
 * The leader of BALLOT says that its log is chosen up to SLOT.  Only a log that was
 * accepted at the same ballot is a prefix of the leader's: at any other, slot
 * numbers alone say nothing about the values held here.
 */
void learner_on_chosen(struct paxos *paxos, struct ballot ballot, uint64_t slot,
                       struct paxos_update *update);

void learner_on_applied(struct paxos *paxos, uint64_t slot);

/*
 * What may be applied: chosen, and durable here.  A database must never be ahead
 * of its own journal, or a crash would leave it with values that the log lacks.
 */
uint64_t learner_applicable(const struct paxos *paxos);

#endif
