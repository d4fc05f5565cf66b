/* The breaker's states, its window, and many threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <unistd.h>

#include "client/discovery/breaker.h"

static struct breaker breaker;
static struct synod_breaker_options options;
static uint64_t now_ms;

static int
set_up(void **state)
{
	(void)state;
	breaker_init(&breaker);
	options = (struct synod_breaker_options){0};
	assert_int_equal(breaker_options_complete(&options), SYNOD_OK);
	now_ms = 1000000;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	breaker_fini(&breaker);
	return 0;
}

static bool
tell(enum synod_outcome outcome)
{
	return breaker_tell(&breaker, &options, outcome, now_ms, now_ms);
}

static void
assert_state(enum synod_breaker_state expected)
{
	assert_int_equal(breaker_state(&breaker, now_ms), expected);
}

static bool
admits(void)
{
	bool would = breaker_would_admit(&breaker, &options, now_ms);
	bool does = breaker_admits(&breaker, &options, now_ms);

	assert_int_equal(would, does);
	return does;
}

static void
open_it(void)
{
	for (unsigned i = 1; i < options.failures; i++)
		assert_false(tell(SYNOD_FAILED));
	assert_true(tell(SYNOD_FAILED));
	assert_state(SYNOD_BREAKER_OPEN);
}

/* ---- options ---- */

static void
completes_options(void **state)
{
	(void)state;
	assert_int_equal(options.failures, 5);
	assert_int_equal(options.failure_percent, 50);
	assert_int_equal(options.window_ms, 10000);
	assert_int_equal(options.calls_min, 20);
	assert_int_equal(options.open_ms, 1000);
	assert_int_equal(options.open_max_ms, 30000);
	assert_int_equal(options.trials, 1);
	options = (struct synod_breaker_options){.open_ms = 60000};
	assert_int_equal(breaker_options_complete(&options), SYNOD_OK);
	assert_int_equal(options.open_max_ms, 60000);
}

static void
refuses_options_that_make_no_sense(void **state)
{
	struct synod_breaker_options bad[] = {
		{.window_ms = 9},
		{.window_ms = 86400001},
		{.open_max_ms = 86400001},
		{.open_ms = 86400001},
		{.open_ms = 2000, .open_max_ms = 1999},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(breaker_options_complete(&bad[i]), SYNOD_BAD_ARGUMENT);
}

/* ---- opening ---- */

static void
opens_after_failures_in_a_row(void **state)
{
	(void)state;
	assert_true(admits());
	open_it();
	assert_false(admits());
}

static void
a_success_breaks_the_row(void **state)
{
	(void)state;
	options.failure_percent = 101;
	for (unsigned i = 0; i < 4; i++)
		assert_false(tell(SYNOD_FAILED));
	assert_false(tell(SYNOD_SUCCEEDED));
	for (unsigned i = 0; i < 4; i++)
		assert_false(tell(SYNOD_FAILED));
	assert_state(SYNOD_BREAKER_CLOSED);
	assert_true(tell(SYNOD_FAILED));
}

static void
abandoned_calls_say_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_false(tell(SYNOD_FAILED));
	for (unsigned i = 0; i < 100; i++)
		assert_false(tell(SYNOD_ABANDONED));
	assert_false(tell((enum synod_outcome)7));
	assert_state(SYNOD_BREAKER_CLOSED);
	assert_true(tell(SYNOD_FAILED));
}

static void
opens_when_the_share_of_failures_is_reached(void **state)
{
	(void)state;
	options.failures = UINT_MAX;
	for (unsigned i = 0; i < 10; i++)
		assert_false(tell(SYNOD_SUCCEEDED));
	for (unsigned i = 0; i < 9; i++)
		assert_false(tell(SYNOD_FAILED));
	assert_true(tell(SYNOD_FAILED));
	assert_state(SYNOD_BREAKER_OPEN);
}

static void
needs_enough_calls_for_a_share(void **state)
{
	(void)state;
	options.failures = UINT_MAX;
	for (unsigned i = 0; i < 19; i++)
		assert_false(tell(SYNOD_FAILED));
	assert_true(tell(SYNOD_FAILED));
}

static void
forgets_what_left_the_window(void **state)
{
	(void)state;
	options.failures = UINT_MAX;
	for (unsigned i = 0; i < 19; i++)
		assert_false(tell(SYNOD_FAILED));
	now_ms += options.window_ms;
	assert_false(tell(SYNOD_FAILED));
	now_ms += options.window_ms - options.window_ms / BREAKER_SLICES;
	for (unsigned i = 0; i < 18; i++)
		assert_false(tell(SYNOD_FAILED));
	assert_true(tell(SYNOD_FAILED));
}

