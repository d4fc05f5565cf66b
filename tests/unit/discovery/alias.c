/* The alias table gives each item exactly its share of the columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/discovery/alias.h"

#define COUNT_MAX 10000

static uint32_t weights[COUNT_MAX];

static uint32_t
weight_at(const void *context, size_t index)
{
	(void)context;
	return weights[index];
}

/* What the columns add up to, against the weights. */
static void
assert_exact(size_t count)
{
	struct alias_column *columns = alias_new(count, weight_at, NULL);
	double *shares = calloc(count, sizeof *shares), total = 0;

	assert_non_null(columns);
	assert_non_null(shares);
	for (size_t i = 0; i < count; i++) {
		double own = (columns[i].threshold + 0.5) / 4294967296.0;

		assert_in_range(columns[i].other, 0, count - 1);
		shares[i] += own;
		shares[columns[i].other] += 1 - own;
		total += weights[i];
	}
	for (size_t i = 0; i < count; i++) {
		double expected = weights[i] * (double)count / total;
		double error = shares[i] - expected;

		assert_true(error < 1e-5 && error > -1e-5);
	}
	free(shares);
	free(columns);
}

static void
shares_are_those_of_the_weights(void **state)
{
	(void)state;
	for (size_t count = 1; count <= 64; count++) {
		for (size_t i = 0; i < count; i++)
			weights[i] = (uint32_t)(i * i * 7919 % 1009 + 1);
		assert_exact(count);
	}
}

static void
extreme_weights_keep_their_shares(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_MAX; i++)
		weights[i] = i % 100 == 0 ? 65535 : 1;
	assert_exact(COUNT_MAX);
	for (size_t i = 0; i < COUNT_MAX; i++)
		weights[i] = i == COUNT_MAX - 1 ? 65535 : 1;
	assert_exact(COUNT_MAX);
}

static void
equal_weights_need_no_other(void **state)
{
	struct alias_column *columns;

	(void)state;
	for (size_t i = 0; i < 7; i++)
		weights[i] = 100;
	columns = alias_new(7, weight_at, NULL);
	assert_non_null(columns);
	for (uint64_t i = 0; i < 7; i++) {
		/* The first and the last random number that fall into the column. */
		uint64_t begin = ((i << 32) + 6) / 7, end = (((i + 1) << 32) + 6) / 7 - 1;

		assert_int_equal(alias_pick(columns, 7, begin << 32), i);
		assert_int_equal(alias_pick(columns, 7, end << 32 | UINT32_MAX), i);
	}
	free(columns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_those_of_the_weights),
		cmocka_unit_test(extreme_weights_keep_their_shares),
		cmocka_unit_test(equal_weights_need_no_other),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
