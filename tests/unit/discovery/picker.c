/* Pickers: threads that pick while slates are replaced, and picks that outlive everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/discovery/picker.h"

#define THREADS     4
#define TARGETS_MAX 10000

static struct picker *picker;
static struct target *targets[TARGETS_MAX];
static size_t target_count;

static int
set_up(void **state)
{
	(void)state;
	picker = NULL;
	target_count = 0;
	return 0;
}

static void
close_picker(void)
{
	if (picker != NULL)
		picker_close(picker);
	picker = NULL;
}

static void
release_targets(void)
{
	while (target_count > 0)
		target_release(targets[--target_count]);
}

static int
tear_down(void **state)
{
	(void)state;
	close_picker();
	release_targets();
	return 0;
}

static void
open_picker(enum synod_balance balance)
{
	struct balance_options options = {.balance = balance, .load_percent = 125};

	assert_int_equal(breaker_options_complete(&options.breaker), SYNOD_OK);
	picker = picker_new(&options, picker_clock_coarse());
	assert_non_null(picker);
}

static void
add_targets(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		static const char text[] = "{\"address\": \"10.0.0.7\", \"port\": 8080}";
		struct health *health = health_new(0);
		struct record *record;
		char id[32];

		snprintf(id, sizeof id, "i%05zu", i);
		assert_int_equal(record_read(id, text, strlen(text), &record, NULL), SYNOD_OK);
		targets[target_count++] = target_new(record, health);
		assert_non_null(targets[target_count - 1]);
		record_release(record);
		health_release(health);
	}
}

static size_t
in_use(void)
{
	size_t sum = 0;

	for (size_t i = 0; i < target_count; i++)
		sum += atomic_load(&targets[i]->health->in_use);
	return sum;
}

/* ---- one thread ---- */

static void
picks_from_the_slate_that_was_set_last(void **state)
{
	struct synod_pick pick;

	(void)state;
	open_picker(SYNOD_ROUND_ROBIN);
	add_targets(3);
	assert_int_equal(picker_pick(picker, NULL, &pick), SYNOD_NOT_FOUND);
	assert_int_equal(picker_set(picker, targets, 3), SYNOD_OK);
	assert_int_equal(picker_pick(picker, NULL, &pick), SYNOD_OK);
	assert_int_equal(in_use(), 1);
	picker_done(&pick, SYNOD_SUCCEEDED);
	assert_int_equal(in_use(), 0);
	assert_null(pick.instance);
	assert_int_equal(picker_set(picker, targets + 2, 1), SYNOD_OK);
	assert_int_equal(picker_pick(picker, NULL, &pick), SYNOD_OK);
	assert_string_equal(pick.instance->id, "i00002");
	picker_done(&pick, SYNOD_SUCCEEDED);
}

static void
the_zone_is_a_copy(void **state)
{
	char zone[] = "a";
	struct balance_options options = {.balance = SYNOD_RANDOM, .zone = zone};
	struct synod_pick pick;

	(void)state;
	assert_int_equal(breaker_options_complete(&options.breaker), SYNOD_OK);
	picker = picker_new(&options, picker_clock_coarse());
	zone[0] = 'b';
	add_targets(2);
	targets[0]->record->instance.zone = "a";
	targets[1]->record->instance.zone = "b";
	assert_int_equal(picker_set(picker, targets, 2), SYNOD_OK);
	for (unsigned i = 0; i < 20; i++) { /* an even share: all of them stay in the zone */
		assert_int_equal(picker_pick(picker, NULL, &pick), SYNOD_OK);
		assert_string_equal(pick.instance->zone, "a");
		picker_done(&pick, SYNOD_SUCCEEDED);
	}
}

static void
picks_outlive_the_picker(void **state)
{
	struct synod_pick picks[10];

	(void)state;
	open_picker(SYNOD_RANDOM);
	add_targets(3);
	assert_int_equal(picker_set(picker, targets, 3), SYNOD_OK);
	release_targets(); /* the slate has them, and the picks */
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(picker_pick(picker, NULL, &picks[i]), SYNOD_OK);
	assert_int_equal(picker_set(picker, NULL, 0), SYNOD_OK);
	close_picker();
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(picks[i].instance->port, 8080);
		picker_done(&picks[i], SYNOD_FAILED);
	}
}

/* ---- many threads ---- */

struct caller {
	pthread_t thread;
	struct synod_pick kept[16];
	unsigned long picks;
	unsigned long refusals; /* other than for want of instances */
	unsigned round;
};

static atomic_bool should_stop;
static atomic_ulong picks_made;

