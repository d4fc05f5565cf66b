/* Byte strings by number: equal ones get the same number, counted from 0. */
#ifndef TESTS_SIM_EXHAUSTIVE_INTERN_H
#define TESTS_SIM_EXHAUSTIVE_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct intern {
	uint8_t *bytes;
	size_t size, capacity;
	size_t *starts; /* count + 1 of them */
	uint32_t count, start_capacity;
	uint32_t *table; /* open addressing; number + 1, 0 when free */
	uint32_t table_capacity;
};

uint32_t intern_add(struct intern *intern, const void *bytes, size_t size);

/* Valid until the next addition. */
const void *intern_get(const struct intern *intern, uint32_t number, size_t *size);

void intern_fini(struct intern *intern);

#endif
