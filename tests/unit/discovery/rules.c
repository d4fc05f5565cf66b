/* Who is picked how often, by each rule.  Seeds are fixed; bounds are six sigma wide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/discovery/slates.h"

#define CALLS 100000

static void
begin(enum synod_balance balance, const unsigned *weights, size_t count)
{
	balance_options.balance = balance;
	for (size_t i = 0; i < count; i++)
		add_target(weights != NULL ? weights[i] : 100, NULL);
	make_slate();
}

/* ---- round robin ---- */

static void
round_robin_takes_each_in_turn(void **state)
{
	const unsigned weights[] = {1, 1000, 10};

	(void)state;
	begin(SYNOD_ROUND_ROBIN, weights, 3);
	chance.turn = 3000000001;
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(pick(), (3000000001 + i) % 3);
}

static void
round_robin_goes_on_over_those_that_are_broken(void **state)
{
	const size_t expected[] = {0, 2, 3, 0, 2, 3};

	(void)state;
	begin(SYNOD_ROUND_ROBIN, NULL, 4);
	break_target(1);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pick(), expected[i]);
}

/* ---- random, weighted ---- */

static void
random_is_even_whatever_the_weights(void **state)
{
	const unsigned weights[] = {1, 65535, 10, 100, 1000, 1, 1};

	(void)state;
	begin(SYNOD_RANDOM, weights, 7);
	call(CALLS);
	for (size_t i = 0; i < 7; i++)
		assert_share(counts[i], 1.0 / 7, CALLS);
}

static void
weighted_is_in_proportion_to_the_weights(void **state)
{
	const unsigned weights[] = {1, 2, 4, 8, 16, 32, 437};

	(void)state;
	begin(SYNOD_WEIGHTED, weights, 7);
	call(CALLS);
	for (size_t i = 0; i < 7; i++)
		assert_share(counts[i], weights[i] / 500.0, CALLS);
}

static void
weighted_leaves_out_what_is_broken(void **state)
{
	const unsigned weights[] = {10, 20, 30, 40};

	(void)state;
	begin(SYNOD_WEIGHTED, weights, 4);
	break_target(1);
	call(CALLS);
	assert_int_equal(counts[1], 0);
	/* Of 625 picks one meets the broken one four times, and takes anybody. */
	assert_in_range(counts[0], CALLS / 8 - 900, CALLS / 8 + 900);
	assert_in_range(counts[3], CALLS / 2 - 1200, CALLS / 2 + 1200);
}

/* ---- two choices ---- */

static void
two_choices_never_takes_the_one_with_the_most(void **state)
{
	(void)state;
	begin(SYNOD_TWO_CHOICES, NULL, 5);
	for (size_t i = 0; i < 5; i++)
		set_in_use(i, 10 * (unsigned)i);
	call(CALLS);
	/* Of the ten pairs number i is the lesser one in 4 - i. */
	for (size_t i = 0; i < 5; i++)
		assert_share(counts[i], (double)(4 - i) / 10, CALLS);
}

static void
two_choices_divides_by_the_weight(void **state)
{
	const unsigned weights[] = {100, 300};

	(void)state;
	begin(SYNOD_TWO_CHOICES, weights, 2);
	set_in_use(0, 10);
	set_in_use(1, 29);
	assert_int_equal(pick(), 1);
	set_in_use(1, 31);
	assert_int_equal(pick(), 0);
}

static void
two_choices_breaks_ties_by_weight(void **state)
{
	const unsigned weights[] = {100, 300};

	(void)state;
	begin(SYNOD_TWO_CHOICES, weights, 2);
	call(CALLS);
	assert_share(counts[0], 0.25, CALLS);
}

static void
two_choices_keeps_loads_close_together(void **state)
{
	unsigned most = 0;

	(void)state;
	begin(SYNOD_TWO_CHOICES, NULL, 1000);
	for (unsigned i = 0; i < 1000; i++)
		pick();
	for (size_t i = 0; i < 1000; i++)
		most = counts[i] > most ? counts[i] : most;
	/* ln ln 1000 / ln 2 and a little; one choice at random has 5 or 6. */
	assert_in_range(most, 2, 4);
}

static void
two_choices_finds_the_one_that_is_well(void **state)
{
	(void)state;
	begin(SYNOD_TWO_CHOICES, NULL, 10);
	for (size_t i = 0; i < 10; i++)
		if (i != 7)
			break_target(i);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pick(), 7);
}

/* ---- least in use ---- */

