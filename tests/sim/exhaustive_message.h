/* The messages of the exhaustive search, as numbers: equal ones have the same. */
#ifndef TESTS_SIM_EXHAUSTIVE_MESSAGE_H
#define TESTS_SIM_EXHAUSTIVE_MESSAGE_H

#include "tests/sim/exhaustive_member.h"

void message_reset(void);
uint32_t message_count(void);

uint16_t message_number(const struct paxos_message *message);

/* The message again, its entries in ENTRIES (SLOTS_MAX); no references are taken. */
struct paxos_message message_unpacked(uint16_t number, struct entry **entries);

/*
 * True if the message does nothing to its receiver, in STATE, and never will again: it belongs to a
 * ballot that the receiver has left for good.
 */
bool message_is_dead(uint16_t message, uint32_t state);

/* The message's receiver, as an index; what it proposes: (ballot, slot, entry) in PROPOSALS. */
unsigned message_receiver(uint16_t message);
struct proposal {
	uint8_t ballot, slot, entry;
};
unsigned message_proposals(uint16_t message, struct proposal *proposals);

const char *message_format(uint16_t message, char *text); /* ACTION_TEXT_SIZE */

#endif
