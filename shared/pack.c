/* MessagePack: written with msgpack-c's packer, read by a cursor that trusts nothing. */
#include "shared/pack.h"

#include <msgpack.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/utf8.h"

/* ---- writing ---- */

/* msgpack-c hands over each head and each payload apart; most fit the room that is there. */
static inline int
append(void *data, const char *bytes, size_t size)
{
	struct buffer *buffer = data;

	if (buffer->failed || size > buffer->capacity - buffer->size) {
		buffer_append(buffer, bytes, size);
		return buffer->failed ? -1 : 0;
	}
	if (size > 0)
		memcpy(buffer->bytes + buffer->size, bytes, size);
	buffer->size += size;
	return 0;
}

void
pack_array(struct buffer *buffer, uint32_t count)
{
	msgpack_packer packer = {buffer, append};

	msgpack_pack_array(&packer, count);
}

void
pack_nil(struct buffer *buffer)
{
	msgpack_packer packer = {buffer, append};

	msgpack_pack_nil(&packer);
}

void
pack_bool(struct buffer *buffer, bool value)
{
	msgpack_packer packer = {buffer, append};

	if (value)
		msgpack_pack_true(&packer);
	else
		msgpack_pack_false(&packer);
}

void
pack_u64(struct buffer *buffer, uint64_t value)
{
	msgpack_packer packer = {buffer, append};

	msgpack_pack_uint64(&packer, value);
}

void
pack_i64(struct buffer *buffer, int64_t value)
{
	msgpack_packer packer = {buffer, append};

	msgpack_pack_int64(&packer, value);
}

void
pack_string(struct buffer *buffer, struct slice text)
{
	msgpack_packer packer = {buffer, append};

	CHECK(text.size <= UINT32_MAX);

	msgpack_pack_str(&packer, text.size);
	append(buffer, (const char *)text.bytes, text.size);
}

void
pack_binary(struct buffer *buffer, struct slice bytes)
{
	msgpack_packer packer = {buffer, append};

	CHECK(bytes.size <= UINT32_MAX);

	if (bytes.bytes == NULL) {
		msgpack_pack_nil(&packer);
		return;
	}
	msgpack_pack_bin(&packer, bytes.size);
	append(buffer, (const char *)bytes.bytes, bytes.size);
}

void
pack_raw(struct buffer *buffer, struct slice packed)
{
	append(buffer, (const char *)packed.bytes, packed.size);
}

/* ---- reading ---- */

enum element_kind {
	ELEMENT_NIL,
	ELEMENT_BOOL,
	ELEMENT_UNSIGNED, /* `number` */
	ELEMENT_NEGATIVE, /* `number` is its two's complement */
	ELEMENT_STRING,   /* `bytes` */
	ELEMENT_BINARY,
	ELEMENT_ARRAY, /* `number` elements follow */
};

struct element {
	enum element_kind kind;
	uint64_t number;
	struct slice bytes;
};

void
cursor_init(struct cursor *cursor, struct slice bytes)
{
	static const uint8_t nothing[1];

	*cursor = (struct cursor){.at = nothing, .end = nothing};
	if (bytes.size > 0) {
		cursor->at = bytes.bytes;
		cursor->end = bytes.bytes + bytes.size;
	}
}

void
cursor_fail(struct cursor *cursor)
{
	cursor->failed = true;
}

