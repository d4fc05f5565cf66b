/* Zones: how much stays near, and where the rest goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/discovery/slates.h"

#define CALLS 100000

static void
add_zone(const char *zone, size_t count, unsigned weight)
{
	for (size_t i = 0; i < count; i++)
		add_target(weight, zone);
}

/* Who is in ZONE has SHARE of the calls. */
static void
assert_zone(const char *zone, double share)
{
	unsigned counted = 0;

	for (size_t i = 0; i < target_count; i++)
		if (strcmp(targets[i]->record->instance.zone, zone) == 0)
			counted += counts[i];
	assert_share(counted, share, CALLS);
}

static void
call_from(const char *zone)
{
	balance_options.zone = zone;
	make_slate();
	call(CALLS);
}

/* ---- by weights ---- */

static void
everything_stays_near_when_there_is_enough(void **state)
{
	(void)state;
	add_zone("a", 3, 100);
	add_zone("b", 4, 100);
	add_zone("c", 2, 100);
	call_from("a");
	assert_zone("a", 1);
	call_from("b");
	assert_zone("b", 1);
}

static void
what_is_missing_goes_to_zones_with_more_than_an_even_share(void **state)
{
	(void)state;
	add_zone("a", 2, 100);
	add_zone("b", 3, 100);
	add_zone("c", 4, 50);
	add_zone("c", 3, 100);
	/* 2, 3, 5 of 10; an even share is 10 / 3. */
	call_from("a");
	assert_zone("a", 0.6);
	assert_zone("c", 0.4);
	call_from("b");
	assert_zone("b", 0.9);
	assert_zone("c", 0.1);
	call_from("c");
	assert_zone("c", 1);
}

