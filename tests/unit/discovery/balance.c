/* Slates: passing over, bulkheads, what is kept for how long, many threads, and speed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/discovery/slates.h"

static const enum synod_balance all[] = {SYNOD_TWO_CHOICES, SYNOD_ROUND_ROBIN,  SYNOD_RANDOM,
                                         SYNOD_WEIGHTED,    SYNOD_LEAST_IN_USE, SYNOD_HASH};
static const char *const names[] = {"two choices", "round robin",  "random",
                                    "weighted",    "least in use", "hash"};

#define ALL_COUNT (sizeof all / sizeof *all)

/* Run BODY for every rule, each with a world of its own. */
static void
for_each_rule(void (*body)(void))
{
	for (unsigned i = 0; i < ALL_COUNT; i++) {
		balance_options.balance = all[i];
		body();
		tear_down(NULL);
		set_up(NULL);
	}
}

static int
try_to_avoid(const char *id)
{
	const struct synod_pick_options options = {.avoid = id};

	return try_to_pick(&options);
}

/* ---- who can be picked ---- */

static void
assert_empty(void)
{
	make_slate();
	assert_int_equal(slate_count(slate), 0);
	assert_int_equal(try_to_pick(NULL), SYNOD_NOT_FOUND);
}

static void
an_empty_slate_has_nobody(void **state)
{
	(void)state;
	for_each_rule(assert_empty);
	balance_options.zone = "a";
	assert_empty();
}

static void
assert_alone(void)
{
	add_targets(1);
	make_slate();
	assert_int_equal(slate_count(slate), 1);
	assert_int_equal(try_to_pick(NULL), SYNOD_OK);
	assert_int_equal(try_to_avoid("i-00000"), SYNOD_OK);
	assert_int_equal(atomic_load(&targets[0]->health->in_use), 2);
	done(0, SYNOD_SUCCEEDED);
	done(0, SYNOD_SUCCEEDED);
	break_target(0);
	assert_int_equal(try_to_pick(NULL), SYNOD_BUSY);
	assert_int_equal(atomic_load(&targets[0]->health->in_use), 0);
}

static void
one_alone_is_always_picked_if_it_is_well(void **state)
{
	(void)state;
	for_each_rule(assert_alone);
}

static void
assert_avoided(void)
{
	add_targets(3);
	make_slate();
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(try_to_avoid("i-00001"), SYNOD_OK);
		done(last_picked, SYNOD_ABANDONED);
		assert_int_not_equal(last_picked, 1);
	}
	break_target(0);
	assert_int_equal(try_to_avoid("i-00001"), SYNOD_OK);
	assert_int_equal(last_picked, 2);
	/* Better it again than nobody. */
	break_target(2);
	assert_int_equal(try_to_avoid("i-00001"), SYNOD_OK);
	assert_int_equal(last_picked, 1);
}

static void
the_one_to_avoid_is_picked_only_when_no_other_can_be(void **state)
{
	(void)state;
	for_each_rule(assert_avoided);
}

static void
assert_bulkhead(void)
{
	balance_options.concurrent_max = 2;
	add_targets(5);
	make_slate();
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(try_to_pick(NULL), SYNOD_OK);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(counts[i], 2);
	assert_int_equal(try_to_pick(NULL), SYNOD_BUSY);
	done(3, SYNOD_SUCCEEDED);
	assert_int_equal(try_to_pick(NULL), SYNOD_OK);
	assert_int_equal(counts[3], 3);
}

static void
a_bulkhead_bounds_what_is_in_use(void **state)
{
	(void)state;
	for_each_rule(assert_bulkhead);
}

static void
assert_one_found(void)
{
	add_targets(200);
	make_slate();
	for (size_t i = 0; i < 200; i++)
		if (i != 123)
			break_target(i);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(pick(), 123);
	break_target(123);
	assert_int_equal(try_to_pick(NULL), SYNOD_BUSY);
}

static void
the_last_one_that_is_well_is_found(void **state)
{
	(void)state;
	for_each_rule(assert_one_found);
}

static void
assert_mended(void)
{
	add_targets(2);
	make_slate();
	break_target(0);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(pick(), 1);
	now_ms += balance_options.breaker.open_ms;
	for (unsigned i = 0; i < 200 && !breaker_is_closed(&targets[0]->health->breaker); i++) {
		size_t number = pick();

		assert_int_equal(done(number, SYNOD_SUCCEEDED), number == 0);
	}
	assert_true(breaker_is_closed(&targets[0]->health->breaker));
}

static void
a_broken_one_is_tried_again_and_mends(void **state)
{
	(void)state;
	for_each_rule(assert_mended);
}

static void
failures_open_the_breaker(void **state)
{
	(void)state;
	add_targets(1);
	make_slate();
	for (unsigned i = 1; i <= balance_options.breaker.failures; i++)
		assert_int_equal(done(pick(), SYNOD_FAILED), i == balance_options.breaker.failures);
	assert_int_equal(try_to_pick(NULL), SYNOD_BUSY);
}

/* ---- what is kept ---- */

