/* Packing and unpacking of commands. */
#include "server/namespace/command.h"

#include "shared/check.h"
#include "shared/error.h"

static void
ballot_encode(struct buffer *out, const struct command_ballot *ballot)
{
	pack_u64(out, ballot->epoch);
	pack_u64(out, ballot->round);
	pack_u64(out, ballot->member);
}

static void
clocks_encode(struct buffer *out, const struct command *command)
{
	pack_u64(out, command->uptime_ms);
	pack_u64(out, command->wall_ms);
}

static void
client_encode(struct buffer *out, const struct command *command)
{
	pack_array(out, 8);
	pack_u64(out, COMMAND_CLIENT);
	clocks_encode(out, command);
	pack_u64(out, command->session);
	pack_u64(out, command->seq);
	pack_u64(out, command->acknowledged);
	pack_u64(out, command->op);
	pack_raw(out, command->body);
}

static void
expire_encode(struct buffer *out, const struct command *command)
{
	pack_array(out, 6);
	pack_u64(out, COMMAND_EXPIRE);
	clocks_encode(out, command);
	pack_u64(out, command->session);
	pack_u64(out, command->generation);
	pack_array(out, 3);
	ballot_encode(out, &command->ballot);
}

static void
member_encode(struct buffer *out, const struct command *command)
{
	pack_array(out, 8);
	pack_u64(out, COMMAND_MEMBER);
	clocks_encode(out, command);
	pack_u64(out, command->member);
	pack_string(out, command->name);
	pack_string(out, command->peer_address);
	pack_string(out, command->client_address);
	pack_binary(out, command->disk_id);
}

void
command_encode(struct buffer *out, const struct command *command)
{
	switch (command->type) {
	case COMMAND_CLIENT: client_encode(out, command); return;
	case COMMAND_EXPIRE: expire_encode(out, command); return;
	case COMMAND_MEMBER: member_encode(out, command); return;
	case COMMAND_START:
		pack_array(out, 4);
		pack_u64(out, COMMAND_START);
		ballot_encode(out, &command->ballot);
		return;
	case COMMAND_COLLECT:
		pack_array(out, 3);
		pack_u64(out, COMMAND_COLLECT);
		clocks_encode(out, command);
		return;
	default: CHECK(!"a known type of command");
	}
}

static void
ballot_decode(struct cursor *cursor, struct command_ballot *ballot)
{
	ballot->epoch = cursor_u64(cursor);
	ballot->round = cursor_u64(cursor);
	ballot->member = cursor_u64(cursor);
}

static void
clocks_decode(struct cursor *cursor, struct command *command)
{
	command->uptime_ms = cursor_u64(cursor);
	command->wall_ms = cursor_u64(cursor);
}

/* Each returns how many fields it read. */
static uint32_t
client_decode(struct cursor *cursor, struct command *command)
{
	uint64_t op;

	clocks_decode(cursor, command);
	command->session = cursor_u64(cursor);
	command->seq = cursor_u64(cursor);
	command->acknowledged = cursor_u64(cursor);
	op = cursor_u64(cursor);
	if (op > UINT8_MAX)
		cursor_fail(cursor);
	command->op = (uint8_t)op;
	command->body = cursor_raw(cursor);
	return 8;
}

static uint32_t
expire_decode(struct cursor *cursor, struct command *command)
{
	uint32_t count;

	clocks_decode(cursor, command);
	command->session = cursor_u64(cursor);
	command->generation = cursor_u64(cursor);
	count = cursor_array(cursor);
	if (count < 3)
		cursor_fail(cursor);
	ballot_decode(cursor, &command->ballot);
	if (!cursor->failed)
		cursor_skip(cursor, count - 3);
	cursor_leave(cursor);
	return 6;
}

static uint32_t
member_decode(struct cursor *cursor, struct command *command)
{
	clocks_decode(cursor, command);
	command->member = cursor_u64(cursor);
	command->name = cursor_string(cursor);
	command->peer_address = cursor_string(cursor);
	command->client_address = cursor_string(cursor);
	command->disk_id = cursor_binary(cursor);
	return 8;
}

static uint32_t
fields_decode(struct cursor *cursor, struct command *command)
{
	switch (command->type) {
	case COMMAND_CLIENT: return client_decode(cursor, command);
	case COMMAND_EXPIRE: return expire_decode(cursor, command);
	case COMMAND_MEMBER: return member_decode(cursor, command);
	case COMMAND_START: ballot_decode(cursor, &command->ballot); return 4;
	case COMMAND_COLLECT: clocks_decode(cursor, command); return 3;
	default: cursor_fail(cursor); return 0;
	}
}

int
command_decode(struct slice bytes, struct command *command)
{
	struct cursor cursor;
	uint32_t count;
	uint32_t known;
	uint64_t type;

	*command = (struct command){0};
	cursor_init(&cursor, bytes);
	count = cursor_array(&cursor);
	type = cursor_u64(&cursor);
	if (type > COMMAND_COLLECT)
		cursor_fail(&cursor);
	command->type = (uint8_t)type;
	known = fields_decode(&cursor, command);
	if (count < known)
		cursor_fail(&cursor);
	if (!cursor.failed)
		cursor_skip(&cursor, count - known);
	cursor_leave(&cursor);
	return cursor_finish(&cursor);
}
