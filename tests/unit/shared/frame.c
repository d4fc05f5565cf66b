/* Frames: found whole, refused when changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/frame.h"

#define BODY_MAX 1000

/* A fresh allocation of exactly SIZE bytes, so that the sanitizer sees every read beyond it. */
static int
parse_copy(const uint8_t *bytes, size_t size, size_t *used)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	struct frame frame;
	int error;

	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, bytes, size);
	error = frame_parse((struct slice){copy, size}, BODY_MAX, &frame, used);
	if (error == SYNOD_OK)
		assert_int_equal(frame.body.bytes + frame.body.size - copy, (ptrdiff_t)*used);
	free(copy);
	return error;
}

static void
build(struct buffer *buffer, const char *body)
{
	size_t begin = frame_begin(buffer, FRAME_PING);

	buffer_append(buffer, body, strlen(body));
	frame_end(buffer, begin);
	assert_false(buffer->failed);
}

static void
finds_each_of_several_frames(void **state)
{
	const char *const bodies[] = {"first", "", "the third"};
	struct buffer buffer = BUFFER_EMPTY;
	struct frame frame;
	size_t used;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		build(&buffer, bodies[i]);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(frame_parse(buffer_slice(&buffer), BODY_MAX, &frame, &used),
		                 SYNOD_OK);
		assert_int_equal(frame.type, FRAME_PING);
		assert_int_equal(frame.flags, 0);
		assert_true(slice_equal(frame.body, slice_of(bodies[i])));
		assert_int_equal(used, FRAME_HEADER_SIZE + strlen(bodies[i]));
		buffer_consume(&buffer, used);
	}
	assert_int_equal(buffer.size, 0);
	buffer_fini(&buffer);
}

static void
asks_for_the_bytes_that_are_missing(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t used = 77;

	(void)state;
	build(&buffer, "some body");
	for (size_t size = 0; size < buffer.size; size++) {
		assert_int_equal(parse_copy(buffer.bytes, size, &used), SYNOD_RETRY);
		assert_int_equal(used, size < FRAME_HEADER_SIZE ? 0 : buffer.size);
	}
	assert_int_equal(parse_copy(buffer.bytes, buffer.size, &used), SYNOD_OK);
	buffer_fini(&buffer);
}

static void
never_takes_a_frame_in_which_one_bit_has_changed(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t used;

	(void)state;
	build(&buffer, "bytes that matter, of a body longer than sixteen bytes");
	for (size_t bit = 0; bit < 8 * buffer.size; bit++) {
		buffer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(parse_copy(buffer.bytes, buffer.size, &used), SYNOD_OK);
		buffer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(parse_copy(buffer.bytes, buffer.size, &used), SYNOD_OK);
	buffer_fini(&buffer);
}

static void
refuses_what_is_no_frame_before_waiting_for_its_length(void **state)
{
	const char *const strangers[] = {
		"GET / HTTP/1.1\r\nHost: synod\r\n\r\n",
		"\x16\x03\x01\x02\x01\x01\x01\x01\xfc\x03\x03 hello over TLS",
		"SSH-2.0-OpenSSH_9.2p1 Debian-2",
	};
	size_t used;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(
			parse_copy((const uint8_t *)strangers[i], strlen(strangers[i]), &used),
			SYNOD_BAD_MESSAGE);
	}
}

static void
refuses_another_version_of_the_framing(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t used;

	(void)state;
	frame_begin(&buffer, FRAME_PING);
	buffer.bytes[6] = FRAME_VERSION + 1;
	frame_end(&buffer, 0); /* the checksum is right */
	assert_int_equal(parse_copy(buffer.bytes, buffer.size, &used), SYNOD_BAD_MESSAGE);
	buffer_fini(&buffer);
}

static void
refuses_a_body_beyond_the_limit_by_its_header_alone(void **state)
{
	uint8_t header[FRAME_HEADER_SIZE] = {0xff, 0xff, 0xff, 0xff, 0x53, 0x59, FRAME_VERSION};
	char body[BODY_MAX + 2];
	struct buffer buffer = BUFFER_EMPTY;
	size_t used;

	(void)state;
	assert_int_equal(parse_copy(header, sizeof header, &used), SYNOD_TOO_LARGE);
	memset(body, 'a', sizeof body);
	body[BODY_MAX + 1] = '\0';
	build(&buffer, body);
	assert_int_equal(parse_copy(buffer.bytes, FRAME_HEADER_SIZE, &used), SYNOD_TOO_LARGE);
	buffer_clear(&buffer);
	build(&buffer, body + 1);
	assert_int_equal(parse_copy(buffer.bytes, buffer.size, &used), SYNOD_OK);
	buffer_fini(&buffer);
}

static void
returns_types_that_it_does_not_know(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct frame frame;
	size_t used;

	(void)state;
	frame_end(&buffer, frame_begin(&buffer, 250));
	assert_int_equal(frame_parse(buffer_slice(&buffer), BODY_MAX, &frame, &used), SYNOD_OK);
	assert_int_equal(frame.type, 250);
	assert_string_equal(frame_type_name(250), "?");
	assert_string_equal(frame_type_name(FRAME_REQUEST), "REQUEST");
	buffer_fini(&buffer);
}

static void
leaves_a_failed_buffer_alone(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t begin;

	(void)state;
	buffer_reserve(&buffer, SIZE_MAX);
	begin = frame_begin(&buffer, FRAME_PING);
	frame_end(&buffer, begin);
	assert_true(buffer.failed);
	assert_int_equal(buffer.size, 0);
	buffer_fini(&buffer);
}

/* The layout is a promise to programs of other versions: it is spelled out here byte by byte. */
static void
lays_out_the_header_as_documented(void **state)
{
	const uint8_t expected[12] = {0, 0, 0, 3, 0x53, 0x59, 1, 3, 0, 0, 0, 0};
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	build(&buffer, "abc");
	assert_int_equal(buffer.size, 19);
	assert_memory_equal(buffer.bytes, expected, sizeof expected);
	assert_memory_equal(buffer.bytes + 16, "abc", 3);
	buffer_fini(&buffer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_of_several_frames),
		cmocka_unit_test(asks_for_the_bytes_that_are_missing),
		cmocka_unit_test(never_takes_a_frame_in_which_one_bit_has_changed),
		cmocka_unit_test(refuses_what_is_no_frame_before_waiting_for_its_length),
		cmocka_unit_test(refuses_another_version_of_the_framing),
		cmocka_unit_test(refuses_a_body_beyond_the_limit_by_its_header_alone),
		cmocka_unit_test(returns_types_that_it_does_not_know),
		cmocka_unit_test(leaves_a_failed_buffer_alone),
		cmocka_unit_test(lays_out_the_header_as_documented),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
