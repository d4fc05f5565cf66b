/* Counting majorities. */
#include "server/paxos/quorum.h"

#include "server/paxos/paxos.h"
#include "shared/check.h"
#include "shared/planted.h"

unsigned
quorum_size(unsigned voter_count)
{
	CHECK(voter_count > 0);
	if (PLANTED(QUORUM_TOO_SMALL))
		return voter_count > 1 ? voter_count / 2 : 1;
	return voter_count / 2 + 1;
}

uint64_t
quorum_reached(const uint64_t *values, unsigned voter_count)
{
	uint64_t sorted[PAXOS_VOTERS_MAX];

	CHECK(voter_count > 0);
	CHECK(voter_count <= PAXOS_VOTERS_MAX);

	/* Insertion into descending order: there are at most seven. */
	for (unsigned i = 0; i < voter_count; i++) {
		unsigned at = i;

		for (; at > 0 && sorted[at - 1] < values[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = values[i];
	}
	return sorted[quorum_size(voter_count) - 1];
}
