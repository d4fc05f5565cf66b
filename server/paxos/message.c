/* Names and ownership of messages. */
#include "server/paxos/message.h"

#include <stdlib.h>

void
paxos_message_fini(struct paxos_message *message)
{
	for (uint32_t i = 0; i < message->entry_count; i++)
		entry_release(message->entries[i]);
	free(message->entries);
	message->entries = NULL;
	message->entry_count = 0;
}

const char *
paxos_message_name(uint8_t type)
{
	switch (type) {
	case MESSAGE_PREVOTE: return "PREVOTE";
	case MESSAGE_PREVOTE_ANSWER: return "PREVOTE_ANSWER";
	case MESSAGE_PREPARE: return "PREPARE";
	case MESSAGE_PROMISE: return "PROMISE";
	case MESSAGE_REFUSE: return "REFUSE";
	case MESSAGE_ACCEPT_SYNC: return "ACCEPT_SYNC";
	case MESSAGE_ACCEPT: return "ACCEPT";
	case MESSAGE_ACCEPTED: return "ACCEPTED";
	case MESSAGE_RESYNC: return "RESYNC";
	case MESSAGE_HEARTBEAT: return "HEARTBEAT";
	case MESSAGE_HEARTBEAT_ANSWER: return "HEARTBEAT_ANSWER";
	case MESSAGE_READ_INDEX: return "READ_INDEX";
	case MESSAGE_READ_INDEX_ANSWER: return "READ_INDEX_ANSWER";
	case MESSAGE_TRANSFER: return "TRANSFER";
	default: return "?";
	}
}