static void
forgets_the_window_a_slice_at_a_time(void **state)
{
	(void)state;
	options.failures = UINT_MAX;
	/* Two failures in each slice: twenty are never in the window before the tenth. */
	for (unsigned slice = 0; slice < 9; slice++) {
		assert_false(tell(SYNOD_FAILED));
		assert_false(tell(SYNOD_FAILED));
		now_ms += options.window_ms / BREAKER_SLICES;
	}
	now_ms += options.window_ms / BREAKER_SLICES; /* the first slice has gone */
	assert_false(tell(SYNOD_FAILED));
	assert_false(tell(SYNOD_FAILED));
	assert_false(tell(SYNOD_FAILED));
	assert_true(tell(SYNOD_FAILED));
}

static void
counts_more_calls_than_a_slice_holds(void **state)
{
	(void)state;
	options.failures = UINT_MAX;
	for (unsigned i = 0; i < 1u << 20; i++)
		assert_false(tell(SYNOD_SUCCEEDED));
	for (unsigned i = 0; i < 1000; i++)
		assert_false(tell(SYNOD_FAILED));
	for (unsigned i = 0; i < 1u << 20; i++)
		if (tell(SYNOD_FAILED))
			break;
	assert_state(SYNOD_BREAKER_OPEN);
}

static void
never_opens_when_told_so(void **state)
{
	(void)state;
	options.failures = UINT_MAX;
	options.failure_percent = 101;
	for (unsigned i = 0; i < 1000; i++)
		assert_false(tell(SYNOD_FAILED));
	assert_true(admits());
}

/* ---- open and half open ---- */

static void
admits_one_trial_when_the_time_is_up(void **state)
{
	(void)state;
	open_it();
	now_ms += options.open_ms - 1;
	assert_state(SYNOD_BREAKER_OPEN);
	assert_false(admits());
	now_ms++;
	assert_state(SYNOD_BREAKER_HALF_OPEN);
	assert_true(admits());
	assert_state(SYNOD_BREAKER_HALF_OPEN);
	assert_false(admits());
}

static void
asking_does_not_take_the_trial(void **state)
{
	(void)state;
	open_it();
	now_ms += options.open_ms;
	for (unsigned i = 0; i < 3; i++)
		assert_true(breaker_would_admit(&breaker, &options, now_ms));
	assert_true(breaker_admits(&breaker, &options, now_ms));
	assert_false(breaker_would_admit(&breaker, &options, now_ms));
}

static void
a_good_trial_closes_it(void **state)
{
	(void)state;
	open_it();
	now_ms += options.open_ms;
	assert_true(admits());
	now_ms += 10;
	assert_true(breaker_tell(&breaker, &options, SYNOD_SUCCEEDED, now_ms - 10, now_ms));
	assert_state(SYNOD_BREAKER_CLOSED);
	/* Nothing of before is left: it takes as many failures as ever. */
	open_it();
}

static void
needs_as_many_good_trials_as_wished(void **state)
{
	(void)state;
	options.trials = 3;
	open_it();
	now_ms += options.open_ms;
	for (unsigned i = 0; i < 2; i++) {
		assert_true(admits());
		assert_false(tell(SYNOD_SUCCEEDED));
		assert_state(SYNOD_BREAKER_HALF_OPEN);
		now_ms++;
	}
	assert_true(admits());
	assert_true(tell(SYNOD_SUCCEEDED));
	assert_state(SYNOD_BREAKER_CLOSED);
}

static void
a_bad_trial_ends_the_row_of_good_ones(void **state)
{
	(void)state;
	options.trials = 2;
	open_it();
	now_ms += options.open_ms;
	assert_true(admits());
	assert_false(tell(SYNOD_SUCCEEDED));
	now_ms++;
	assert_true(admits());
	assert_true(tell(SYNOD_FAILED));
	now_ms += 2 * options.open_ms;
	assert_true(admits());
	assert_false(tell(SYNOD_SUCCEEDED));
	assert_state(SYNOD_BREAKER_HALF_OPEN);
}

static void
bad_trials_double_the_time_up_to_its_bound(void **state)
{
	const unsigned expected_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};

	(void)state;
	open_it();
	for (unsigned i = 0; i < sizeof expected_ms / sizeof *expected_ms; i++) {
		now_ms += expected_ms[i] - 1;
		assert_false(admits());
		now_ms++;
		assert_true(admits());
		assert_true(tell(SYNOD_FAILED));
		assert_state(SYNOD_BREAKER_OPEN);
	}
	/* Once closed, it begins with the short time again. */
	now_ms += 30000;
	assert_true(admits());
	assert_true(tell(SYNOD_SUCCEEDED));
	open_it();
	now_ms += 1000;
	assert_true(admits());
}

static void
an_abandoned_trial_lets_another_try(void **state)
{
	(void)state;
	open_it();
	now_ms += options.open_ms;
	assert_true(admits());
	assert_false(tell(SYNOD_ABANDONED));
	assert_state(SYNOD_BREAKER_HALF_OPEN);
	assert_true(admits());
	assert_false(admits());
}

