/* Retries: delays, deadlines, and the budget, by a fake clock; and the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/discovery/retry.h"

#define BEGIN_MS 5000000

static struct synod_retry
begin(const struct synod_retry_options *options)
{
	struct synod_retry retry;

	retry_begin_at(&retry, options, BEGIN_MS);
	retry.random = 0x123456789abcdef;
	return retry;
}

static bool
next(struct synod_retry *retry, uint64_t at_ms)
{
	unsigned delay_ms;

	return retry_next_at(retry, BEGIN_MS + at_ms, &delay_ms);
}

/* ---- attempts and delays ---- */

static void
has_defaults(void **state)
{
	struct synod_retry retry = begin(NULL);

	(void)state;
	assert_int_equal(retry.options.attempts_max, 4);
	assert_int_equal(retry.options.base_ms, 20);
	assert_int_equal(retry.options.delay_max_ms, 2000);
	assert_int_equal(retry.options.deadline_ms, 10000);
	assert_null(retry.options.budget);
	assert_int_equal(retry.attempts, 1);
}

static void
allows_so_many_attempts(void **state)
{
	const struct synod_retry_options once = {.attempts_max = 1};
	struct synod_retry retry = begin(NULL);

	(void)state;
	for (unsigned attempts = 2; attempts <= 4; attempts++) {
		assert_true(next(&retry, 0));
		assert_int_equal(retry.attempts, attempts);
	}
	assert_false(next(&retry, 0));
	assert_int_equal(retry.attempts, 4);
	retry = begin(&once);
	assert_false(next(&retry, 0));
}

/* Delays of the same attempt, many times. */
static void
assert_jitter(unsigned attempts, unsigned bound_ms)
{
	const struct synod_retry_options options = {
		.attempts_max = 100, .base_ms = 20, .delay_max_ms = 1000};
	struct synod_retry retry = begin(&options);
	unsigned least_ms = bound_ms, most_ms = 0;
	double sum_ms = 0, mean_ms;

	for (unsigned i = 0; i < 20000; i++) {
		unsigned delay_ms;

		retry.attempts = attempts;
		assert_true(retry_next_at(&retry, BEGIN_MS, &delay_ms));
		least_ms = delay_ms < least_ms ? delay_ms : least_ms;
		most_ms = delay_ms > most_ms ? delay_ms : most_ms;
		sum_ms += delay_ms;
	}
	mean_ms = sum_ms / 20000;
	assert_in_range(least_ms, 0, bound_ms / 100);
	assert_in_range(most_ms, bound_ms - bound_ms / 100, bound_ms);
	/* Six sigma of the mean are 0.0123 of the bound. */
	assert_true(mean_ms > bound_ms * 0.487 && mean_ms < bound_ms * 0.513);
}

static void
delays_are_anything_up_to_a_bound_that_doubles(void **state)
{
	(void)state;
	assert_jitter(1, 20);
	assert_jitter(2, 40);
	assert_jitter(3, 80);
	assert_jitter(6, 640);
	assert_jitter(7, 1000);
	assert_jitter(99, 1000);
}

static void
the_largest_numbers_do_no_harm(void **state)
{
	const struct synod_retry_options options = {
		.attempts_max = UINT32_MAX,
		.base_ms = UINT32_MAX,
		.delay_max_ms = UINT32_MAX,
		.deadline_ms = UINT32_MAX,
	};
	struct synod_retry retry = begin(&options);

	(void)state;
	retry.attempts = 1000;
	assert_true(next(&retry, 0));
	assert_int_equal(retry.attempts, 1001);
	assert_int_equal(retry_remaining_at(&retry, BEGIN_MS), UINT32_MAX);
}

/* ---- the deadline ---- */

static void
no_attempt_begins_after_the_deadline(void **state)
{
	const struct synod_retry_options options = {.attempts_max = UINT32_MAX,
	                                            .base_ms = 100,
	                                            .delay_max_ms = 100,
	                                            .deadline_ms = 1000};
	struct synod_retry retry = begin(&options);
	unsigned allowed = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		unsigned delay_ms;

		if (!retry_next_at(&retry, BEGIN_MS + 950, &delay_ms))
			continue;
		assert_in_range(delay_ms, 0, 49);
		allowed++;
	}
	assert_in_range(allowed, 400, 600); /* of delays of 0 to 100 those below 50 */
	assert_false(next(&retry, 1000));
	assert_false(next(&retry, 100000));
}

