/* Comparing and printing ballots. */
#include "server/paxos/ballot.h"

#include <inttypes.h>
#include <stdio.h>

static int
compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

int
ballot_compare(struct ballot a, struct ballot b)
{
	int order = compare_u64(a.epoch, b.epoch);

	if (order == 0)
		order = compare_u64(a.round, b.round);
	if (order == 0)
		order = compare_u64(a.member, b.member);
	return order;
}

bool
ballot_equal(struct ballot a, struct ballot b)
{
	return ballot_compare(a, b) == 0;
}

bool
ballot_is_none(struct ballot ballot)
{
	return ballot_equal(ballot, BALLOT_NONE);
}

const char *
ballot_format(struct ballot ballot, char *text)
{
	snprintf(text, BALLOT_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, ballot.epoch,
	         ballot.round, ballot.member);
	return text;
}
