/*
 * The MessagePack cursor against msgpack-c: what we accept it accepts, with the
 * same values; what it accepts and is made of the types that we speak, we accept.
 */
#include <msgpack.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
compare_bytes(struct slice slice, const char *bytes, size_t size)
{
	CHECK(slice.size == size);
	CHECK(size == 0 || memcmp(slice.bytes, bytes, size) == 0);
}

/* A string that is no UTF-8 can be skipped and not read. */
static void
compare_string(struct cursor *cursor, const char *bytes, size_t size)
{
	struct cursor attempt = *cursor;
	struct slice slice = cursor_string(&attempt);

	if (attempt.failed) {
		cursor_skip(cursor, 1);
		return;
	}
	compare_bytes(slice, bytes, size);
	*cursor = attempt;
}

static void
compare(struct cursor *cursor, const msgpack_object *object)
{
	switch (object->type) {
	case MSGPACK_OBJECT_NIL: CHECK(cursor_nil(cursor)); break;
	case MSGPACK_OBJECT_BOOLEAN: CHECK(cursor_bool(cursor) == object->via.boolean); break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER: CHECK(cursor_u64(cursor) == object->via.u64); break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER: CHECK(cursor_i64(cursor) == object->via.i64); break;
	case MSGPACK_OBJECT_STR:
		compare_string(cursor, object->via.str.ptr, object->via.str.size);
		break;
	case MSGPACK_OBJECT_BIN:
		compare_bytes(cursor_binary(cursor), object->via.bin.ptr, object->via.bin.size);
		break;
	case MSGPACK_OBJECT_ARRAY:
		CHECK(cursor_array(cursor) == object->via.array.size);
		for (uint32_t i = 0; i < object->via.array.size; i++)
			compare(cursor, &object->via.array.ptr[i]);
		cursor_leave(cursor);
		break;
	default: CHECK(!"a type that the cursor accepted and must not");
	}
	CHECK(!cursor->failed);
}

/* Written again with our own functions. */
static void
pack_object(struct buffer *out, const msgpack_object *object)
{
	const struct slice nothing = slice_of("");

	switch (object->type) {
	case MSGPACK_OBJECT_NIL: pack_nil(out); break;
	case MSGPACK_OBJECT_BOOLEAN: pack_bool(out, object->via.boolean); break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER: pack_u64(out, object->via.u64); break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER: pack_i64(out, object->via.i64); break;
	case MSGPACK_OBJECT_STR:
		pack_string(out, (struct slice){(const uint8_t *)object->via.str.ptr,
		                                object->via.str.size});
		break;
	case MSGPACK_OBJECT_BIN:
		pack_binary(out, object->via.bin.size == 0
		                         ? nothing
		                         : (struct slice){(const uint8_t *)object->via.bin.ptr,
		                                          object->via.bin.size});
		break;
	case MSGPACK_OBJECT_ARRAY:
		pack_array(out, object->via.array.size);
		for (uint32_t i = 0; i < object->via.array.size; i++)
			pack_object(out, &object->via.array.ptr[i]);
		break;
	default: CHECK(!"a type that the cursor accepted and must not");
	}
}

static void
check_accepted(struct slice element)
{
	const char *bytes = (const char *)element.bytes;
	struct buffer copy = BUFFER_EMPTY;
	msgpack_unpacked unpacked;
	struct cursor cursor;
	size_t used = 0;

	msgpack_unpacked_init(&unpacked);
	CHECK(msgpack_unpack_next(&unpacked, bytes, element.size, &used) == MSGPACK_UNPACK_SUCCESS);
	CHECK(used == element.size);
	cursor_init(&cursor, element);
	compare(&cursor, &unpacked.data);
	CHECK(cursor_finish(&cursor) == SYNOD_OK);

	pack_object(&copy, &unpacked.data);
	CHECK(!copy.failed);
	CHECK(copy.size <= element.size);
	cursor_init(&cursor, buffer_slice(&copy));
	compare(&cursor, &unpacked.data);
	CHECK(cursor_finish(&cursor) == SYNOD_OK);
	buffer_fini(&copy);
	msgpack_unpacked_destroy(&unpacked);
}

/* Made of our types only, and not nested deeper than DEPTH arrays. */
static bool
is_ours(const msgpack_object *object, unsigned depth)
{
	switch (object->type) {
	case MSGPACK_OBJECT_NIL:
	case MSGPACK_OBJECT_BOOLEAN:
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
	case MSGPACK_OBJECT_STR:
	case MSGPACK_OBJECT_BIN: return true;
	case MSGPACK_OBJECT_ARRAY:
		if (depth == 0)
			return false;
		for (uint32_t i = 0; i < object->via.array.size; i++) {
			if (!is_ours(&object->via.array.ptr[i], depth - 1))
				return false;
		}
		return true;
	default: return false;
	}
}

/* msgpack-c reserves memory for what a count promises: keep the large ones from it. */
static bool
promises_little(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] >= 0xdc && bytes[i] <= 0xdf)
			return false;
	}
	return true;
}

static void
check_refused(const uint8_t *bytes, size_t size)
{
	msgpack_unpacked unpacked;
	size_t used = 0;

	if (!promises_little(bytes, size))
		return;
	msgpack_unpacked_init(&unpacked);
	if (msgpack_unpack_next(&unpacked, (const char *)bytes, size, &used) ==
	    MSGPACK_UNPACK_SUCCESS)
		CHECK(!is_ours(&unpacked.data, PACK_DEPTH_MAX));
	msgpack_unpacked_destroy(&unpacked);
}

/* Every reader on the same bytes: none may read outside them. */
static void
read_as_everything(struct slice all)
{
	struct cursor start;
	struct cursor cursor;

	cursor_init(&start, all);
	cursor = start;
	cursor_u64(&cursor);
	cursor = start;
	cursor_i64(&cursor);
	cursor = start;
	cursor_bool(&cursor);
	cursor = start;
	cursor_string(&cursor);
	cursor = start;
	cursor_binary(&cursor);
	cursor = start;
	cursor_skip(&cursor, UINT32_MAX);
	CHECK(cursor.at <= cursor.end);
	cursor = start;
	CHECK(cursor_array(&cursor) <= all.size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice all = {bytes, size};
	struct cursor cursor;
	struct slice element;

	read_as_everything(all);
	cursor_init(&cursor, all);
	element = cursor_raw(&cursor);
	if (cursor.failed)
		check_refused(bytes, size);
	else
		check_accepted(element);
	return 0;
}