static void
call_once(struct caller *caller)
{
	struct synod_pick *pick = &caller->kept[caller->round++ % 16];
	int error;

	if (pick->slot != NULL) {
		if (pick->instance->port != 8080)
			caller->refusals++;
		picker_done(pick, SYNOD_SUCCEEDED);
	}
	error = picker_pick(picker, NULL, pick);
	if (error == SYNOD_OK) {
		caller->picks++;
		atomic_fetch_add_explicit(&picks_made, 1, memory_order_relaxed);
	} else if (error != SYNOD_NOT_FOUND) {
		caller->refusals++;
	}
}

static void *
call_until_stopped(void *context)
{
	while (!atomic_load(&should_stop))
		call_once(context);
	return NULL;
}

/* Each slate is another part of the targets; now and then none. */
static void
replace_slates(void)
{
	for (unsigned i = 0; i < 200; i++) {
		unsigned long wanted = atomic_load(&picks_made) + 50;
		size_t count = i % 7 == 0 ? 0 : 1 + i % 29;

		assert_int_equal(picker_set(picker, targets + i % 3, count), SYNOD_OK);
		while (count > 0 && atomic_load(&picks_made) < wanted)
			sched_yield();
	}
}

static void
threads_pick_while_slates_are_replaced(enum synod_balance balance)
{
	static struct caller callers[THREADS];
	unsigned long refusals = 0;

	memset(callers, 0, sizeof callers);
	atomic_store(&should_stop, false);
	open_picker(balance);
	add_targets(32);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&callers[i].thread, NULL, call_until_stopped, &callers[i]),
			0);
	replace_slates();
	atomic_store(&should_stop, true);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(callers[i].thread, NULL);
		refusals += callers[i].refusals;
	}
	close_picker();
	for (unsigned i = 0; i < THREADS * 16; i++) { /* in another thread, after its end */
		struct synod_pick *pick = &callers[i / 16].kept[i % 16];

		if (pick->slot != NULL)
			picker_done(pick, SYNOD_SUCCEEDED);
	}
	assert_int_equal(in_use(), 0);
	assert_int_equal(refusals, 0);
}

static void
threads_pick_at_random_while_slates_are_replaced(void **state)
{
	(void)state;
	threads_pick_while_slates_are_replaced(SYNOD_TWO_CHOICES);
}

static void
threads_pick_by_turns_while_slates_are_replaced(void **state)
{
	(void)state;
	threads_pick_while_slates_are_replaced(SYNOD_ROUND_ROBIN);
}

static void
threads_pick_by_hash_while_slates_are_replaced(void **state)
{
	(void)state;
	threads_pick_while_slates_are_replaced(SYNOD_HASH);
}

/* ---- figures ---- */

#define ROUNDS 200000

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* *CONTEXT: the time of the processor, of which others may be using the larger part. */
static void *
call_many_times(void *context)
{
	uint64_t begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct synod_pick pick;

	for (unsigned i = 0; i < ROUNDS; i++) {
		if (picker_pick(picker, NULL, &pick) == SYNOD_OK)
			picker_done(&pick, SYNOD_SUCCEEDED);
	}
	*(uint64_t *)context = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
	return NULL;
}

static void
report(size_t count, unsigned thread_count)
{
	pthread_t threads[THREADS];
	uint64_t used[THREADS];
	uint64_t sum = 0;

	for (unsigned i = 0; i < thread_count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_many_times, &used[i]), 0);
	for (unsigned i = 0; i < thread_count; i++) {
		pthread_join(threads[i], NULL);
		sum += used[i];
	}
	print_message("             %6zu instances, %u threads: %4u ns for a pick that is done\n",
	              count, thread_count, (unsigned)(sum / ROUNDS / thread_count));
}

static void
reports_what_a_pick_costs(void **state)
{
	static const size_t counts[] = {3, 10000};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint64_t begun;

		open_picker(SYNOD_TWO_CHOICES);
		add_targets(counts[i]);
		assert_int_equal(picker_set(picker, targets, counts[i]), SYNOD_OK);
		begun = clock_ns(CLOCK_MONOTONIC);
		assert_int_equal(picker_set(picker, targets, counts[i]), SYNOD_OK);
		print_message("             %6zu instances: %4u us for another slate\n", counts[i],
		              (unsigned)((clock_ns(CLOCK_MONOTONIC) - begun) / 1000));
		report(counts[i], 1);
		report(counts[i], 2);
		close_picker();
		release_targets();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(picks_from_the_slate_that_was_set_last),
		TEST(the_zone_is_a_copy),
		TEST(picks_outlive_the_picker),
		TEST(threads_pick_at_random_while_slates_are_replaced),
		TEST(threads_pick_by_turns_while_slates_are_replaced),
		TEST(threads_pick_by_hash_while_slates_are_replaced),
		TEST(reports_what_a_pick_costs),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
