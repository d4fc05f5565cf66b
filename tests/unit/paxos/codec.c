/* Messages as bytes, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "server/paxos/codec.h"
#include "shared/check.h"
#include "shared/error.h"

static struct paxos_message
sample(uint32_t entry_count)
{
	struct paxos_message message = {
		.type = MESSAGE_ACCEPT_SYNC,
		.from = 3,
		.to = 1,
		.ballot = {1, 300, 3},
		.accepted = {1, 299, 2},
		.length = UINT64_C(1) << 40,
		.chosen = 70000,
		.base = 5,
		.previous = 7,
		.sequence = 99,
		.flags = MESSAGE_GRANTED | MESSAGE_LAST,
		.entry_count = entry_count,
	};

	message.entries = check_calloc(entry_count, sizeof(struct entry *));
	for (uint32_t i = 0; i < entry_count; i++)
		message.entries[i] = entry_new_copy(ENTRY_COMMAND, "value", i % 6);
	return message;
}

static void
every_field_survives_the_round_trip(void **state)
{
	struct paxos_message message = sample(20), decoded;
	struct buffer packed = BUFFER_EMPTY;

	(void)state;
	paxos_message_encode(&packed, &message);
	assert_int_equal(paxos_message_decode(buffer_slice(&packed), &decoded), SYNOD_OK);
	assert_int_equal(decoded.type, message.type);
	assert_int_equal(decoded.from, message.from);
	assert_int_equal(decoded.to, message.to);
	assert_true(ballot_equal(decoded.ballot, message.ballot));
	assert_true(ballot_equal(decoded.accepted, message.accepted));
	assert_int_equal(decoded.length, message.length);
	assert_int_equal(decoded.chosen, message.chosen);
	assert_int_equal(decoded.base, message.base);
	assert_int_equal(decoded.previous, message.previous);
	assert_int_equal(decoded.sequence, message.sequence);
	assert_int_equal(decoded.flags, message.flags);
	assert_int_equal(decoded.entry_count, message.entry_count);
	for (uint32_t i = 0; i < decoded.entry_count; i++) {
		assert_int_equal(decoded.entries[i]->kind, ENTRY_COMMAND);
		assert_int_equal(decoded.entries[i]->size, i % 6);
		assert_memory_equal(decoded.entries[i]->bytes, "value", i % 6);
	}
	paxos_message_fini(&message);
	paxos_message_fini(&decoded);
	buffer_fini(&packed);
}

static void
every_truncation_is_refused(void **state)
{
	struct paxos_message message = sample(3), decoded;
	struct buffer packed = BUFFER_EMPTY;

	(void)state;
	paxos_message_encode(&packed, &message);
	for (size_t size = 0; size < packed.size; size++)
		assert_int_equal(paxos_message_decode((struct slice){packed.bytes, size}, &decoded),
		                 SYNOD_BAD_MESSAGE);
	paxos_message_fini(&message);
	buffer_fini(&packed);
}

/* A message of eleven plain fields, and whatever ENTRIES appends as the twelfth. */
static int
decode_with(uint64_t type, uint64_t flags, uint32_t extra, void (*entries)(struct buffer *out))
{
	struct buffer packed = BUFFER_EMPTY;
	struct paxos_message decoded;
	int error;

	pack_array(&packed, 12 + extra);
	pack_u64(&packed, type);
	pack_u64(&packed, 1);
	pack_u64(&packed, 2);
	ballot_encode(&packed, (struct ballot){1, 1, 1});
	ballot_encode(&packed, BALLOT_NONE);
	for (int i = 0; i < 5; i++)
		pack_u64(&packed, 0);
	pack_u64(&packed, flags);
	entries(&packed);
	for (uint32_t i = 0; i < extra; i++)
		pack_string(&packed, slice_of("from a later version"));
	error = paxos_message_decode(buffer_slice(&packed), &decoded);
	if (error == SYNOD_OK) {
		assert_int_equal(decoded.flags, flags & 0x1f);
		paxos_message_fini(&decoded);
	}
	buffer_fini(&packed);
	return error;
}

