/* A growable array of bytes, and a borrowed run of bytes. */
#ifndef SHARED_BUFFER_H
#define SHARED_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* Bytes owned by somebody else; `bytes` is NULL when there are none ("absent" is not "empty"). */
struct slice {
	const uint8_t *bytes;
	size_t size;
};

struct buffer {
	uint8_t *bytes;
	size_t size;
	size_t capacity;
	int failed; /* an allocation failed; every later append does nothing */
};

/* A zeroed struct is a valid empty buffer. */
#define BUFFER_EMPTY ((struct buffer){0})

void buffer_fini(struct buffer *buffer);

/* Forget the content, keep the memory (up to 1 MiB of it). */
void buffer_clear(struct buffer *buffer);

/* Room for SIZE more bytes; the address to write them to, or NULL when memory ran out. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);

/* Append.  On a failed allocation the buffer is marked failed; check once, at the end. */
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);

/* Drop the first SIZE bytes. */
void buffer_consume(struct buffer *buffer, size_t size);

static inline struct slice
buffer_slice(const struct buffer *buffer)
{
	return (struct slice){buffer->bytes, buffer->size};
}

int slice_equal(struct slice a, struct slice b);

/* memcmp order, the shorter first when one is the other's prefix. */
int slice_compare(struct slice a, struct slice b);

/* From a C string; the terminating zero is not part of it. */
struct slice slice_of(const char *text);

#endif
