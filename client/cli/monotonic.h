/* The monotonic clock, and waiting. */
#ifndef CLIENT_CLI_MONOTONIC_H
#define CLIENT_CLI_MONOTONIC_H

#include <stdint.h>
#include <time.h>

#define NANOSECONDS_PER_MS     UINT64_C(1000000)
#define NANOSECONDS_PER_SECOND UINT64_C(1000000000)

static inline uint64_t
monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Returns early when a signal arrives. */
static inline void
monotonic_sleep_ms(unsigned ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&pause, NULL);
}

#endif