static void
tells_how_much_time_is_left(void **state)
{
	const struct synod_retry_options options = {.deadline_ms = 1000};
	struct synod_retry retry = begin(&options);

	(void)state;
	assert_int_equal(retry_remaining_at(&retry, BEGIN_MS), 1000);
	assert_int_equal(retry_remaining_at(&retry, BEGIN_MS + 999), 1);
	assert_int_equal(retry_remaining_at(&retry, BEGIN_MS + 1000), 0);
	assert_int_equal(retry_remaining_at(&retry, BEGIN_MS + 5000), 0);
}

/* ---- the budget ---- */

static unsigned
take_all(struct synod_retry_budget *budget, uint64_t at_ms)
{
	unsigned taken = 0;

	while (budget_take(budget, at_ms))
		taken++;
	return taken;
}

static void
a_budget_begins_with_ten_seconds_of_its_flow(void **state)
{
	struct synod_retry_budget flows = SYNOD_RETRY_BUDGET(0, 3);
	struct synod_retry_budget still = SYNOD_RETRY_BUDGET(50, 0);

	(void)state;
	assert_int_equal(take_all(&flows, 1), 30);
	assert_int_equal(take_all(&still, BEGIN_MS), 0);
}

static void
tokens_flow_in_with_time(void **state)
{
	struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(0, 4);

	(void)state;
	take_all(&budget, BEGIN_MS);
	assert_int_equal(take_all(&budget, BEGIN_MS + 249), 0);
	assert_int_equal(take_all(&budget, BEGIN_MS + 250), 1);
	assert_int_equal(take_all(&budget, BEGIN_MS + 2250), 8);
	/* Not more than ten seconds' worth. */
	assert_int_equal(take_all(&budget, BEGIN_MS + 1000000), 40);
	/* 35 days later, when a clock of 32 bits has nearly gone around. */
	assert_int_equal(take_all(&budget, BEGIN_MS + (UINT64_C(3) << 30)), 40);
}

static void
each_call_puts_in_its_percentage(void **state)
{
	struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(20, 0);

	(void)state;
	for (unsigned i = 1; i <= 4; i++)
		budget_deposit(&budget, BEGIN_MS);
	assert_int_equal(take_all(&budget, BEGIN_MS), 0);
	budget_deposit(&budget, BEGIN_MS);
	assert_int_equal(take_all(&budget, BEGIN_MS), 1);
	/* A thousand calls' worth, at most. */
	for (unsigned i = 0; i < 5000; i++)
		budget_deposit(&budget, BEGIN_MS);
	assert_int_equal(take_all(&budget, BEGIN_MS), 200);
}

static void
flow_does_not_take_away_what_was_put_in(void **state)
{
	struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(100, 1);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		budget_deposit(&budget, BEGIN_MS);
	assert_int_equal(take_all(&budget, BEGIN_MS + 1000), 60);
}

static void
a_clock_that_another_thread_has_passed_gives_nothing(void **state)
{
	struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(0, 10);

	(void)state;
	take_all(&budget, BEGIN_MS);
	assert_int_equal(take_all(&budget, BEGIN_MS - 5000), 0);
	assert_int_equal(take_all(&budget, BEGIN_MS), 0);
	assert_int_equal(take_all(&budget, BEGIN_MS + 100), 1);
}

static void
an_immense_budget_is_bounded(void **state)
{
	struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(UINT32_MAX, UINT32_MAX);

	(void)state;
	budget_deposit(&budget, BEGIN_MS);
	assert_int_equal(take_all(&budget, BEGIN_MS), UINT32_MAX / 1000);
}

/* Every call fails, again and again: by how much do retries add to the load? */
static void
retries_add_no_more_than_the_percentage(void **state)
{
	struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(20, 0);
	const struct synod_retry_options options = {.budget = &budget};
	unsigned retries = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		struct synod_retry retry = begin(&options);

		while (next(&retry, 0))
			retries++;
	}
	assert_int_equal(retries, 2000);
}

