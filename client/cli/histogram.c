/* Counts values in log-linear buckets. */
#include "client/cli/histogram.h"

#include <stddef.h>

static size_t
bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_STEPS)
		return (size_t)value;
	if (value >> HISTOGRAM_VALUE_LOG2)
		return HISTOGRAM_BUCKETS - 1;
	shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEPS_LOG2;
	return ((size_t)shift << HISTOGRAM_STEPS_LOG2) + (size_t)(value >> shift);
}

/* The largest value that BUCKET counts. */
static uint64_t
bucket_top(size_t bucket)
{
	size_t shift;

	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	shift = (bucket >> HISTOGRAM_STEPS_LOG2) - 1;
	return ((uint64_t)(bucket - (shift << HISTOGRAM_STEPS_LOG2) + 1) << shift) - 1;
}

void
histogram_record(struct histogram *histogram, uint64_t value)
{
	histogram->counts[bucket_of(value)]++;
	histogram->count++;
	if (value > histogram->max)
		histogram->max = value;
}

void
histogram_merge(struct histogram *histogram, const struct histogram *other)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->counts[i] += other->counts[i];
	histogram->count += other->count;
	if (other->max > histogram->max)
		histogram->max = other->max;
}

uint64_t
histogram_quantile(const struct histogram *histogram, double fraction)
{
	double exact = fraction * (double)histogram->count;
	uint64_t wanted = (uint64_t)exact;
	uint64_t seen = 0;

	if ((double)wanted < exact || wanted == 0)
		wanted++;
	if (wanted >= histogram->count)
		return histogram->max;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen >= wanted)
			return bucket_top(i) < histogram->max ? bucket_top(i) : histogram->max;
	}
	return histogram->max;
}
