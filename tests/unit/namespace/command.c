/* Packing and unpacking of commands. */
#include "tests/unit/namespace/fixture.h"

static void
assert_round_trip(const struct command *command)
{
	struct buffer packed = BUFFER_EMPTY;
	struct buffer again = BUFFER_EMPTY;
	struct command decoded;

	command_encode(&packed, command);
	assert_int_equal(command_decode(buffer_slice(&packed), &decoded), SYNOD_OK);
	command_encode(&again, &decoded);
	assert_true(slice_equal(buffer_slice(&packed), buffer_slice(&again)));
	/* Every shorter prefix is refused. */
	for (size_t size = 0; size < packed.size; size++)
		assert_int_equal(command_decode((struct slice){packed.bytes, size}, &decoded),
		                 SYNOD_BAD_MESSAGE);
	buffer_fini(&packed);
	buffer_fini(&again);
}

static void
round_trips_every_type(void **state)
{
	const struct command commands[] = {
		{.type = COMMAND_CLIENT,
	         .uptime_ms = 1,
	         .wall_ms = UINT64_MAX,
	         .session = 3,
	         .seq = 4,
	         .acknowledged = 2,
	         .op = OP_PUT,
	         .body = slice_of("\x92\x01\x90")},
		{.type = COMMAND_EXPIRE,
	         .uptime_ms = 1,
	         .wall_ms = 2,
	         .session = 3,
	         .generation = 4,
	         .ballot = {5, 6, 7}},
		{.type = COMMAND_MEMBER,
	         .uptime_ms = 1,
	         .wall_ms = 2,
	         .member = 3,
	         .name = slice_of("a"),
	         .peer_address = slice_of("b:1"),
	         .client_address = slice_of("c:2"),
	         .disk_id = slice_of("0123456789abcdef")},
		{.type = COMMAND_START, .ballot = {1, 2, 3}},
		{.type = COMMAND_COLLECT, .uptime_ms = UINT64_MAX, .wall_ms = 2},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
		assert_round_trip(&commands[i]);
}

static void
reads_every_field_back(void **state)
{
	struct command command = {.type = COMMAND_EXPIRE,
	                          .uptime_ms = 1,
	                          .wall_ms = 2,
	                          .session = 3,
	                          .generation = 4,
	                          .ballot = {5, 6, 7}};
	struct buffer packed = BUFFER_EMPTY;
	struct command decoded;

	(void)state;
	command_encode(&packed, &command);
	assert_int_equal(command_decode(buffer_slice(&packed), &decoded), SYNOD_OK);
	assert_memory_equal(&command, &decoded, sizeof command);
	buffer_fini(&packed);
}

static void
skips_fields_of_the_future(void **state)
{
	struct command decoded;

	(void)state;
	/* START with a fifth field. */
	assert_int_equal(command_decode(slice_of("\x95\x04\x01\x02\x03\xc0"), &decoded), SYNOD_OK);
	assert_int_equal(decoded.ballot.member, 3);
}

static void
refuses_what_is_no_command(void **state)
{
	static const char *const texts[] = {
		"",
		"\x90",
		"\x94\x06\x01\x02\x03",                         /* unknown type */
		"\x92\x05\x01",                                 /* COLLECT, a field short */
		"\x93\x04\x01\x02",                             /* a field short */
		"\x94\x04\x01\x02\x03\x04",                     /* a byte too many */
		"\x94\x04\x01\x02\xa1x",                        /* text for a number */
		"\x98\x01\x01\x01\x01\x01\x01\xcd\x01\x02\xc0", /* op beyond a byte */
		"\xdd\xff\xff\xff\xff\x01",
	};
	struct command decoded;

	(void)state;
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(command_decode(slice_of(texts[i]), &decoded), SYNOD_BAD_MESSAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips_every_type),
		cmocka_unit_test(reads_every_field_back),
		cmocka_unit_test(skips_fields_of_the_future),
		cmocka_unit_test(refuses_what_is_no_command),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
