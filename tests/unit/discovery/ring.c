/* The ring: how even it is, who moves, and what happens when there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "client/discovery/ring.h"

#define COUNT_MAX 1000
#define KEYS      200000

static struct ring_item items[COUNT_MAX];
static bool is_full[COUNT_MAX];
static unsigned counts[COUNT_MAX];

static struct ring_item
item_at(const void *context, size_t index)
{
	(void)context;
	return items[index];
}

static bool
has_room(void *context, size_t index)
{
	(void)context;
	return !is_full[index];
}

static int
set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_MAX; i++)
		items[i] = (struct ring_item){XXH3_64bits(&i, sizeof i), 100};
	memset(is_full, 0, sizeof is_full);
	memset(counts, 0, sizeof counts);
	return 0;
}

static struct ring *
make(size_t count)
{
	struct ring *ring = ring_new(count, item_at, NULL);

	assert_non_null(ring);
	return ring;
}

static size_t
find(const struct ring *ring, unsigned key)
{
	XXH128_hash_t hash = XXH3_128bits(&key, sizeof key);

	return ring_find(ring, hash.low64, hash.high64, has_room, NULL);
}

static void
count_keys(const struct ring *ring)
{
	for (unsigned key = 0; key < KEYS; key++)
		counts[find(ring, key)]++;
}

static void
keys_are_spread_evenly(void **state)
{
	const size_t sizes[] = {1, 2, 3, 10, 100, 1000};

	(void)state;
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct ring *ring = make(sizes[i]);

		memset(counts, 0, sizeof counts);
		count_keys(ring);
		/* 1.05 of the mean by the paper; six sigma of chance above that. */
		for (size_t item = 0; item < sizes[i]; item++) {
			double mean = (double)KEYS / (double)sizes[i];
			double above = counts[item] - 1.08 * mean;

			assert_true(above < 0 || above * above < 36 * mean);
		}
		ring_free(ring);
	}
}

static void
shares_follow_the_weights(void **state)
{
	struct ring *ring;
	unsigned light = 0, heavy = 0;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		items[i].weight = i % 2 == 0 ? 100 : 300;
	ring = make(100);
	count_keys(ring);
	for (size_t i = 0; i < 100; i++)
		*(i % 2 == 0 ? &light : &heavy) += counts[i];
	assert_in_range(heavy, 2.6 * light, 3.1 * light);
	ring_free(ring);
}

static void
only_the_keys_of_one_that_leaves_move(void **state)
{
	struct ring *whole, *rest;

	(void)state;
	whole = make(100);
	rest = make(99);
	for (unsigned key = 0; key < KEYS; key++) {
		size_t home = find(whole, key);

		counts[home]++;
		if (home != 99)
			assert_int_equal(find(rest, key), home);
	}
	assert_in_range(counts[99], KEYS / 100 * 0.8, KEYS / 100 * 1.2);
	ring_free(whole);
	ring_free(rest);
}

static void
the_order_of_the_items_does_not_matter(void **state)
{
	static uint64_t homes[1000];
	struct ring *ring = make(50);

	(void)state;
	for (unsigned key = 0; key < 1000; key++)
		homes[key] = items[find(ring, key)].key;
	ring_free(ring);
	for (size_t i = 0; i < 25; i++) {
		struct ring_item item = items[i];

		items[i] = items[49 - i];
		items[49 - i] = item;
	}
	ring = make(50);
	for (unsigned key = 0; key < 1000; key++)
		assert_int_equal(items[find(ring, key)].key, homes[key]);
	ring_free(ring);
}

static void
keys_of_a_full_one_go_to_many(void **state)
{
	struct ring *ring = make(20);
	unsigned others = 0;

	(void)state;
	for (unsigned key = 0; key < KEYS; key++) {
		is_full[3] = false;
		if (find(ring, key) != 3)
			continue;
		is_full[3] = true;
		counts[find(ring, key)]++;
	}
	assert_int_equal(counts[3], 0);
	for (size_t i = 0; i < 20; i++)
		others += counts[i] > 0;
	assert_int_equal(others, 19);
	ring_free(ring);
}

static void
the_last_one_with_room_is_found(void **state)
{
	struct ring *ring = make(COUNT_MAX);

	(void)state;
	memset(is_full, true, sizeof is_full);
	assert_int_equal(find(ring, 1), RING_NONE);
	for (size_t i = 0; i < COUNT_MAX; i += 37) {
		is_full[i] = false;
		for (unsigned key = 0; key < 10; key++)
			assert_int_equal(find(ring, key), i);
		is_full[i] = true;
	}
	ring_free(ring);
}

static void
items_may_crowd_in_one_place(void **state)
{
	struct ring *ring;

	(void)state;
	for (size_t i = 0; i < COUNT_MAX; i++)
		items[i].key = i < 500 ? UINT64_MAX - 7 * i : i % 3;
	ring = make(COUNT_MAX);
	for (unsigned key = 0; key < 1000; key++)
		assert_in_range(find(ring, key), 0, COUNT_MAX - 1);
	memset(is_full, true, sizeof is_full);
	is_full[777] = false;
	assert_int_equal(find(ring, 5), 777);
	ring_free(ring);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(keys_are_spread_evenly),
		TEST(shares_follow_the_weights),
		TEST(only_the_keys_of_one_that_leaves_move),
		TEST(the_order_of_the_items_does_not_matter),
		TEST(keys_of_a_full_one_go_to_many),
		TEST(the_last_one_with_room_is_found),
		TEST(items_may_crowd_in_one_place),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
