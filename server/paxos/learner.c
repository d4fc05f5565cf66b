/* Advancing `chosen` and `applied`; neither ever goes back. */
#include "server/paxos/learner.h"

#include "server/paxos/core.h"
#include "shared/check.h"
#include "shared/planted.h"

void
learner_advance(struct paxos *paxos, uint64_t slot, struct paxos_update *update)
{
	CHECK(slot <= paxos->log.length);

	if (slot <= paxos->chosen)
		return;
	paxos->chosen = slot;
	log_settle(&paxos->log, slot);
	paxos_report(paxos, TRANSITION_CHOSEN, slot, 0, 0, update);
}

void
learner_on_chosen(struct paxos *paxos, struct ballot ballot, uint64_t slot,
                  struct paxos_update *update)
{
	if (!PLANTED(CHOSEN_AT_OTHER_BALLOT) &&
	    (!ballot_equal(paxos->promised, ballot) || !ballot_equal(paxos->accepted, ballot)))
		return;
	learner_advance(paxos, slot < paxos->log.length ? slot : paxos->log.length, update);
}

void
learner_on_applied(struct paxos *paxos, uint64_t slot)
{
	CHECK(slot <= learner_applicable(paxos));

	if (slot > paxos->applied)
		paxos->applied = slot;
}

uint64_t
learner_applicable(const struct paxos *paxos)
{
	uint64_t durable = paxos->durable.now.length;

	return paxos->chosen < durable ? paxos->chosen : durable;
}