static void
least_in_use_takes_the_least_by_weight(void **state)
{
	const unsigned weights[] = {100, 400, 50, 65535};

	(void)state;
	begin(SYNOD_LEAST_IN_USE, weights, 4);
	set_in_use(0, 10);
	set_in_use(1, 39);
	set_in_use(2, 6);
	set_in_use(3, 65535);
	assert_int_equal(pick(), 1);
	set_in_use(1, 41);
	assert_int_equal(pick(), 0);
}

static void
least_in_use_breaks_ties_at_random(void **state)
{
	const unsigned weights[] = {100, 100, 200, 100};

	(void)state;
	begin(SYNOD_LEAST_IN_USE, weights, 4);
	set_in_use(3, 1);
	call(CALLS);
	assert_share(counts[0], 0.25, CALLS);
	assert_share(counts[1], 0.25, CALLS);
	assert_share(counts[2], 0.5, CALLS);
	assert_int_equal(counts[3], 0);
}

static void
least_in_use_passes_over_what_is_broken_or_full(void **state)
{
	(void)state;
	balance_options.concurrent_max = 3;
	begin(SYNOD_LEAST_IN_USE, NULL, 4);
	break_target(0);
	set_in_use(1, 3);
	set_in_use(2, 2);
	set_in_use(3, 3);
	assert_int_equal(pick(), 2);
}

/* ---- slow start ---- */

/* Of ten, number 0 is young: how often is it picked? */
static void
assert_young_share(enum synod_balance balance, uint64_t age_ms, double low, double high)
{
	balance_options.slow_start_ms = 10000;
	begin(balance, NULL, 10);
	targets[0]->health->since_ms = now_ms + 20000 - age_ms;
	now_ms += 20000;
	make_slate();
	call(CALLS);
	assert_in_range(counts[0], low * CALLS, high * CALLS);
	for (size_t i = 1; i < 10; i++)
		assert_in_range(counts[i], (1 - high) / 9 * 0.9 * CALLS,
		                (1 - low) / 9 * 1.1 * CALLS);
}

#define ALL_WITH_SLOW_START                                                                        \
	SYNOD_TWO_CHOICES, SYNOD_ROUND_ROBIN, SYNOD_RANDOM, SYNOD_WEIGHTED, SYNOD_LEAST_IN_USE