static void
a_pick_keeps_its_target_after_the_slate_is_gone(void **state)
{
	struct target *target;

	(void)state;
	add_targets(2);
	make_slate();
	assert_int_equal(slate_pick(slate, NULL, &chance, now_ms, &target), SYNOD_OK);
	slate_free(slate);
	slate = NULL;
	for (size_t i = 0; i < 2; i++)
		target_release(targets[i]);
	target_count = 0;
	assert_int_equal(target->record->instance.port, 1);
	assert_int_equal(atomic_load(&target->references), 1);
	target_done(target, &balance_options, SYNOD_SUCCEEDED, now_ms, now_ms);
}

static void
what_is_known_outlives_a_change_of_the_record(void **state)
{
	struct target *old, *changed;
	struct record *record;

	(void)state;
	add_targets(1);
	break_target(0);
	old = targets[0];
	record = make_record("i-00000", 7, NULL);
	changed = target_new(record, old->health);
	record_release(record);
	target_release(old);
	targets[0] = changed;
	make_slate();
	assert_int_equal(try_to_pick(NULL), SYNOD_BUSY);
	assert_int_equal(atomic_load(&changed->health->references), 1);
}

static void
nothing_is_released_where_nothing_is(void **state)
{
	(void)state;
	health_release(NULL);
	target_release(NULL);
	slate_free(NULL);
}

/* ---- threads ---- */

#define THREADS 4
#define CALLS   20000

static atomic_uint above_the_bound;

static void *
call_often(void *context)
{
	struct chance own = {.random = (uintptr_t)context + 1};

	for (unsigned i = 0; i < CALLS; i++) {
		const struct synod_pick_options options = {.key = &i, .key_size = sizeof i};
		struct target *target;

		if (slate_pick(slate, &options, &own, now_ms + i / 8, &target) != SYNOD_OK)
			continue;
		if (atomic_load(&target->health->in_use) > balance_options.concurrent_max)
			atomic_fetch_add(&above_the_bound, 1);
		target_done(target, &balance_options,
		            own.random % 3 == 0 ? SYNOD_FAILED : SYNOD_SUCCEEDED, now_ms + i / 8,
		            now_ms + i / 8);
	}
	return NULL;
}

static void
assert_shared(void)
{
	pthread_t threads[THREADS];

	balance_options.concurrent_max = 2;
	balance_options.zone = "a";
	balance_options.breaker.open_ms = 10;
	for (unsigned i = 0; i < 8; i++)
		add_target(100, i % 3 == 0 ? "a" : "b");
	make_slate();
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(atomic_load(&targets[i]->health->in_use), 0);
		assert_int_equal(atomic_load(&targets[i]->references), 2);
	}
	assert_int_equal(atomic_load(&balance_options.in_use[0]), 0);
	assert_int_equal(atomic_load(&balance_options.in_use[1]), 0);
	assert_int_equal(atomic_load(&above_the_bound), 0);
}

static void
many_threads_share_a_slate(void **state)
{
	(void)state;
	for_each_rule(assert_shared);
}

/* ---- speed: printed, not asserted, because it is the machine's ---- */

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void
time_picks(const char *name, unsigned count)
{
	double begun = seconds();

	for (unsigned key = 0; key < count; key++) {
		const struct synod_pick_options options = {.key = &key, .key_size = sizeof key};
		struct target *target;

		assert_int_equal(slate_pick(slate, &options, &chance, now_ms, &target), SYNOD_OK);
		target_done(target, &balance_options, SYNOD_SUCCEEDED, now_ms, now_ms);
	}
	print_message("%-12s %5zu targets: %6.0f ns for a pick and its end\n", name, target_count,
	              (seconds() - begun) / count * 1e9);
}

static void
time_slates(const char *name)
{
	double best = 1;

	for (unsigned i = 0; i < 10; i++) {
		double begun = seconds(), took;
		struct slate *made = slate_new(&balance_options, targets, target_count);

		took = seconds() - begun;
		best = took < best ? took : best;
		slate_free(made);
	}
	print_message("%-12s %5zu targets: %6.0f us for a slate\n", name, target_count, best * 1e6);
}

static void
takes_little_time(void **state)
{
	const size_t sizes[] = {3, 100, 10000};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		while (target_count < sizes[i])
			add_target(100, target_count % 3 == 0 ? "a" : "b");
		for (unsigned rule = 0; rule < ALL_COUNT; rule++) {
			balance_options.balance = all[rule];
			make_slate();
			time_picks(names[rule], all[rule] == SYNOD_LEAST_IN_USE ? 300 : 100000);
			if (i == 2)
				time_slates(names[rule]);
		}
		balance_options.balance = SYNOD_TWO_CHOICES;
		balance_options.zone = "a";
		make_slate();
		time_picks("with zones", 100000);
		if (i == 2)
			time_slates("with zones");
		balance_options.zone = NULL;
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_slate_has_nobody),
		TEST(one_alone_is_always_picked_if_it_is_well),
		TEST(the_one_to_avoid_is_picked_only_when_no_other_can_be),
		TEST(a_bulkhead_bounds_what_is_in_use),
		TEST(the_last_one_that_is_well_is_found),
		TEST(a_broken_one_is_tried_again_and_mends),
		TEST(failures_open_the_breaker),
		TEST(a_pick_keeps_its_target_after_the_slate_is_gone),
		TEST(what_is_known_outlives_a_change_of_the_record),
		TEST(nothing_is_released_where_nothing_is),
		TEST(many_threads_share_a_slate),
		TEST(takes_little_time),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
