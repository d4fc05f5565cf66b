/* A growable array of bytes that remembers a failed allocation until somebody asks. */
#include "shared/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"

#define CAPACITY_MIN  256
#define CAPACITY_KEPT (1u << 20)

void
buffer_fini(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = BUFFER_EMPTY;
}

void
buffer_clear(struct buffer *buffer)
{
	if (buffer->capacity > CAPACITY_KEPT) {
		buffer_fini(buffer);
		return;
	}
	buffer->size = 0;
	buffer->failed = 0;
}

/* Double, so that appending N bytes one by one copies O(N) of them. */
static size_t
next_capacity(size_t capacity, size_t needed)
{
	if (capacity < CAPACITY_MIN)
		capacity = CAPACITY_MIN;
	while (capacity < needed) {
		if (capacity > SIZE_MAX / 2)
			return needed;
		capacity *= 2;
	}
	return capacity;
}

uint8_t *
buffer_reserve(struct buffer *buffer, size_t size)
{
	size_t capacity;
	uint8_t *bytes;

	if (buffer->failed)
		return NULL;
	if (buffer->bytes != NULL && size <= buffer->capacity - buffer->size)
		return buffer->bytes + buffer->size;
	if (size > PTRDIFF_MAX - buffer->size) {
		buffer->failed = 1;
		return NULL;
	}
	capacity = next_capacity(buffer->capacity, buffer->size + size);
	bytes = realloc(buffer->bytes, capacity);
	if (bytes == NULL) {
		buffer->failed = 1;
		return NULL;
	}
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return bytes + buffer->size;
}

void
buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
	uint8_t *room;

	if (size == 0)
		return;
	room = buffer_reserve(buffer, size);
	if (room == NULL)
		return;
	memcpy(room, bytes, size);
	buffer->size += size;
}

void
buffer_consume(struct buffer *buffer, size_t size)
{
	CHECK(size <= buffer->size);

	if (size == 0)
		return;
	buffer->size -= size;
	memmove(buffer->bytes, buffer->bytes + size, buffer->size);
}

int
slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

int
slice_compare(struct slice a, struct slice b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common > 0 ? memcmp(a.bytes, b.bytes, common) : 0;

	if (order != 0)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}

struct slice
slice_of(const char *text)
{
	return (struct slice){(const uint8_t *)text, strlen(text)};
}
