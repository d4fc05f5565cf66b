/*
 * Time and chance, behind an operation table, so that the simulator can replace
 * them.  Nothing else in Synod reads a clock or draws a random number.
 */
#ifndef SHARED_CLOCK_H
#define SHARED_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock;

struct clock_ops {
	uint64_t (*now_us)(struct clock *clock);  /* monotonic, since an arbitrary point */
	uint64_t (*wall_ms)(struct clock *clock); /* Unix time */
	/* SIZE unpredictable bytes (getrandom). */
	void (*random)(struct clock *clock, void *bytes, size_t size);
};

struct clock {
	const struct clock_ops *ops;
};

/* The machine's own; one static object, any thread. */
struct clock *clock_real(void);

static inline uint64_t
clock_now_us(struct clock *clock)
{
	return clock->ops->now_us(clock);
}
static inline uint64_t
clock_now_ms(struct clock *clock)
{
	return clock->ops->now_us(clock) / 1000;
}
static inline uint64_t
clock_wall_ms(struct clock *clock)
{
	return clock->ops->wall_ms(clock);
}
static inline uint64_t
clock_random(struct clock *clock)
{
	uint64_t value;

	clock->ops->random(clock, &value, sizeof value);
	return value;
}

#endif
