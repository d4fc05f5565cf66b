/*
 * A histogram of times with a bounded relative error, in the manner of HdrHistogram.
 *
 * Below HISTOGRAM_STEPS every value has its own bucket.  Above, each power of two
 * is divided into HISTOGRAM_STEPS equal buckets, so that a bucket is at most
 * 1/HISTOGRAM_STEPS of its values wide.  Recording is a few instructions and
 * never allocates.
 */
#ifndef CLIENT_CLI_HISTOGRAM_H
#define CLIENT_CLI_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS_LOG2 7
#define HISTOGRAM_STEPS      (1u << HISTOGRAM_STEPS_LOG2)
#define HISTOGRAM_VALUE_LOG2                                                                       \
	42 /* larger values count as the largest: in nanoseconds, 73 minutes                       \
	    */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_VALUE_LOG2 - HISTOGRAM_STEPS_LOG2 + 1) * HISTOGRAM_STEPS)

/* A zeroed struct is a valid empty histogram. */
struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t count;
	uint64_t max;
};

void histogram_record(struct histogram *histogram, uint64_t value);

/* Add all of OTHER. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/*
 * The least value that FRACTION (0 to 1) of all values do not exceed: exact for
 * the largest, else at most 1/HISTOGRAM_STEPS too large.  0 when empty.
 */
uint64_t histogram_quantile(const struct histogram *histogram, double fraction);

#endif