static void
a_lost_trial_is_given_up(void **state)
{
	uint64_t lost_ms;

	(void)state;
	open_it();
	now_ms += options.open_ms;
	lost_ms = now_ms;
	assert_true(admits());
	now_ms += options.open_max_ms - 1;
	assert_false(admits());
	now_ms++;
	assert_true(admits());
	/* What the lost one says at last is not taken for the new one's outcome. */
	assert_false(breaker_tell(&breaker, &options, SYNOD_FAILED, lost_ms, now_ms));
	assert_state(SYNOD_BREAKER_HALF_OPEN);
	assert_false(admits());
	assert_true(tell(SYNOD_SUCCEEDED));
	assert_state(SYNOD_BREAKER_CLOSED);
}

static void
calls_from_before_are_not_taken_for_the_trial(void **state)
{
	uint64_t old_ms = now_ms;

	(void)state;
	open_it();
	assert_false(breaker_tell(&breaker, &options, SYNOD_FAILED, old_ms, now_ms + 1));
	assert_false(breaker_tell(&breaker, &options, SYNOD_SUCCEEDED, old_ms, now_ms + 1));
	assert_state(SYNOD_BREAKER_OPEN);
	now_ms += options.open_ms;
	assert_true(admits());
	assert_false(breaker_tell(&breaker, &options, SYNOD_FAILED, old_ms, now_ms));
	assert_false(breaker_tell(&breaker, &options, SYNOD_SUCCEEDED, old_ms, now_ms));
	assert_state(SYNOD_BREAKER_HALF_OPEN);
	assert_true(tell(SYNOD_SUCCEEDED));
	for (unsigned i = 0; i < 100; i++)
		assert_false(breaker_tell(&breaker, &options, SYNOD_FAILED, old_ms, now_ms));
	assert_state(SYNOD_BREAKER_CLOSED);
	/* They are not even counted. */
	open_it();
}

/* ---- threads ---- */

#define THREADS 4
#define CALLS   20000

static atomic_uint_fast64_t shared_now_ms;

/* Three of four calls fail, and all that are admitted tell how they ended. */
static void *
call_often(void *context)
{
	uint64_t random = (uintptr_t)context + 1;

	for (unsigned i = 0; i < CALLS; i++) {
		uint64_t at_ms = atomic_fetch_add(&shared_now_ms, 1) / 8;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		if (!breaker_admits(&breaker, &options, at_ms))
			continue;
		breaker_tell(&breaker, &options, random >> 62 != 0 ? SYNOD_FAILED : SYNOD_SUCCEEDED,
		             at_ms, atomic_load(&shared_now_ms) / 8);
	}
	return NULL;
}

static void
many_threads_leave_it_usable(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	options.open_ms = 2;
	options.open_max_ms = 16;
	atomic_store(&shared_now_ms, 8 * now_ms);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	now_ms = atomic_load(&shared_now_ms) + options.open_max_ms;
	for (unsigned i = 0; i < 3 && breaker_state(&breaker, now_ms) != 0; i++) {
		assert_true(admits());
		tell(SYNOD_SUCCEEDED);
	}
	assert_state(SYNOD_BREAKER_CLOSED);
	open_it();
}

static void *
fail_once(void *context)
{
	atomic_fetch_add((atomic_uint *)context, tell(SYNOD_FAILED));
	return NULL;
}

static void *
try_once(void *context)
{
	atomic_fetch_add((atomic_uint *)context, breaker_admits(&breaker, &options, now_ms));
	return NULL;
}

static unsigned
run_at_once(void *(*run)(void *context))
{
	pthread_t threads[8];
	atomic_uint sum = 0;

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, &sum), 0);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	return atomic_load(&sum);
}

static void
one_of_many_threads_opens_it_and_one_tries(void **state)
{
	(void)state;
	assert_int_equal(run_at_once(fail_once), 1);
	now_ms += options.open_ms;
	assert_int_equal(run_at_once(try_once), 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(completes_options),
		TEST(refuses_options_that_make_no_sense),
		TEST(opens_after_failures_in_a_row),
		TEST(a_success_breaks_the_row),
		TEST(abandoned_calls_say_nothing),
		TEST(opens_when_the_share_of_failures_is_reached),
		TEST(needs_enough_calls_for_a_share),
		TEST(forgets_what_left_the_window),
		TEST(forgets_the_window_a_slice_at_a_time),
		TEST(counts_more_calls_than_a_slice_holds),
		TEST(never_opens_when_told_so),
		TEST(admits_one_trial_when_the_time_is_up),
		TEST(asking_does_not_take_the_trial),
		TEST(a_good_trial_closes_it),
		TEST(needs_as_many_good_trials_as_wished),
		TEST(a_bad_trial_ends_the_row_of_good_ones),
		TEST(bad_trials_double_the_time_up_to_its_bound),
		TEST(an_abandoned_trial_lets_another_try),
		TEST(a_lost_trial_is_given_up),
		TEST(calls_from_before_are_not_taken_for_the_trial),
		TEST(many_threads_leave_it_usable),
		TEST(one_of_many_threads_opens_it_and_one_tries),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
