/*
 * The core's state, and the services its parts share.
 *
 * One step is: dispatch the event, then paxos_settle(), which does everything
 * that has become possible: answers whose durability has arrived, values that a
 * quorum holds, reads that are confirmed.  The handlers therefore only record what is
 * owed; what must be durable first is decided in one place.
 */
#ifndef SERVER_PAXOS_CORE_H
#define SERVER_PAXOS_CORE_H

#include "server/paxos/acceptor.h"
#include "server/paxos/durable.h"
#include "server/paxos/election.h"
#include "server/paxos/log.h"
#include "server/paxos/paxos.h"
#include "server/paxos/proposer.h"
#include "server/paxos/reads.h"
#include "server/paxos/update.h"
#include "shared/protocol.h"

struct paxos {
	struct paxos_options options;
	enum member_role role;
	uint64_t now_ms;
	uint64_t random; /* state of the generator */

	/* The acceptor's durable state as it is in memory; `durable` says how much is on disk. */
	struct ballot promised;
	struct ballot accepted;
	struct log log;
	struct durable durable;
	uint64_t base;

	uint64_t chosen; /* the learner's */
	uint64_t applied;

	uint64_t last_load; /* the last id given to a load */
	bool no_space;
	bool is_watched;

	struct acceptor acceptor;
	struct proposer proposer;
	struct election election;
	struct reads reads;
};

/* A number below LIMIT (which is not zero). */
uint64_t paxos_random(struct paxos *paxos, uint64_t limit);

/* A message to MEMBER at BALLOT, to be completed by the caller before the next one is made. */
struct paxos_message *paxos_send(struct paxos *paxos, uint8_t type, member_id member,
                                 struct ballot ballot, struct paxos_update *update);

void paxos_report(const struct paxos *paxos, enum transition_type type, uint64_t slot,
                  member_id member, uint64_t ms, struct paxos_update *update);

/* Ask for the entries FIRST .. LAST, which are not in memory; returns the load's id. */
uint64_t paxos_load(struct paxos *paxos, uint64_t first, uint64_t last,
                    struct paxos_update *update);

/*
 * How many of the entries FIRST, FIRST+1, ... of memory fit into one message; 0 if FIRST is not
 * in memory or beyond the log.  *BYTES receives their cost.
 */
uint32_t paxos_page(const struct paxos *paxos, uint64_t first, size_t *bytes);

/* Share COUNT entries of memory from FIRST on with MESSAGE. */
void paxos_message_fill(const struct paxos *paxos, struct paxos_message *message, uint64_t first,
                        uint32_t count);

/* The durable rules' three writes; each changes the state in memory as well. */
void paxos_persist_promise(struct paxos *paxos, struct ballot ballot, struct paxos_update *update);
/* The log is cut after PREVIOUS and continued with ENTRIES, atomically; BALLOT becomes `accepted`.
 * References are taken over. */
void paxos_persist_sync(struct paxos *paxos, struct ballot ballot, uint64_t previous,
                        struct entry **entries, uint32_t count, struct paxos_update *update);
void paxos_persist_append(struct paxos *paxos, struct entry *const *entries, uint32_t count,
                          struct paxos_update *update);

/* True while this member leads and may propose: its log holds no STOP. */
bool paxos_is_serving(const struct paxos *paxos);

#endif
