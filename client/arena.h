/* Memory of one result: given out piece by piece, freed all at once.  Running out is remembered. */
#ifndef CLIENT_ARENA_H
#define CLIENT_ARENA_H

#include <stdbool.h>

#include "shared/buffer.h"

struct arena_chunk;

/* A zeroed struct is a valid empty arena. */
struct arena {
	struct arena_chunk *chunks;
	bool has_failed; /* an allocation failed; the arena stays usable and must be checked at the
	                    end */
};

/* SIZE zeroed bytes, aligned for any type; NULL when memory ran out. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of BYTES with a zero byte after it; NULL when there are none (absent), or on failure. */
const char *arena_copy(struct arena *arena, struct slice bytes);

/* Forget the content, keep a little memory for the next. */
void arena_clear(struct arena *arena);
void arena_fini(struct arena *arena);

#endif