static void
each_rule_keeps_the_share(void **state)
{
	(void)state;
	for (int balance = SYNOD_TWO_CHOICES; balance <= SYNOD_HASH; balance++) {
		balance_options.balance = (enum synod_balance)balance;
		add_zone("a", 1, 100);
		add_zone("b", 3, 100);
		call_from("a");
		assert_zone("a", 0.5);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void
a_zone_without_targets_goes_to_all_that_can(void **state)
{
	(void)state;
	add_zone("a", 2, 100);
	add_zone("b", 2, 100);
	call_from("z");
	assert_zone("a", 0.5);
	assert_zone("b", 0.5);
}

static void
targets_without_a_zone_are_a_zone_of_their_own(void **state)
{
	(void)state;
	add_zone("a", 1, 100);
	add_zone("", 3, 100);
	call_from("a");
	assert_zone("a", 0.5);
	assert_zone("", 0.5);
}

static void
no_zone_means_that_zones_do_not_matter(void **state)
{
	(void)state;
	balance_options.balance = SYNOD_RANDOM;
	add_zone("a", 1, 100);
	add_zone("b", 3, 100);
	call_from("");
	assert_zone("a", 0.25);
	call_from(NULL);
	assert_zone("a", 0.25);
}

static void
many_zones_are_told_apart(void **state)
{
	char zone[16];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(zone, sizeof zone, "z%u", i);
		add_zone(zone, 1, i == 500 ? 50 : 100);
	}
	call_from("z500");
	assert_share(counts[500], 0.50025, CALLS);
	call_from("z501");
	assert_int_equal(counts[501], CALLS);
}

/* ---- by what happens ---- */

static void
broken_targets_take_their_part_of_the_share_away(void **state)
{
	(void)state;
	add_zone("a", 4, 100);
	add_zone("b", 4, 100);
	balance_options.zone = "a";
	make_slate();
	break_target(0);
	call(CALLS);
	assert_int_equal(counts[0], 0);
	/* 3 of 7, where 3.5 of 7 are even. */
	assert_zone("a", 6.0 / 7);
	break_target(1);
	break_target(2);
	break_target(3);
	now_ms += 100;
	call(CALLS);
	assert_zone("b", 1);
}

static void
the_share_comes_back_when_breakers_close(void **state)
{
	(void)state;
	add_zone("a", 2, 100);
	add_zone("b", 2, 100);
	balance_options.zone = "a";
	make_slate();
	break_target(0);
	call(1000);
	now_ms += balance_options.breaker.open_ms;
	for (unsigned i = 0; i < 1000 && !breaker_is_closed(&targets[0]->health->breaker); i++)
		done(pick(), SYNOD_SUCCEEDED);
	assert_true(breaker_is_closed(&targets[0]->health->breaker));
	now_ms += 100;
	call(CALLS);
	assert_zone("a", 1);
}

static void
a_broken_target_does_no_harm_where_there_is_more_than_enough(void **state)
{
	(void)state;
	add_zone("a", 6, 100);
	add_zone("b", 3, 100);
	balance_options.zone = "a";
	make_slate();
	break_target(0);
	break_target(1);
	call(CALLS);
	/* Now and then four draws in a row meet only the broken ones. */
	assert_in_range(counts[6] + counts[7] + counts[8], 0, CALLS / 1000);
}

static void
a_slate_knows_what_was_broken_before_it_was_made(void **state)
{
	(void)state;
	add_zone("a", 2, 100);
	add_zone("b", 4, 100);
	break_target(0);
	call_from("a");
	/* 1 of 5, where 2.5 are even. */
	assert_zone("a", 0.4);
}

static void
a_slate_hears_that_what_was_broken_is_well_again(void **state)
{
	struct breaker *breaker;

	(void)state;
	add_zone("a", 2, 100);
	add_zone("b", 2, 100);
	break_target(0);
	balance_options.zone = "a";
	make_slate();
	/* Another slate's pick mends it, before this one's meet it. */
	breaker = &targets[0]->health->breaker;
	now_ms += balance_options.breaker.open_ms;
	assert_true(breaker_admits(breaker, &balance_options.breaker, now_ms));
	assert_true(
		breaker_tell(breaker, &balance_options.breaker, SYNOD_SUCCEEDED, now_ms, now_ms));
	call(CALLS);
	assert_zone("a", 1);
}

static void
full_bulkheads_spill_over(void **state)
{
	(void)state;
	balance_options.balance = SYNOD_ROUND_ROBIN;
	balance_options.concurrent_max = 1;
	add_zone("a", 2, 100);
	add_zone("b", 2, 100);
	balance_options.zone = "a";
	make_slate();
	assert_in_range(pick(), 0, 1);
	assert_in_range(pick(), 0, 1);
	assert_in_range(pick(), 2, 3);
	assert_in_range(pick(), 2, 3);
}

static void
a_zone_that_is_neither_near_nor_large_helps_out(void **state)
{
	(void)state;
	add_zone("a", 2, 100);
	add_zone("b", 1, 100);
	add_zone("c", 5, 100);
	balance_options.zone = "a";
	make_slate();
	for (size_t i = 0; i < target_count; i++)
		if (i != 2)
			break_target(i);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(pick(), 2);
}

/* ---- hash ---- */

static void
keys_keep_their_place_with_zones(void **state)
{
	static size_t homes[2000];

	(void)state;
	balance_options.balance = SYNOD_HASH;
	balance_options.zone = "a";
	add_zone("a", 10, 100);
	add_zone("b", 30, 100);
	for (unsigned round = 0; round < 2; round++) {
		make_slate();
		for (unsigned key = 0; key < 2000; key++) {
			const struct synod_pick_options options = {&key, sizeof key, NULL};
			size_t number = pick_with(&options);

			done(number, SYNOD_SUCCEEDED);
			if (round == 0)
				homes[key] = number;
			assert_int_equal(number, homes[key]);
		}
	}
}

static void
loads_are_bounded_in_each_part(void **state)
{
	(void)state;
	balance_options.balance = SYNOD_HASH;
	balance_options.zone = "a";
	add_zone("a", 10, 100);
	add_zone("b", 30, 100);
	make_slate();
	for (unsigned key = 0; key < 4000; key++) {
		const struct synod_pick_options options = {&key, sizeof key, NULL};

		pick_with(&options);
	}
	assert_int_equal(atomic_load(&balance_options.in_use[0]) +
	                         atomic_load(&balance_options.in_use[1]),
	                 4000);
	for (size_t i = 0; i < 40; i++) {
		double mean =
			(double)atomic_load(&balance_options.in_use[i >= 10]) / (i >= 10 ? 30 : 10);

		assert_true(counts[i] <= 1.25 * mean + 1);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(everything_stays_near_when_there_is_enough),
		TEST(what_is_missing_goes_to_zones_with_more_than_an_even_share),
		TEST(each_rule_keeps_the_share),
		TEST(a_zone_without_targets_goes_to_all_that_can),
		TEST(targets_without_a_zone_are_a_zone_of_their_own),
		TEST(no_zone_means_that_zones_do_not_matter),
		TEST(many_zones_are_told_apart),
		TEST(broken_targets_take_their_part_of_the_share_away),
		TEST(the_share_comes_back_when_breakers_close),
		TEST(a_broken_target_does_no_harm_where_there_is_more_than_enough),
		TEST(a_slate_knows_what_was_broken_before_it_was_made),
		TEST(a_slate_hears_that_what_was_broken_is_well_again),
		TEST(full_bulkheads_spill_over),
		TEST(a_zone_that_is_neither_near_nor_large_helps_out),
		TEST(keys_keep_their_place_with_zones),
		TEST(loads_are_bounded_in_each_part),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
