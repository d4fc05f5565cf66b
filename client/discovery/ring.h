/*
 * The ring of consistent hashing with several probes: which of many a key belongs to.
 *
 * Each item is one point, at its own key.  A key is hashed to RING_PROBES places; of
 * the items that follow these clockwise the nearest has it (B. Appleton and M. O'Reilly,
 * "Multi-probe consistent hashing", 2015).  With 21 probes the largest share is about
 * 1.05 of the mean, for which a ring of one probe needs hundreds of points per item.
 * Distances are divided by the weights: exact while no weight is much above the mean,
 * because an item owns no more than its own gap and what the probes find in it.
 *
 * Points are put into as many buckets as there are points, by their upper bits: that
 * sorts them in one pass, and a probe finds its successor at once.
 */
#ifndef CLIENT_DISCOVERY_RING_H
#define CLIENT_DISCOVERY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_PROBES 21
#define RING_NONE   SIZE_MAX

struct ring;

struct ring_item {
	uint64_t key; /* evenly spread, such as a hash */
	uint32_t weight;
};

/* COUNT (1 to 2^31) items, ITEM(CONTEXT, index).  NULL when memory ran out. */
struct ring *ring_new(size_t count, struct ring_item (*item)(const void *context, size_t index),
                      const void *context);
void ring_free(struct ring *ring); /* accepts NULL */

/*
 * The index of the item to which the key of the hash LOW, HIGH belongs, of those that HAS_ROOM:
 * the nearest of the probes, else the next one clockwise.  RING_NONE if none has.
 */
size_t ring_find(const struct ring *ring, uint64_t low, uint64_t high,
                 bool (*has_room)(void *context, size_t index), void *context);

#endif
