/* Numbered messages. */
#include "tests/sim/exhaustive_message.h"

#include <stdio.h>
#include <string.h>

#include "shared/check.h"
#include "shared/protocol.h"
#include "tests/sim/exhaustive_core.h"
#include "tests/sim/exhaustive_intern.h"

static struct intern messages;

void
message_reset(void)
{
	intern_fini(&messages);
}

uint32_t
message_count(void)
{
	return messages.count;
}

/* A message as bytes: everything in it is small within our scopes. */
struct packed_message {
	uint8_t type, from, to, ballot, accepted, length, chosen, base, previous, flags, count;
	uint8_t entries[SLOTS_MAX];
	uint64_t sequence;
};

uint16_t
message_number(const struct paxos_message *message)
{
	struct packed_message packed;
	uint32_t number;

	memset(&packed, 0, sizeof(packed));
	CHECK(message->entry_count <= SLOTS_MAX);
	packed.type = message->type;
	packed.from = (uint8_t)message->from;
	packed.to = (uint8_t)message->to;
	packed.ballot = small_ballot(message->ballot);
	packed.accepted = small_ballot(message->accepted);
	packed.length = (uint8_t)message->length;
	packed.chosen = (uint8_t)message->chosen;
	packed.base = (uint8_t)message->base;
	packed.previous = (uint8_t)message->previous;
	packed.flags = message->flags;
	packed.sequence = message->sequence;
	packed.count = (uint8_t)message->entry_count;
	for (uint32_t i = 0; i < message->entry_count; i++)
		packed.entries[i] = small_entry(message->entries[i]);
	number = intern_add(&messages, &packed, sizeof(packed));
	CHECK(number < UINT16_MAX);
	return (uint16_t)number;
}

static struct packed_message
message_packed(uint16_t number)
{
	struct packed_message packed;
	size_t size;

	memcpy(&packed, intern_get(&messages, number, &size), sizeof(packed));
	return packed;
}

unsigned
message_receiver(uint16_t message)
{
	return message_packed(message).to - 1u;
}

unsigned
message_proposals(uint16_t message, struct proposal *proposals)
{
	struct packed_message packed = message_packed(message);

	if (packed.type != MESSAGE_ACCEPT && packed.type != MESSAGE_ACCEPT_SYNC)
		return 0;
	for (unsigned i = 0; i < packed.count; i++)
		proposals[i] = (struct proposal){packed.ballot, (uint8_t)(packed.previous + i + 1),
		                                 packed.entries[i]};
	return packed.count;
}

/* The ballot is the sender's own: the message is for an acceptor. */
static bool
is_for_acceptor(const struct packed_message *packed)
{
	return packed->ballot % 4 == packed->from;
}

bool
message_is_dead(uint16_t message, uint32_t state)
{
	struct packed_message packed = message_packed(message);
	struct member_brief brief = member_brief(state);
	struct action action = {ACTION_DELIVER, (uint8_t)(packed.to - 1), message};
	bool is_past;

	if (is_for_acceptor(&packed))
		is_past = packed.type == MESSAGE_PREPARE ? brief.disk.accepted >= packed.ballot
		                                         : false;
	else
		is_past = brief.role == ROLE_FOLLOWER && brief.memory.promised >= packed.ballot;
	is_past |= brief.disk.promised > packed.ballot;
	return is_past && member_act(state, action).is_nothing;
}

struct paxos_message
message_unpacked(uint16_t number, struct entry **entries)
{
	struct packed_message packed = message_packed(number);

	for (unsigned i = 0; i < packed.count; i++)
		entries[i] = entry_of_small(packed.entries[i]);
	return (struct paxos_message){
		.type = packed.type,
		.from = packed.from,
		.to = packed.to,
		.ballot = ballot_of_small(packed.ballot),
		.accepted = ballot_of_small(packed.accepted),
		.length = packed.length,
		.chosen = packed.chosen,
		.base = packed.base,
		.previous = packed.previous,
		.sequence = packed.sequence,
		.flags = packed.flags,
		.entry_count = packed.count,
		.entries = entries,
	};
}

const char *
message_format(uint16_t message, char *text)
{
	struct packed_message packed = message_packed(message);
	char ballot[BALLOT_TEXT_SIZE], accepted[BALLOT_TEXT_SIZE], entries[SLOTS_MAX * 8 + 1];

	snprintf(text, ACTION_TEXT_SIZE,
	         "%s %u->%u ballot=%s accepted=%s length=%u chosen=%u base=%u previous=%u "
	         "sequence=%u flags=%u [%s]",
	         paxos_message_name(packed.type), packed.from, packed.to,
	         ballot_format(ballot_of_small(packed.ballot), ballot),
	         ballot_format(ballot_of_small(packed.accepted), accepted), packed.length,
	         packed.chosen, packed.base, packed.previous, (unsigned)packed.sequence,
	         packed.flags, entries_format(packed.entries, packed.count, entries));
	return text;
}
