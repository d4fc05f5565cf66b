/*
 * Frames: bytes as they come, and a frame made from them, whole, cut and damaged.
 *
 * The first four bytes choose where the frame is cut, which bit of it is
 * changed, and its type; the rest is the body.
 */
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/frame.h"

#define BODY_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
parse_as_stream(struct slice bytes)
{
	struct frame frame;
	size_t used;

	while (frame_parse(bytes, BODY_MAX, &frame, &used) == SYNOD_OK) {
		CHECK(used <= bytes.size);
		CHECK(used == FRAME_HEADER_SIZE + frame.body.size);
		CHECK(frame.body.bytes == bytes.bytes + FRAME_HEADER_SIZE);
		CHECK(frame_type_name(frame.type) != NULL);
		bytes.bytes += used;
		bytes.size -= used;
	}
	CHECK(used == 0 || used > bytes.size || used <= FRAME_HEADER_SIZE + (size_t)BODY_MAX);
}

static void
parse_damaged(struct buffer *buffer, size_t bit)
{
	struct frame frame;
	size_t used;

	buffer->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	CHECK(frame_parse(buffer_slice(buffer), BODY_MAX, &frame, &used) != SYNOD_OK);
	buffer->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void
parse_made(uint8_t type, size_t cut, size_t bit, struct slice body)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t begin = frame_begin(&buffer, type);
	struct frame frame;
	size_t used;

	buffer_append(&buffer, body.bytes, body.size);
	frame_end(&buffer, begin);
	CHECK(!buffer.failed);
	CHECK(frame_parse(buffer_slice(&buffer), BODY_MAX, &frame, &used) == SYNOD_OK);
	CHECK(used == buffer.size);
	CHECK(frame.type == type);
	CHECK(slice_equal(frame.body, body));
	cut %= buffer.size;
	CHECK(frame_parse((struct slice){buffer.bytes, cut}, BODY_MAX, &frame, &used) ==
	      SYNOD_RETRY);
	CHECK(used == (cut < FRAME_HEADER_SIZE ? 0 : buffer.size));
	parse_damaged(&buffer, bit % (8 * buffer.size));
	buffer_fini(&buffer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	parse_as_stream((struct slice){bytes, size});
	if (size >= 4 && size <= BODY_MAX)
		parse_made(bytes[3], bytes[0], (size_t)bytes[1] << 8 | bytes[2],
		           (struct slice){bytes + 4, size - 4});
	return 0;
}
