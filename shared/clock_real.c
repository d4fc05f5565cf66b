/* The machine's own clocks and its source of chance. */
#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "shared/check.h"
#include "shared/clock.h"

static struct timespec
read_clock(clockid_t id)
{
	struct timespec now;

	CHECK(clock_gettime(id, &now) == 0);
	return now;
}

static uint64_t
real_now_us(struct clock *clock)
{
	struct timespec now = read_clock(CLOCK_MONOTONIC);

	(void)clock;
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t
real_wall_ms(struct clock *clock)
{
	struct timespec now = read_clock(CLOCK_REALTIME);

	(void)clock;
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Secrets come from here, so there is no weaker source to fall back on. */
static void
real_random(struct clock *clock, void *bytes, size_t size)
{
	uint8_t *at = bytes;

	(void)clock;
	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);

		if (got < 0) {
			CHECK(errno == EINTR);
			continue;
		}
		at += got;
		size -= (size_t)got;
	}
}

struct clock *
clock_real(void)
{
	static const struct clock_ops ops = {
		.now_us = real_now_us,
		.wall_ms = real_wall_ms,
		.random = real_random,
	};
	static struct clock clock = {&ops};

	return &clock;
}
