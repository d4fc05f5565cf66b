/* The machine's own clocks and source of chance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/clock.h"

static void
never_goes_back(void **state)
{
	uint64_t before = clock_now_us(clock_real());

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t now = clock_now_us(clock_real());

		assert_true(now >= before);
		before = now;
	}
	/* It also moves, or alarm() ends this. */
	while (clock_now_us(clock_real()) == before)
		;
}

static void
counts_milliseconds_of_the_same_clock(void **state)
{
	uint64_t before_us = clock_now_us(clock_real());
	uint64_t now_ms = clock_now_ms(clock_real());
	uint64_t after_us = clock_now_us(clock_real());

	(void)state;
	assert_in_range(now_ms, before_us / 1000, after_us / 1000);
}

static void
tells_unix_time_in_milliseconds(void **state)
{
	uint64_t before_ms = (uint64_t)time(NULL) * 1000;
	uint64_t wall_ms = clock_wall_ms(clock_real());

	(void)state;
	/* time() may lag by a tick, and nobody sets the clock back by a minute during a test. */
	assert_in_range(wall_ms, before_ms - 60000, before_ms + 60000);
}

static void
fills_every_byte_with_chance(void **state)
{
	uint8_t bytes[1000];
	uint8_t seen[sizeof bytes] = {0};

	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		clock_real()->ops->random(clock_real(), bytes, sizeof bytes);
		for (size_t i = 0; i < sizeof bytes; i++)
			seen[i] |= bytes[i];
	}
	/* A byte that is zero eight times over: once in 2^64. */
	for (size_t i = 0; i < sizeof bytes; i++)
		assert_int_not_equal(seen[i], 0);
	assert_true(clock_random(clock_real()) != clock_random(clock_real()));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_goes_back),
		cmocka_unit_test(counts_milliseconds_of_the_same_clock),
		cmocka_unit_test(tells_unix_time_in_milliseconds),
		cmocka_unit_test(fills_every_byte_with_chance),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
