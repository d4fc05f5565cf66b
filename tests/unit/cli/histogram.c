/* Quantiles of a log-linear histogram. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/histogram.h"

static struct histogram *
new_histogram(void)
{
	struct histogram *histogram = calloc(1, sizeof *histogram);

	assert_non_null(histogram);
	return histogram;
}

static void
is_exact_for_small_values(void **state)
{
	struct histogram *histogram = new_histogram();

	(void)state;
	for (uint64_t value = 1; value <= 100; value++)
		histogram_record(histogram, value);
	assert_int_equal(histogram_quantile(histogram, 0.5), 50);
	assert_int_equal(histogram_quantile(histogram, 0.9), 90);
	assert_int_equal(histogram_quantile(histogram, 0.99), 99);
	assert_int_equal(histogram_quantile(histogram, 1), 100);
	assert_int_equal(histogram_quantile(histogram, 0), 1);
	free(histogram);
}

static void
never_answers_less_nor_a_step_more_than_the_value(void **state)
{
	(void)state;
	for (uint64_t value = 1; value < UINT64_C(1) << 41; value = value * 3 + 1) {
		struct histogram *histogram = new_histogram();
		uint64_t median;

		histogram_record(histogram, value);
		histogram_record(histogram, value);
		histogram_record(histogram, UINT64_C(1) << 41); /* so that max does not help */
		median = histogram_quantile(histogram, 0.5);
		assert_true(median >= value);
		assert_true(median - value <= value / HISTOGRAM_STEPS);
		free(histogram);
	}
}

static void
keeps_the_exact_maximum(void **state)
{
	struct histogram *histogram = new_histogram();

	(void)state;
	histogram_record(histogram, 1000001);
	histogram_record(histogram, 1);
	assert_int_equal(histogram_quantile(histogram, 1), 1000001);
	assert_int_equal(histogram->max, 1000001);
	free(histogram);
}

static void
counts_values_beyond_its_range_as_the_largest(void **state)
{
	struct histogram *histogram = new_histogram();

	(void)state;
	histogram_record(histogram, UINT64_MAX);
	histogram_record(histogram, 5);
	assert_int_equal(histogram->count, 2);
	assert_int_equal(histogram_quantile(histogram, 0.5), 5);
	assert_true(histogram_quantile(histogram, 1) == UINT64_MAX);
	free(histogram);
}

static void
merges_as_if_all_had_been_recorded_in_one(void **state)
{
	struct histogram *one = new_histogram();
	struct histogram *left = new_histogram();
	struct histogram *right = new_histogram();

	(void)state;
	for (uint64_t value = 1; value <= 10000; value++) {
		histogram_record(one, value * 37);
		histogram_record(value % 3 ? left : right, value * 37);
	}
	histogram_merge(left, right);
	assert_int_equal(left->count, one->count);
	assert_int_equal(left->max, one->max);
	for (double fraction = 0; fraction <= 1; fraction += 0.001)
		assert_int_equal(histogram_quantile(left, fraction),
		                 histogram_quantile(one, fraction));
	free(one);
	free(left);
	free(right);
}

static void
answers_zero_when_empty(void **state)
{
	struct histogram *histogram = new_histogram();

	(void)state;
	assert_int_equal(histogram_quantile(histogram, 0.5), 0);
	free(histogram);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_exact_for_small_values),
		cmocka_unit_test(never_answers_less_nor_a_step_more_than_the_value),
		cmocka_unit_test(keeps_the_exact_maximum),
		cmocka_unit_test(counts_values_beyond_its_range_as_the_largest),
		cmocka_unit_test(merges_as_if_all_had_been_recorded_in_one),
		cmocka_unit_test(answers_zero_when_empty),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
