/* Memory of one result, in chunks that grow with what is asked for. */
#include "client/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE      4096
#define CHUNK_SIZE_KEPT 65536

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) unsigned char bytes[];
};

static struct arena_chunk *
chunk_new(struct arena *arena, size_t needed)
{
	size_t size = needed > CHUNK_SIZE ? needed : CHUNK_SIZE;
	struct arena_chunk *chunk = NULL;

	if (size <= PTRDIFF_MAX - sizeof *chunk)
		chunk = malloc(sizeof *chunk + size);
	if (chunk == NULL) {
		arena->has_failed = true;
		return NULL;
	}
	chunk->size = size;
	chunk->used = 0;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	const size_t unit = alignof(max_align_t);
	struct arena_chunk *chunk = arena->chunks;
	size_t needed = size > PTRDIFF_MAX - unit ? size : (size + unit - 1) / unit * unit;
	void *memory;

	if (chunk == NULL || chunk->size - chunk->used < needed)
		chunk = chunk_new(arena, needed);
	if (chunk == NULL)
		return NULL;
	memory = chunk->bytes + chunk->used;
	chunk->used += needed;
	return memset(memory, 0, size);
}

const char *
arena_copy(struct arena *arena, struct slice bytes)
{
	char *copy;

	if (bytes.bytes == NULL)
		return NULL;
	copy = arena_alloc(arena, bytes.size + 1);
	if (copy != NULL && bytes.size > 0)
		memcpy(copy, bytes.bytes, bytes.size);
	return copy;
}

void
arena_clear(struct arena *arena)
{
	struct arena_chunk *kept = NULL;
	struct arena_chunk *next;

	for (struct arena_chunk *chunk = arena->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		if (kept == NULL && chunk->size <= CHUNK_SIZE_KEPT)
			kept = chunk;
		else
			free(chunk);
	}
	if (kept != NULL) {
		kept->next = NULL;
		kept->used = 0;
	}
	arena->chunks = kept;
	arena->has_failed = false;
}

void
arena_fini(struct arena *arena)
{
	arena_clear(arena);
	free(arena->chunks);
	arena->chunks = NULL;
}
