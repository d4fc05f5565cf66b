/* Sizes, counts and times, read and printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "client/cli/units.h"

static void
reads_whole_numbers_and_nothing_else(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "1x", "0x10", "1.5", "18446744073709551616"};
	uint64_t number;

	(void)state;
	assert_true(parse_count("0", &number) && number == 0);
	assert_true(parse_count("18446744073709551615", &number) && number == UINT64_MAX);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(parse_count(bad[i], &number));
}

static void
reads_sizes_with_units(void **state)
{
	uint64_t bytes;

	(void)state;
	assert_true(parse_size("256", &bytes) && bytes == 256);
	assert_true(parse_size("64k", &bytes) && bytes == 65536);
	assert_true(parse_size("1M", &bytes) && bytes == 1048576);
	assert_false(parse_size("1MB", &bytes));
	assert_false(parse_size("k", &bytes));
	assert_false(parse_size("18446744073709551615k", &bytes));
}

static void
reads_seconds_as_milliseconds(void **state)
{
	uint64_t ms;

	(void)state;
	assert_true(parse_seconds("5", &ms) && ms == 5000);
	assert_true(parse_seconds("0.25", &ms) && ms == 250);
	assert_true(parse_seconds("1.0019", &ms) && ms == 1001);
	assert_false(parse_seconds("-1", &ms));
	assert_false(parse_seconds("1s", &ms));
	assert_false(parse_seconds(".5", &ms));
	assert_false(parse_seconds("1000001", &ms));
}

static void
prints_sizes_in_the_largest_fitting_unit(void **state)
{
	char text[UNIT_TEXT_SIZE];

	(void)state;
	assert_string_equal(format_size(text, 0), "0 B");
	assert_string_equal(format_size(text, 1023), "1023 B");
	assert_string_equal(format_size(text, 1024), "1.0 KiB");
	assert_string_equal(format_size(text, 12897484), "12.3 MiB");
	assert_string_equal(format_size(text, 1048575), "1.0 MiB");
	assert_string_equal(format_size(text, UINT64_MAX), "16.0 EiB");
}

static void
separates_thousands(void **state)
{
	char text[UNIT_TEXT_SIZE];

	(void)state;
	assert_string_equal(format_count(text, 0), "0");
	assert_string_equal(format_count(text, 999), "999");
	assert_string_equal(format_count(text, 4212), "4,212");
	assert_string_equal(format_count(text, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void
prints_times_as_people_say_them(void **state)
{
	char text[UNIT_TEXT_SIZE];

	(void)state;
	assert_string_equal(format_us(text, 999), "999 us");
	assert_string_equal(format_us(text, 1234), "1.2 ms");
	assert_string_equal(format_us(text, 999960), "1.0 s");
	assert_string_equal(format_uptime(text, 59999), "59s");
	assert_string_equal(format_uptime(text, 61000), "1m01s");
	assert_string_equal(format_uptime(text, 11520000), "3h12m");
	assert_string_equal(format_uptime(text, 90000000), "1d01h");
	assert_string_equal(format_time(text, 1769860800123), "2026-01-31T12:00:00.123Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_whole_numbers_and_nothing_else),
		cmocka_unit_test(reads_sizes_with_units),
		cmocka_unit_test(reads_seconds_as_milliseconds),
		cmocka_unit_test(prints_sizes_in_the_largest_fitting_unit),
		cmocka_unit_test(separates_thousands),
		cmocka_unit_test(prints_times_as_people_say_them),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
