/* Messages of the core to MessagePack and back; the layout is in the header. */
#include "server/paxos/codec.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

#define MESSAGE_FIELDS 12
#define FLAGS_KNOWN                                                                                \
	(MESSAGE_GRANTED | MESSAGE_LAST | MESSAGE_BY_TRANSFER | MESSAGE_NO_SPACE | MESSAGE_EAGER)

void
ballot_encode(struct buffer *out, struct ballot ballot)
{
	pack_array(out, 3);
	pack_u64(out, ballot.epoch);
	pack_u64(out, ballot.round);
	pack_u64(out, ballot.member);
}

void
ballot_decode(struct cursor *cursor, struct ballot *ballot)
{
	if (cursor_array(cursor) != 3)
		cursor_fail(cursor);
	ballot->epoch = cursor_u64(cursor);
	ballot->round = cursor_u64(cursor);
	ballot->member = cursor_u64(cursor);
	cursor_leave(cursor);
}

void
paxos_message_encode(struct buffer *out, const struct paxos_message *message)
{
	pack_array(out, MESSAGE_FIELDS);
	pack_u64(out, message->type);
	pack_u64(out, message->from);
	pack_u64(out, message->to);
	ballot_encode(out, message->ballot);
	ballot_encode(out, message->accepted);
	pack_u64(out, message->length);
	pack_u64(out, message->chosen);
	pack_u64(out, message->base);
	pack_u64(out, message->previous);
	pack_u64(out, message->sequence);
	pack_u64(out, message->flags);
	pack_array(out, message->entry_count);
	for (uint32_t i = 0; i < message->entry_count; i++) {
		const struct entry *entry = message->entries[i];

		pack_array(out, 2);
		pack_u64(out, entry->kind);
		pack_binary(out, (struct slice){entry->bytes, entry->size});
	}
}

static uint8_t
decode_type(struct cursor *cursor)
{
	uint64_t type = cursor_u64(cursor);

	if (type < MESSAGE_PREVOTE || type > MESSAGE_TRANSFER) {
		cursor_fail(cursor);
		return 0;
	}
	return (uint8_t)type;
}

static struct entry *
decode_entry(struct cursor *cursor, size_t *bytes_left)
{
	uint64_t kind;
	struct slice bytes;

	if (cursor_array(cursor) != 2)
		cursor_fail(cursor);
	kind = cursor_u64(cursor);
	bytes = cursor_binary(cursor);
	cursor_leave(cursor);
	if (kind < ENTRY_LEADER_START || kind > ENTRY_STOP || bytes.bytes == NULL ||
	    bytes.size > ENTRY_SIZE_MAX || bytes.size > *bytes_left)
		cursor_fail(cursor);
	if (cursor->failed)
		return NULL;
	*bytes_left -= bytes.size;
	return entry_new_copy((uint8_t)kind, bytes.bytes, (uint32_t)bytes.size);
}

static void
decode_entries(struct cursor *cursor, struct paxos_message *message)
{
	size_t bytes_left = MESSAGE_BYTES_MAX;
	uint32_t count = cursor_array(cursor);

	if (count > MESSAGE_ENTRIES_MAX)
		cursor_fail(cursor);
	if (cursor->failed)
		return;
	if (count > 0)
		message->entries = check_calloc(count, sizeof(*message->entries));
	while (message->entry_count < count) {
		struct entry *entry = decode_entry(cursor, &bytes_left);

		if (entry == NULL)
			return;
		message->entries[message->entry_count++] = entry;
	}
	cursor_leave(cursor);
}

int
paxos_message_decode(struct slice body, struct paxos_message *message)
{
	struct cursor cursor;
	uint32_t count;
	int error;

	memset(message, 0, sizeof(*message));
	cursor_init(&cursor, body);
	count = cursor_array(&cursor);
	if (count < MESSAGE_FIELDS)
		cursor_fail(&cursor);
	message->type = decode_type(&cursor);
	message->from = cursor_u64(&cursor);
	message->to = cursor_u64(&cursor);
	ballot_decode(&cursor, &message->ballot);
	ballot_decode(&cursor, &message->accepted);
	message->length = cursor_u64(&cursor);
	message->chosen = cursor_u64(&cursor);
	message->base = cursor_u64(&cursor);
	message->previous = cursor_u64(&cursor);
	message->sequence = cursor_u64(&cursor);
	/* Flags of a later version mean nothing to us. */
	message->flags = (uint8_t)(cursor_u64(&cursor) & FLAGS_KNOWN);
	decode_entries(&cursor, message);
	if (!cursor.failed)
		cursor_skip(&cursor, count - MESSAGE_FIELDS);
	cursor_leave(&cursor);
	error = cursor_finish(&cursor);
	if (error != SYNOD_OK)
		paxos_message_fini(message);
	return error;
}
