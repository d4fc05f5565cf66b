/* Transitions as one line for people. */
#include <inttypes.h>
#include <stdio.h>

#include "server/paxos/paxos.h"

static const char *
transition_text(enum transition_type type)
{
	switch (type) {
#define TRANSITION(name, text)                                                                     \
	case TRANSITION_##name:                                                                    \
		return text;
#include "server/paxos/transitions.def"
#undef TRANSITION
	}
	return "?";
}

void
paxos_transition_format(const struct paxos_transition *transition, char *text, size_t size)
{
	char ballot[BALLOT_TEXT_SIZE], ms[32] = "", member[48] = "";

	if (transition->ms > 0)
		snprintf(ms, sizeof(ms), " for %u ms", transition->ms);
	if (transition->member > 0)
		snprintf(member, sizeof(member), " member=%" PRIu64, transition->member);
	snprintf(text, size, "%s%s ballot=%s slot=%" PRIu64 "%s", transition_text(transition->type),
	         ms, ballot_format(transition->ballot, ballot), transition->slot, member);
}
