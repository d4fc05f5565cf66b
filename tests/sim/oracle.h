/*
 * What the world knows that no member does: every message sent, every slot
 * chosen, every hash of a state.  It holds the promises of the core against it;
 * each kind of promise has a file of its own, check_NAME.c.
 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "server/paxos/message.h"
#include "tests/sim/host.h"

struct oracle;

struct oracle *oracle_new(struct world *world);
void oracle_free(struct oracle *oracle);

/* A message of the core leaves HOST. */
void oracle_on_message(struct oracle *oracle, struct host *host, struct slice body);
/* HOST's member has just been started on what its disk holds. */
void oracle_on_start(struct oracle *oracle, struct host *host);
/* An actor of HOST's member has run. */
void oracle_on_run(struct oracle *oracle, struct host *host);
void oracle_on_executor_run(struct oracle *oracle, struct host *host);

/* Everything has come to its end. */
void oracle_at_end(struct oracle *oracle);
/* FNV-1a; never 0. */
uint64_t oracle_hash_entry(const struct entry *entry);

/* ---- the checkers' own, by file ---- */

/* check_durable.c: nothing leaves before it is durable; promises never go back. */
struct check_durable;
struct check_durable *check_durable_new(struct world *world);
void check_durable_free(struct check_durable *check);
void check_durable_on_message(struct check_durable *check, struct host *host,
                              const struct paxos_message *message);
void check_durable_on_start(struct check_durable *check, struct host *host);
void check_durable_on_run(struct check_durable *check, struct host *host);
/* A quorum is known to have had SLOT durably, accepted at one and the same ballot. */
bool check_durable_has_quorum(const struct check_durable *check, uint64_t slot);

/* check_chosen.c: chosen prefixes agree, one ballot carries one sequence, a quorum holds what is
 * chosen. */
struct check_chosen;
struct check_chosen *check_chosen_new(struct world *world, struct check_durable *durable);
void check_chosen_free(struct check_chosen *check);
void check_chosen_on_message(struct check_chosen *check, struct host *host,
                             const struct paxos_message *message);
void check_chosen_on_start(struct check_chosen *check, struct host *host);
void check_chosen_on_run(struct check_chosen *check, struct host *host);

/* check_own.c: beyond the budget, no member contradicts its own past. */
struct check_own;
struct check_own *check_own_new(struct world *world);
void check_own_free(struct check_own *check);
void check_own_on_start(struct check_own *check, struct host *host);
void check_own_on_run(struct check_own *check, struct host *host);
void check_own_on_executor_run(struct check_own *check, struct host *host);
/* Count members that stand together at one ballot, and those whose pasts differ all the same. */
void check_own_at_end(struct check_own *check);

/* check_state.c: equal state hashes at equal applied slots. */
struct check_state;
struct check_state *check_state_new(struct world *world);
void check_state_free(struct check_state *check);
void check_state_on_run(struct check_state *check, struct host *host);
/* All members have applied the same.  Then all that they hold is compared. */
bool check_state_is_equal(struct world *world);

/* check_leader.c: who leads hears a quorum. */
struct check_leader;
struct check_leader *check_leader_new(struct world *world);
void check_leader_free(struct check_leader *check);
void check_leader_on_run(struct check_leader *check, struct host *host);

#endif
