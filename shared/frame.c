/* Frames: the header around each message; frame.h has the layout. */
#include "shared/frame.h"

#include <string.h>
#include <xxhash.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

#define LENGTH_AT   0
#define MAGIC_AT    4
#define VERSION_AT  6
#define TYPE_AT     7
#define FLAGS_AT    8
#define CHECKSUM_AT 12

static uint32_t
load_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void
store_u32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

static uint32_t
frame_checksum(const uint8_t *header, size_t body_size)
{
	XXH64_hash_t seed = XXH3_64bits(header, CHECKSUM_AT);

	return (uint32_t)XXH3_64bits_withSeed(header + FRAME_HEADER_SIZE, body_size, seed);
}

int
frame_parse(struct slice bytes, size_t body_max, struct frame *frame, size_t *used)
{
	const uint8_t *header = bytes.bytes;
	size_t body_size;

	*used = 0;
	if (bytes.size < FRAME_HEADER_SIZE)
		return SYNOD_RETRY;
	if (header[MAGIC_AT] != FRAME_MAGIC >> 8)
		return SYNOD_BAD_MESSAGE;
	if (header[MAGIC_AT + 1] != (FRAME_MAGIC & 0xff))
		return SYNOD_BAD_MESSAGE;
	if (header[VERSION_AT] != FRAME_VERSION)
		return SYNOD_BAD_MESSAGE;
	body_size = load_u32(header + LENGTH_AT);
	if (body_size > body_max)
		return SYNOD_TOO_LARGE;
	*used = FRAME_HEADER_SIZE + body_size;
	if (bytes.size < *used)
		return SYNOD_RETRY;
	if (!PLANTED(CHECKSUM_UNCHECKED) &&
	    frame_checksum(header, body_size) != load_u32(header + CHECKSUM_AT))
		return SYNOD_BAD_MESSAGE;
	frame->type = header[TYPE_AT];
	frame->flags = load_u32(header + FLAGS_AT);
	frame->body = (struct slice){header + FRAME_HEADER_SIZE, body_size};
	return SYNOD_OK;
}

size_t
frame_begin(struct buffer *buffer, uint8_t type)
{
	uint8_t header[FRAME_HEADER_SIZE] = {0};
	size_t begin = buffer->size;

	header[MAGIC_AT] = FRAME_MAGIC >> 8;
	header[MAGIC_AT + 1] = FRAME_MAGIC & 0xff;
	header[VERSION_AT] = FRAME_VERSION;
	header[TYPE_AT] = type;
	buffer_append(buffer, header, sizeof header);
	return begin;
}

void
frame_end(struct buffer *buffer, size_t begin)
{
	uint8_t *header;
	size_t body_size;

	if (buffer->failed)
		return;
	CHECK(buffer->size >= begin + FRAME_HEADER_SIZE);
	header = buffer->bytes + begin;
	body_size = buffer->size - begin - FRAME_HEADER_SIZE;
	CHECK(body_size <= UINT32_MAX);
	store_u32(header + LENGTH_AT, (uint32_t)body_size);
	store_u32(header + CHECKSUM_AT, frame_checksum(header, body_size));
}

const char *
frame_type_name(uint8_t type)
{
	switch (type) {
#define FRAME(name, number, text)                                                                  \
	case (number):                                                                             \
		return #name;
#include "shared/frames.def"
#undef FRAME
	default: return "?";
	}
}
