/* Filling an update: one function per kind of thing that a step asks for. */
#ifndef SERVER_PAXOS_UPDATE_H
#define SERVER_PAXOS_UPDATE_H

#include "server/paxos/paxos.h"

/* Each returns a zeroed place, valid until the next call for the same kind. */
struct paxos_persist *update_persist(struct paxos_update *update);
struct paxos_message *update_message(struct paxos_update *update);
struct paxos_load *update_load(struct paxos_update *update);

void update_read(struct paxos_update *update, uint64_t cookie, int error, uint64_t index);
void update_transition(struct paxos_update *update, const struct paxos_transition *transition);

/* COUNT new references to ENTRIES, in an array of their own; NULL for none. */
struct entry **update_share(struct entry *const *entries, uint32_t count);

#endif
