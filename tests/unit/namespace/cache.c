/* The cache of nodes. */
#include "tests/unit/namespace/fixture.h"

static void
finds_what_was_added(void **state)
{
	struct node_cache cache;
	char path[32];

	(void)state;
	cache_init(&cache, 10000, 1u << 30);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(path, sizeof path, "/node/%u", i);
		cache_add(&cache, slice_of(path))->stat.version = i;
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(path, sizeof path, "/node/%u", i);
		assert_int_equal(cache_find(&cache, slice_of(path))->stat.version, i);
	}
	assert_null(cache_find(&cache, slice_of("/node/5000")));
	cache_fini(&cache);
}

static void
knows_what_was_used_least_recently(void **state)
{
	struct node_cache cache;
	struct node *a;
	struct node *b;
	struct node *c;

	(void)state;
	cache_init(&cache, 2, 1u << 20);
	a = cache_add(&cache, slice_of("/a"));
	b = cache_add(&cache, slice_of("/b"));
	assert_false(cache_is_full(&cache));
	c = cache_add(&cache, slice_of("/c"));
	assert_true(cache_is_full(&cache));
	assert_ptr_equal(cache.oldest, a);
	cache_find(&cache, slice_of("/a"));
	assert_ptr_equal(cache.oldest, b);
	cache_remove(&cache, c);
	cache_remove(&cache, b);
	assert_ptr_equal(cache.oldest, a);
	assert_ptr_equal(cache.newest, a);
	cache_fini(&cache);
}

static void
counts_the_bytes_of_data(void **state)
{
	struct node_cache cache;
	struct node *node;
	uint8_t *large = check_calloc(1, 100000);

	(void)state;
	cache_init(&cache, 100, 50000);
	node = cache_add(&cache, slice_of("/a"));
	cache_set_data(&cache, node, (struct slice){large, 40000});
	assert_false(cache_is_full(&cache));
	cache_set_data(&cache, node, (struct slice){large, 100000});
	assert_true(cache_is_full(&cache));
	cache_set_data(&cache, node, slice_of("small again"));
	assert_true(cache.bytes < 1000);
	cache_remove(&cache, node);
	assert_int_equal(cache.bytes, 0);
	free(large);
	cache_fini(&cache);
}

static void
stays_within_its_bounds_under_load(void **state)
{
	struct namespace_options options = {.cache_nodes = 100, .cache_bytes = 20000};
	struct fixture fixture;
	char path[32];

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(path, sizeof path, "/n%u", i);
		fixture.acknowledged = fixture.seq;
		assert_int_equal(put(&fixture, path, "some data"), SYNOD_OK);
		assert_in_range(fixture.namespace->cache.count, 1, 110);
	}
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(path, sizeof path, "/n%u", i);
		assert_data(&fixture, path, "some data");
	}
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_added),
		cmocka_unit_test(knows_what_was_used_least_recently),
		cmocka_unit_test(counts_the_bytes_of_data),
		cmocka_unit_test(stays_within_its_bounds_under_load),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
