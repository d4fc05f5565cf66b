/* Interning: one arena of bytes, one hash table of numbers. */
#include "tests/sim/exhaustive_intern.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shared/check.h"

const void *
intern_get(const struct intern *intern, uint32_t number, size_t *size)
{
	CHECK(number < intern->count);
	*size = intern->starts[number + 1] - intern->starts[number];
	return intern->bytes + intern->starts[number];
}

/* The place in the table of BYTES, taken by them or free. */
static uint32_t *
place(const struct intern *intern, const void *bytes, size_t size)
{
	uint32_t mask = intern->table_capacity - 1;
	uint32_t at = (uint32_t)XXH3_64bits(bytes, size) & mask;

	for (;; at = (at + 1) & mask) {
		size_t other_size;
		const void *other;

		if (intern->table[at] == 0)
			return &intern->table[at];
		other = intern_get(intern, intern->table[at] - 1, &other_size);
		if (other_size == size && memcmp(other, bytes, size) == 0)
			return &intern->table[at];
	}
}

static void
grow_table(struct intern *intern)
{
	free(intern->table);
	intern->table_capacity = intern->table_capacity == 0 ? 1024 : 2 * intern->table_capacity;
	intern->table = check_calloc(intern->table_capacity, sizeof(*intern->table));
	for (uint32_t number = 0; number < intern->count; number++) {
		size_t size;
		const void *bytes = intern_get(intern, number, &size);

		*place(intern, bytes, size) = number + 1;
	}
}

static void
make_room(struct intern *intern, size_t size)
{
	if (intern->size + size > intern->capacity) {
		intern->capacity = 2 * (intern->size + size) + 4096;
		intern->bytes = check_realloc(intern->bytes, intern->capacity);
	}
	if (intern->count + 2 > intern->start_capacity) {
		intern->start_capacity = 2 * intern->start_capacity + 256;
		intern->starts = check_realloc(intern->starts,
		                               intern->start_capacity * sizeof(*intern->starts));
	}
	if (2 * (intern->count + 1) > intern->table_capacity)
		grow_table(intern);
}

uint32_t
intern_add(struct intern *intern, const void *bytes, size_t size)
{
	uint32_t *found;

	make_room(intern, size);
	found = place(intern, bytes, size);
	if (*found != 0)
		return *found - 1;
	memcpy(intern->bytes + intern->size, bytes, size);
	intern->starts[intern->count] = intern->size;
	intern->size += size;
	intern->count++;
	intern->starts[intern->count] = intern->size;
	*found = intern->count;
	return intern->count - 1;
}

void
intern_fini(struct intern *intern)
{
	free(intern->bytes);
	free(intern->starts);
	free(intern->table);
	memset(intern, 0, sizeof(*intern));
}