static void
no_entries(struct buffer *out)
{
	pack_array(out, 0);
}

static void
entry_of_kind_9(struct buffer *out)
{
	pack_array(out, 1);
	pack_array(out, 2);
	pack_u64(out, 9);
	pack_binary(out, slice_of("x"));
}

static void
entry_without_bytes(struct buffer *out)
{
	pack_array(out, 1);
	pack_array(out, 2);
	pack_u64(out, ENTRY_COMMAND);
	pack_nil(out);
}

static void
second_entry_too_large(struct buffer *out)
{
	static const uint8_t zeros[ENTRY_SIZE_MAX + 1];

	pack_array(out, 2);
	pack_array(out, 2);
	pack_u64(out, ENTRY_COMMAND);
	pack_binary(out, slice_of("x"));
	pack_array(out, 2);
	pack_u64(out, ENTRY_COMMAND);
	pack_binary(out, (struct slice){zeros, sizeof(zeros)});
}

static void
more_bytes_than_a_message_may_have(struct buffer *out)
{
	static const uint8_t zeros[ENTRY_SIZE_MAX];

	pack_array(out, 3);
	for (int i = 0; i < 3; i++) {
		pack_array(out, 2);
		pack_u64(out, ENTRY_COMMAND);
		pack_binary(out, (struct slice){zeros, sizeof(zeros)});
	}
}

static void
more_entries_than_a_message_may_have(struct buffer *out)
{
	pack_array(out, MESSAGE_ENTRIES_MAX + 1);
	for (int i = 0; i < MESSAGE_ENTRIES_MAX + 1; i++) {
		pack_array(out, 2);
		pack_u64(out, ENTRY_COMMAND);
		pack_binary(out, slice_of(""));
	}
}

static void
values_out_of_range_are_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_with(MESSAGE_ACCEPT, 0, 0, no_entries), SYNOD_OK);
	assert_int_equal(decode_with(0, 0, 0, no_entries), SYNOD_BAD_MESSAGE);
	assert_int_equal(decode_with(MESSAGE_TRANSFER + 1, 0, 0, no_entries), SYNOD_BAD_MESSAGE);
	assert_int_equal(decode_with(MESSAGE_ACCEPT, 0, 0, entry_of_kind_9), SYNOD_BAD_MESSAGE);
	assert_int_equal(decode_with(MESSAGE_ACCEPT, 0, 0, entry_without_bytes), SYNOD_BAD_MESSAGE);
	assert_int_equal(decode_with(MESSAGE_ACCEPT, 0, 0, second_entry_too_large),
	                 SYNOD_BAD_MESSAGE);
	assert_int_equal(decode_with(MESSAGE_ACCEPT, 0, 0, more_bytes_than_a_message_may_have),
	                 SYNOD_BAD_MESSAGE);
	assert_int_equal(decode_with(MESSAGE_ACCEPT, 0, 0, more_entries_than_a_message_may_have),
	                 SYNOD_BAD_MESSAGE);
}

static void
fields_and_flags_of_a_later_version_are_ignored(void **state)
{
	(void)state;
	assert_int_equal(decode_with(MESSAGE_ACCEPT, 0xff, 2, no_entries), SYNOD_OK);
}

static void
every_type_has_a_name(void **state)
{
	(void)state;
	for (uint8_t type = MESSAGE_PREVOTE; type <= MESSAGE_TRANSFER; type++)
		assert_string_not_equal(paxos_message_name(type), "?");
	assert_string_equal(paxos_message_name(0), "?");
	assert_string_equal(paxos_message_name(MESSAGE_TRANSFER + 1), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_survives_the_round_trip),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(fields_and_flags_of_a_later_version_are_ignored),
		cmocka_unit_test(every_type_has_a_name),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/codec", tests, NULL, NULL);
}