static size_t
remaining(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

static bool
fail(struct cursor *cursor)
{
	cursor->failed = true;
	return false;
}

/* An integer of SIZE bytes, big endian. */
static bool
read_number(struct cursor *cursor, size_t size, uint64_t *number)
{
	uint64_t value = 0;

	if (remaining(cursor) < size)
		return fail(cursor);
	for (size_t i = 0; i < size; i++)
		value = value << 8 | cursor->at[i];
	cursor->at += size;
	*number = value;
	return true;
}

static bool
read_unsigned(struct cursor *cursor, size_t size, struct element *element)
{
	element->kind = ELEMENT_UNSIGNED;
	return read_number(cursor, size, &element->number);
}

static bool
read_signed(struct cursor *cursor, size_t size, struct element *element)
{
	uint64_t sign = UINT64_C(1) << (size * 8 - 1);

	if (!read_number(cursor, size, &element->number))
		return false;
	element->kind = (element->number & sign) != 0 ? ELEMENT_NEGATIVE : ELEMENT_UNSIGNED;
	if (element->kind == ELEMENT_NEGATIVE)
		element->number |= ~(sign - 1);
	return true;
}

static bool
take_bytes(struct cursor *cursor, enum element_kind kind, uint64_t size, struct element *element)
{
	if (size > remaining(cursor))
		return fail(cursor);
	element->kind = kind;
	element->bytes = (struct slice){cursor->at, (size_t)size};
	cursor->at += size;
	return true;
}

static bool
read_bytes(struct cursor *cursor, enum element_kind kind, size_t size_size, struct element *element)
{
	uint64_t size;

	return read_number(cursor, size_size, &size) && take_bytes(cursor, kind, size, element);
}

/* Every element takes a byte at least, so a count beyond the bytes that remain is a lie. */
static bool
take_array(struct cursor *cursor, uint64_t count, struct element *element)
{
	if (count > remaining(cursor))
		return fail(cursor);
	element->kind = ELEMENT_ARRAY;
	element->number = count;
	return true;
}

static bool
read_array(struct cursor *cursor, size_t count_size, struct element *element)
{
	uint64_t count;

	return read_number(cursor, count_size, &count) && take_array(cursor, count, element);
}

static bool
read_coded(struct cursor *cursor, uint8_t code, struct element *element)
{
	switch (code) {
	case 0xc0: element->kind = ELEMENT_NIL; return true;
	case 0xc2:
	case 0xc3:
		element->kind = ELEMENT_BOOL;
		element->number = code & 1;
		return true;
	case 0xc4: return read_bytes(cursor, ELEMENT_BINARY, 1, element);
	case 0xc5: return read_bytes(cursor, ELEMENT_BINARY, 2, element);
	case 0xc6: return read_bytes(cursor, ELEMENT_BINARY, 4, element);
	case 0xcc: return read_unsigned(cursor, 1, element);
	case 0xcd: return read_unsigned(cursor, 2, element);
	case 0xce: return read_unsigned(cursor, 4, element);
	case 0xcf: return read_unsigned(cursor, 8, element);
	case 0xd0: return read_signed(cursor, 1, element);
	case 0xd1: return read_signed(cursor, 2, element);
	case 0xd2: return read_signed(cursor, 4, element);
	case 0xd3: return read_signed(cursor, 8, element);
	case 0xd9: return read_bytes(cursor, ELEMENT_STRING, 1, element);
	case 0xda: return read_bytes(cursor, ELEMENT_STRING, 2, element);
	case 0xdb: return read_bytes(cursor, ELEMENT_STRING, 4, element);
	case 0xdc: return read_array(cursor, 2, element);
	case 0xdd: return read_array(cursor, 4, element);
	default: return fail(cursor); /* maps, extensions, floating point, reserved */
	}
}

/* One element with its payload; of an array only the head. */
static bool
read_element(struct cursor *cursor, struct element *element)
{
	uint8_t code;

	if (cursor->failed)
		return false;
	if (cursor->at == cursor->end)
		return fail(cursor);
	code = *cursor->at++;
	if (code <= 0x7f) {
		element->kind = ELEMENT_UNSIGNED;
		element->number = code;
		return true;
	}
	if (code >= 0xe0) {
		element->kind = ELEMENT_NEGATIVE;
		element->number = ~UINT64_C(0xff) | code;
		return true;
	}
	if ((code & 0xf0) == 0x90)
		return take_array(cursor, code & 0x0f, element);
	if ((code & 0xe0) == 0xa0)
		return take_bytes(cursor, ELEMENT_STRING, code & 0x1f, element);
	return read_coded(cursor, code, element);
}

/* One element, which must be of KIND. */
static bool
read_kind(struct cursor *cursor, enum element_kind kind, struct element *element)
{
	if (!read_element(cursor, element))
		return false;
	return element->kind == kind || fail(cursor);
}

uint32_t
cursor_array(struct cursor *cursor)
{
	struct element element;

	if (!read_kind(cursor, ELEMENT_ARRAY, &element))
		return 0;
	if (cursor->depth >= PACK_DEPTH_MAX) {
		cursor_fail(cursor);
		return 0;
	}
	cursor->depth++;
	return (uint32_t)element.number;
}

void
cursor_leave(struct cursor *cursor)
{
	if (cursor->failed)
		return;
	CHECK(cursor->depth > 0);
	cursor->depth--;
}

bool
cursor_is_nil(const struct cursor *cursor)
{
	return !cursor->failed && cursor->at < cursor->end && *cursor->at == 0xc0;
}

bool
cursor_nil(struct cursor *cursor)
{
	bool is_nil = cursor_is_nil(cursor);

	if (is_nil)
		cursor->at++;
	return is_nil;
}

bool
cursor_bool(struct cursor *cursor)
{
	struct element element;

	return read_kind(cursor, ELEMENT_BOOL, &element) && element.number != 0;
}

uint64_t
cursor_u64(struct cursor *cursor)
{
	struct element element;

	return read_kind(cursor, ELEMENT_UNSIGNED, &element) ? element.number : 0;
}

int64_t
cursor_i64(struct cursor *cursor)
{
	struct element element;

	if (!read_element(cursor, &element))
		return 0;
	if (element.kind == ELEMENT_NEGATIVE)
		return -(int64_t)~element.number - 1;
	if (element.kind == ELEMENT_UNSIGNED && element.number <= INT64_MAX)
		return (int64_t)element.number;
	cursor_fail(cursor);
	return 0;
}

struct slice
cursor_string(struct cursor *cursor)
{
	struct element element;

	if (!read_kind(cursor, ELEMENT_STRING, &element))
		return (struct slice){NULL, 0};
	if (!utf8_is_valid(element.bytes)) {
		cursor_fail(cursor);
		return (struct slice){NULL, 0};
	}
	return element.bytes;
}

struct slice
cursor_binary(struct cursor *cursor)
{
	struct element element;

	if (cursor_nil(cursor))
		return (struct slice){NULL, 0};
	if (!read_kind(cursor, ELEMENT_BINARY, &element))
		return (struct slice){NULL, 0};
	return element.bytes;
}

void
cursor_skip(struct cursor *cursor, uint32_t count)
{
	uint64_t left[PACK_DEPTH_MAX + 1]; /* elements still to skip, at each level opened here */
	unsigned level = 0;

	left[0] = count;
	for (;;) {
		struct element element;

		while (left[level] == 0) {
			if (level == 0)
				return;
			level--;
		}
		left[level]--;
		if (!read_element(cursor, &element))
			return;
		if (element.kind != ELEMENT_ARRAY)
			continue;
		if (cursor->depth + level >= PACK_DEPTH_MAX) {
			cursor_fail(cursor);
			return;
		}
		left[++level] = element.number;
	}
}

struct slice
cursor_raw(struct cursor *cursor)
{
	const uint8_t *start = cursor->at;

	cursor_skip(cursor, 1);
	if (cursor->failed)
		return (struct slice){NULL, 0};
	return (struct slice){start, (size_t)(cursor->at - start)};
}

int
cursor_finish(const struct cursor *cursor)
{
	return !cursor->failed && cursor->at == cursor->end ? SYNOD_OK : SYNOD_BAD_MESSAGE;
}