static void
assert_young_shares(uint64_t age_ms, double weight)
{
	const enum synod_balance balances[] = {ALL_WITH_SLOW_START};
	double share = weight / (9 + weight);

	for (unsigned i = 0; i < sizeof balances / sizeof *balances; i++) {
		/* Two choices between idle ones: it wins against one other with w / (1 + w). */
		double expected =
			balances[i] == SYNOD_TWO_CHOICES ? weight / (1 + weight) / 5 : share;

		assert_young_share(balances[i], age_ms, expected * 0.85, expected * 1.15);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void
a_new_one_begins_with_a_tenth(void **state)
{
	(void)state;
	assert_young_shares(0, 0.1);
}

static void
the_weight_of_a_young_one_grows(void **state)
{
	(void)state;
	assert_young_shares(5000, 0.55);
}

static void
a_grown_one_has_its_whole_weight(void **state)
{
	(void)state;
	assert_young_shares(10000, 1);
}

static void
all_of_them_may_be_young(void **state)
{
	const enum synod_balance balances[] = {ALL_WITH_SLOW_START};

	(void)state;
	for (unsigned i = 0; i < sizeof balances / sizeof *balances; i++) {
		balance_options.slow_start_ms = 10000;
		begin(balances[i], NULL, 4);
		call(CALLS);
		for (size_t number = 0; number < 4; number++)
			assert_share(counts[number], 0.25, CALLS);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void
two_choices_compares_with_the_grown_weight(void **state)
{
	(void)state;
	balance_options.slow_start_ms = 10000;
	begin(SYNOD_TWO_CHOICES, NULL, 2);
	targets[1]->health->since_ms = 0;
	make_slate();
	now_ms += 5000;
	set_in_use(0, 50);
	set_in_use(1, 89);
	assert_int_equal(pick(), 1);
	set_in_use(1, 95);
	assert_int_equal(pick(), 0);
}

/* ---- hash ---- */

static size_t
pick_key(unsigned key)
{
	const struct synod_pick_options options = {.key = &key, .key_size = sizeof key};

	return pick_with(&options);
}

/* Without any load. */
static size_t
home_of(unsigned key)
{
	size_t number = pick_key(key);

	done(number, SYNOD_ABANDONED);
	return number;
}

#define KEYS 20000

static void
the_same_key_has_the_same_instance(void **state)
{
	static size_t homes[KEYS];

	(void)state;
	begin(SYNOD_HASH, NULL, 50);
	for (unsigned key = 0; key < KEYS; key++)
		homes[key] = home_of(key);
	chance.random = 99;
	make_slate();
	for (unsigned key = 0; key < KEYS; key++)
		assert_int_equal(home_of(key), homes[key]);
}

static void
few_keys_move_when_one_leaves_or_comes(void **state)
{
	static size_t homes[KEYS];
	struct target *last;
	unsigned moved = 0;

	(void)state;
	begin(SYNOD_HASH, NULL, 50);
	for (unsigned key = 0; key < KEYS; key++)
		homes[key] = home_of(key);
	last = targets[--target_count];
	make_slate();
	for (unsigned key = 0; key < KEYS; key++) {
		size_t home = home_of(key);

		if (homes[key] == 49)
			moved++;
		else
			assert_int_equal(home, homes[key]);
	}
	assert_in_range(moved, KEYS / 50 * 0.7, KEYS / 50 * 1.3);
	targets[target_count++] = last;
	make_slate();
	for (unsigned key = 0; key < KEYS; key++)
		assert_int_equal(home_of(key), homes[key]);
}

static void
no_instance_has_more_than_its_bound(void **state)
{
	(void)state;
	balance_options.load_percent = 120;
	begin(SYNOD_HASH, NULL, 20);
	/* A thousand calls, every other one with the same key. */
	for (unsigned i = 0; i < 1000; i++)
		pick_key(i % 2 == 0 ? 0 : i);
	for (size_t i = 0; i < 20; i++)
		assert_in_range(counts[i], 1, 60);
	assert_int_equal(atomic_load(&balance_options.in_use[0]), 1000);
}

static void
the_bound_is_in_proportion_to_the_weight(void **state)
{
	const unsigned weights[] = {100, 200, 300, 400};

	(void)state;
	balance_options.load_percent = 110;
	begin(SYNOD_HASH, weights, 4);
	for (unsigned i = 0; i < 1000; i++)
		pick_key(7);
	for (size_t i = 0; i < 4; i++)
		assert_in_range(counts[i], 0, weights[i] * 1.1 + 1);
}

static void
a_key_comes_home_when_the_load_is_gone(void **state)
{
	size_t home;

	(void)state;
	begin(SYNOD_HASH, NULL, 20);
	home = home_of(5);
	set_in_use(home, 100);
	assert_int_not_equal(home_of(5), home);
	set_in_use(home, 0);
	assert_int_equal(home_of(5), home);
	break_target(home);
	assert_int_not_equal(home_of(5), home);
	now_ms += balance_options.breaker.open_ms;
	done(pick_key(5), SYNOD_SUCCEEDED);
	assert_int_equal(home_of(5), home);
}

static void
somebody_takes_a_key_when_those_within_the_bound_are_broken(void **state)
{
	(void)state;
	begin(SYNOD_HASH, NULL, 3);
	break_target(0);
	break_target(1);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(pick_key(i), 2);
}

static void
without_a_key_any_instance_is_taken(void **state)
{
	(void)state;
	begin(SYNOD_HASH, NULL, 4);
	call(CALLS);
	for (size_t i = 0; i < 4; i++)
		assert_in_range(counts[i], CALLS / 4 * 0.8, CALLS / 4 * 1.2);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(round_robin_takes_each_in_turn),
		TEST(round_robin_goes_on_over_those_that_are_broken),
		TEST(random_is_even_whatever_the_weights),
		TEST(weighted_is_in_proportion_to_the_weights),
		TEST(weighted_leaves_out_what_is_broken),
		TEST(two_choices_never_takes_the_one_with_the_most),
		TEST(two_choices_divides_by_the_weight),
		TEST(two_choices_breaks_ties_by_weight),
		TEST(two_choices_keeps_loads_close_together),
		TEST(two_choices_finds_the_one_that_is_well),
		TEST(least_in_use_takes_the_least_by_weight),
		TEST(least_in_use_breaks_ties_at_random),
		TEST(least_in_use_passes_over_what_is_broken_or_full),
		TEST(a_new_one_begins_with_a_tenth),
		TEST(the_weight_of_a_young_one_grows),
		TEST(a_grown_one_has_its_whole_weight),
		TEST(all_of_them_may_be_young),
		TEST(two_choices_compares_with_the_grown_weight),
		TEST(the_same_key_has_the_same_instance),
		TEST(few_keys_move_when_one_leaves_or_comes),
		TEST(no_instance_has_more_than_its_bound),
		TEST(the_bound_is_in_proportion_to_the_weight),
		TEST(a_key_comes_home_when_the_load_is_gone),
		TEST(somebody_takes_a_key_when_those_within_the_bound_are_broken),
		TEST(without_a_key_any_instance_is_taken),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
