/* The ring of consistent hashing, in buckets. */
#include <stdlib.h>

#include "client/discovery/ring.h"

struct point {
	uint64_t at;
	uint32_t index;
	float inverse_weight;
};

struct ring {
	size_t count;
	unsigned shift;   /* a place's bucket is its upper 64 - SHIFT bits */
	uint32_t *begins; /* of each bucket, and the end of the last */
	struct point *points;
};

static int
compare_points(const void *a, const void *b)
{
	const struct point *left = a, *right = b;

	if (left->at != right->at)
		return left->at < right->at ? -1 : 1;
	return left->index < right->index ? -1 : left->index > right->index;
}

/* Keys are evenly spread, so that buckets hold one or two points: but anybody may choose ids. */
static void
sort_bucket(struct point *points, size_t count)
{
	if (count > 16) {
		qsort(points, count, sizeof *points, compare_points);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		struct point point = points[i];
		size_t hole = i;

		for (; hole > 0 && compare_points(&point, &points[hole - 1]) < 0; hole--)
			points[hole] = points[hole - 1];
		points[hole] = point;
	}
}

static void
fill(struct ring *ring, struct ring_item (*item)(const void *context, size_t index),
     const void *context)
{
	size_t bucket_count = (size_t)1 << (64 - ring->shift);
	uint32_t *ends = ring->begins + 1;

	for (size_t i = 0; i < ring->count; i++)
		ends[item(context, i).key >> ring->shift]++;
	for (size_t bucket = 1; bucket < bucket_count; bucket++)
		ends[bucket] += ends[bucket - 1];
	/* From the end of each bucket down: afterwards its end has become its begin. */
	for (size_t i = ring->count; i-- > 0;) {
		struct ring_item it = item(context, i);

		ring->points[--ends[it.key >> ring->shift]] =
			(struct point){it.key, (uint32_t)i, 1.0F / (float)it.weight};
	}
	for (size_t bucket = 0; bucket < bucket_count; bucket++)
		ring->begins[bucket] = ends[bucket];
	ring->begins[bucket_count] = (uint32_t)ring->count;
	for (size_t bucket = 0; bucket < bucket_count; bucket++)
		sort_bucket(ring->points + ring->begins[bucket],
		            ring->begins[bucket + 1] - ring->begins[bucket]);
}

struct ring *
ring_new(size_t count, struct ring_item (*item)(const void *context, size_t index),
         const void *context)
{
	struct ring *ring = calloc(1, sizeof *ring);
	unsigned bits = 1;

	if (ring == NULL)
		return NULL;
	while ((size_t)1 << bits < count)
		bits++;
	ring->count = count;
	ring->shift = 64 - bits;
	ring->begins = calloc(((size_t)1 << bits) + 1, sizeof *ring->begins);
	ring->points = malloc(count * sizeof *ring->points);
	if (ring->begins == NULL || ring->points == NULL) {
		ring_free(ring);
		return NULL;
	}
	fill(ring, item, context);
	return ring;
}

void
ring_free(struct ring *ring)
{
	if (ring == NULL)
		return;
	free(ring->begins);
	free(ring->points);
	free(ring);
}

/* The first point at or after PLACE, clockwise. */
static size_t
successor(const struct ring *ring, uint64_t place)
{
	size_t at = ring->begins[place >> ring->shift];

	while (at < ring->count && ring->points[at].at < place)
		at++;
	return at < ring->count ? at : 0;
}

size_t
ring_find(const struct ring *ring, uint64_t low, uint64_t high,
          bool (*has_room)(void *context, size_t index), void *context)
{
	size_t found = RING_NONE;
	size_t first = successor(ring, low);
	float nearest = 0;

	for (unsigned probe = 0; probe < RING_PROBES; probe++) {
		/* Double hashing; an odd step never comes back to the same place. */
		uint64_t place = low + probe * (high | 1);
		const struct point *point = &ring->points[successor(ring, place)];
		float distance = (float)((point->at - place) >> 1) * point->inverse_weight;

		if (found != RING_NONE && distance >= nearest)
			continue;
		if (!has_room(context, point->index))
			continue;
		nearest = distance;
		found = point->index;
	}
	for (size_t step = 0; found == RING_NONE && step < ring->count; step++) {
		size_t at = first + step < ring->count ? first + step : first + step - ring->count;

		if (has_room(context, ring->points[at].index))
			found = ring->points[at].index;
	}
	return found;
}
