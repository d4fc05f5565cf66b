/*
 * The alias table: one of many at random, in proportion to their weights, in one
 * step (A. Walker, 1974), made in one pass (M. Vose, 1991).
 *
 * Each of the N columns is 1/N wide and holds two items at most: its own, up to a
 * threshold, and another one, its alias, above.
 */
#ifndef CLIENT_DISCOVERY_ALIAS_H
#define CLIENT_DISCOVERY_ALIAS_H

#include <stddef.h>
#include <stdint.h>

struct alias_column {
	uint32_t threshold; /* of 2^32: below it is the column's own item */
	uint32_t other;
};

/* COUNT (at least 1) columns for the weights WEIGHT(CONTEXT, index), which are positive; free() it.
 * NULL when memory ran out. */
struct alias_column *alias_new(size_t count, uint32_t (*weight)(const void *context, size_t index),
                               const void *context);

/* RANDOM: 64 random bits. */
static inline size_t
alias_pick(const struct alias_column *columns, size_t count, uint64_t random)
{
	size_t index = (size_t)((random >> 32) * count >> 32);

	return (uint32_t)random < columns[index].threshold ? index : columns[index].other;
}

#endif
