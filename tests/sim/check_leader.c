/*
 * A leader that no quorum answers steps down: others may have elected somebody, and
 * its clients would wait for ever.
 */
#include <stdlib.h>

#include "server/paxos/core.h"
#include "server/paxos/election.h"
#include "server/state.h"
#include "shared/check.h"
#include "tests/sim/oracle.h"

/* From the first look at a leader that should have stepped down; its timer may be a little late. */
#define PATIENCE_US 100000

struct check_leader {
	struct world *world;
	uint64_t since_us[MEMBERS_LIMIT]; /* 0: it leads by right, or not at all */
};

struct check_leader *
check_leader_new(struct world *world)
{
	struct check_leader *check = check_calloc(1, sizeof *check);

	check->world = world;
	return check;
}

void
check_leader_free(struct check_leader *check)
{
	free(check);
}

void
check_leader_on_run(struct check_leader *check, struct host *host)
{
	const struct paxos *paxos = host->member->paxos;
	uint64_t *since_us = &check->since_us[host->index], now_us = check->world->now_us;
	uint64_t silence_ms = 0;

	if (paxos->role == ROLE_LEADER)
		silence_ms = paxos->now_ms - election_quorum_heard_ms(paxos);
	if (silence_ms <= paxos->options.election_timeout_max_ms)
		*since_us = 0;
	else if (*since_us == 0 || host->paused_until_us > *since_us)
		*since_us = now_us;
	else if (now_us - *since_us > PATIENCE_US)
		world_fail(check->world, "leader",
		           "%s leads, and no quorum has answered for %lu ms", host->name,
		           (unsigned long)silence_ms);
}
