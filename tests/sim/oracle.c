/* What the world knows: hands messages and states to the checkers, and counts. */
#include "tests/sim/oracle.h"

#include <stdlib.h>

#include "server/paxos/codec.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

struct oracle {
	struct world *world;
	struct check_durable *durable;
	struct check_chosen *chosen;
	struct check_state *state;
	struct check_own *own; /* NULL: within the budget the others say it all */
	struct check_leader *leader;
};

struct oracle *
oracle_new(struct world *world)
{
	struct oracle *oracle = check_calloc(1, sizeof *oracle);

	oracle->world = world;
	oracle->durable = check_durable_new(world);
	oracle->chosen = check_chosen_new(world, oracle->durable);
	oracle->state = check_state_new(world);
	if (world->options.beyond > 1)
		oracle->own = check_own_new(world);
	oracle->leader = check_leader_new(world);
	return oracle;
}

void
oracle_free(struct oracle *oracle)
{
	check_chosen_free(oracle->chosen);
	check_durable_free(oracle->durable);
	check_state_free(oracle->state);
	if (oracle->own)
		check_own_free(oracle->own);
	check_leader_free(oracle->leader);
	free(oracle);
}

static void
count_message(struct statistics *statistics, const struct paxos_message *message)
{
	statistics->messages++;
	switch (message->type) {
	case MESSAGE_PREPARE: statistics->prepares++; break;
	case MESSAGE_PROMISE: statistics->promises++; break;
	case MESSAGE_REFUSE: statistics->refusals++; break;
	case MESSAGE_RESYNC: statistics->resyncs++; break;
	case MESSAGE_ACCEPT_SYNC:
		statistics->syncs++;
		if (message->previous + message->entry_count < message->length)
			statistics->sync_pages++;
		break;
	case MESSAGE_TRANSFER: statistics->transfers++; break;
	case MESSAGE_READ_INDEX: statistics->read_indexes++; break;
	default: break;
	}
}

static void
trace_message(struct world *world, const struct host *host, const struct paxos_message *message)
{
	world_trace(world, host,
	            "-> m%lu %s b=%lu.%lu a=%lu.%lu length=%lu chosen=%lu base=%lu previous=%lu+%u "
	            "sequence=%lu flags=%u",
	            (unsigned long)message->to, paxos_message_name(message->type),
	            (unsigned long)message->ballot.round, (unsigned long)message->ballot.member,
	            (unsigned long)message->accepted.round, (unsigned long)message->accepted.member,
	            (unsigned long)message->length, (unsigned long)message->chosen,
	            (unsigned long)message->base, (unsigned long)message->previous,
	            message->entry_count, (unsigned long)message->sequence, message->flags);
}

void
oracle_on_message(struct oracle *oracle, struct host *host, struct slice body)
{
	struct paxos_message message;

	world_note(oracle->world, body.size);
	if (paxos_message_decode(body, &message) != SYNOD_OK) {
		world_fail(oracle->world, "codec", "%s sends what it could not read itself",
		           host->name);
		return;
	}
	count_message(&oracle->world->statistics, &message);
	if (oracle->world->is_tracing)
		trace_message(oracle->world, host, &message);
	if (!host->is_wiped) {
		check_durable_on_message(oracle->durable, host, &message);
		check_chosen_on_message(oracle->chosen, host, &message);
	}
	paxos_message_fini(&message);
}

void
oracle_on_start(struct oracle *oracle, struct host *host)
{
	if (host->is_wiped)
		return;
	check_durable_on_start(oracle->durable, host);
	check_chosen_on_start(oracle->chosen, host);
	if (oracle->own)
		check_own_on_start(oracle->own, host);
}

void
oracle_on_run(struct oracle *oracle, struct host *host)
{
	if (host->is_wiped)
		return;
	check_durable_on_run(oracle->durable, host);
	check_chosen_on_run(oracle->chosen, host);
	check_leader_on_run(oracle->leader, host);
	if (oracle->own)
		check_own_on_run(oracle->own, host);
}

void
oracle_on_executor_run(struct oracle *oracle, struct host *host)
{
	if (host->is_wiped)
		return;
	check_state_on_run(oracle->state, host);
	if (oracle->world->options.living > 0)
		chronicle_on_run(oracle->world->living->chronicle, host);
	if (oracle->own)
		check_own_on_executor_run(oracle->own, host);
}

void
oracle_at_end(struct oracle *oracle)
{
	if (oracle->own)
		check_own_at_end(oracle->own);
}