static void
what_is_refused_takes_nothing_from_the_budget(void **state)
{
	struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(100, 0);
	const struct synod_retry_options options = {.budget = &budget, .attempts_max = 2};
	struct synod_retry retry = begin(&options);

	(void)state;
	assert_false(next(&retry, 10000));
	retry.attempts = 2;
	assert_false(next(&retry, 0));
	assert_int_equal(take_all(&budget, BEGIN_MS), 1);
}

#define THREADS 4
#define CALLS   20000

static struct synod_retry_budget shared = SYNOD_RETRY_BUDGET(10, 0);

static void *
call_often(void *context)
{
	const struct synod_retry_options options = {.budget = &shared, .base_ms = 1};
	unsigned *retries = context;

	for (unsigned i = 0; i < CALLS; i++) {
		struct synod_retry retry = begin(&options);

		while (next(&retry, i / 100))
			++*retries;
	}
	return NULL;
}

static void
many_threads_share_a_budget_exactly(void **state)
{
	pthread_t threads[THREADS];
	unsigned retries[THREADS] = {0}, sum = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &retries[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += retries[i];
	}
	assert_int_equal(sum, THREADS * CALLS / 10);
}

/* ---- the real clock ---- */

static uint64_t
real_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
waits_as_long_as_it_says(void **state)
{
	const struct synod_retry_options options = {
		.attempts_max = 6, .base_ms = 5, .delay_max_ms = 20};
	struct synod_retry retry, twin;
	uint64_t begun_ms, delays_ms = 0;
	unsigned delay_ms;

	(void)state;
	synod_retry_begin(&retry, &options);
	retry.random = 7;
	twin = retry;
	while (synod_retry_next(&twin, &delay_ms))
		delays_ms += delay_ms;
	begun_ms = real_ms();
	for (unsigned i = 2; i <= 6; i++)
		assert_true(synod_retry_wait(&retry));
	assert_false(synod_retry_wait(&retry));
	assert_true(delays_ms > 0);
	assert_true(real_ms() - begun_ms + 1 >= delays_ms);
	assert_in_range(synod_retry_remaining_ms(&retry), 0, 10000 - delays_ms + 1);
}

static void
two_calls_do_not_wait_alike(void **state)
{
	const struct synod_retry_options options = {
		.base_ms = 1000000000, .delay_max_ms = 1000000000, .deadline_ms = UINT32_MAX};
	struct synod_retry a, b;
	unsigned delay_a_ms, delay_b_ms;

	(void)state;
	synod_retry_begin(&a, &options);
	synod_retry_begin(&b, &options);
	assert_true(synod_retry_next(&a, &delay_a_ms));
	assert_true(synod_retry_next(&b, &delay_b_ms));
	assert_int_not_equal(delay_a_ms, delay_b_ms);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(allows_so_many_attempts),
		cmocka_unit_test(delays_are_anything_up_to_a_bound_that_doubles),
		cmocka_unit_test(the_largest_numbers_do_no_harm),
		cmocka_unit_test(no_attempt_begins_after_the_deadline),
		cmocka_unit_test(tells_how_much_time_is_left),
		cmocka_unit_test(a_budget_begins_with_ten_seconds_of_its_flow),
		cmocka_unit_test(tokens_flow_in_with_time),
		cmocka_unit_test(each_call_puts_in_its_percentage),
		cmocka_unit_test(flow_does_not_take_away_what_was_put_in),
		cmocka_unit_test(a_clock_that_another_thread_has_passed_gives_nothing),
		cmocka_unit_test(an_immense_budget_is_bounded),
		cmocka_unit_test(retries_add_no_more_than_the_percentage),
		cmocka_unit_test(what_is_refused_takes_nothing_from_the_budget),
		cmocka_unit_test(many_threads_share_a_budget_exactly),
		cmocka_unit_test(waits_as_long_as_it_says),
		cmocka_unit_test(two_calls_do_not_wait_alike),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
