/* LOG. */
#include "tests/unit/namespace/fixture.h"

struct history_page {
	struct change changes[64];
	uint32_t count;
	uint64_t oldest;
	bool more;
};

static int
read_log(struct fixture *fixture, const struct operation *operation, struct history_page *page)
{
	struct cursor cursor;
	int error = read_operation(fixture, operation, NULL);

	if (error != SYNOD_OK && error != SYNOD_COMPACTED)
		return error;
	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 3);
	page->count = cursor_array(&cursor);
	for (uint32_t i = 0; i < page->count; i++)
		change_decode(&cursor, &page->changes[i % 64]);
	cursor_leave(&cursor);
	page->oldest = cursor_u64(&cursor);
	page->more = cursor_bool(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return error;
}

static void
tells_what_happened_to_a_node(void **state)
{
	struct operation operation = {.op = OP_LOG, .path = slice_of("/a"), .flags = OP_WITH_DATA};
	struct history_page page;
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "one");
	put(&fixture, "/a", "two");
	put(&fixture, "/b", "other");
	put(&fixture, "/a/c", "below");
	delete_node(&fixture, "/a/c");
	delete_node(&fixture, "/a");
	assert_int_equal(read_log(&fixture, &operation, &page), SYNOD_OK);
	assert_int_equal(page.count, 3);
	assert_int_equal(page.oldest, 1);
	assert_false(page.more);
	assert_int_equal(page.changes[0].kind, CHANGE_CREATED);
	assert_int_equal(page.changes[1].kind, CHANGE_MODIFIED);
	assert_int_equal(page.changes[1].version, 1);
	assert_true(slice_equal(page.changes[1].data, slice_of("two")));
	assert_int_equal(page.changes[2].kind, CHANGE_DELETED);
	assert_null(page.changes[2].data.bytes);
	assert_true(page.changes[2].revision == fixture.slot);
	fixture_close(&fixture);
}

static void
tells_what_happened_in_a_subtree_in_order(void **state)
{
	struct operation operation = {.op = OP_LOG, .path = slice_of("/a"), .flags = OP_RECURSIVE};
	struct history_page page;
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a/b/c", "x");
	put(&fixture, "/ab", "x");
	assert_int_equal(read_log(&fixture, &operation, &page), SYNOD_OK);
	assert_int_equal(page.count, 3);
	assert_true(slice_equal(page.changes[0].path, slice_of("/a")));
	assert_true(slice_equal(page.changes[2].path, slice_of("/a/b/c")));
	assert_int_equal(page.changes[2].ordinal, 2);
	assert_null(page.changes[2].data.bytes); /* not asked for */
	operation.path = slice_of("/");
	assert_int_equal(read_log(&fixture, &operation, &page), SYNOD_OK);
	assert_int_equal(page.count, 4);
	fixture_close(&fixture);
}

static void
ends_pages_between_revisions(void **state)
{
	struct operation operation = {
		.op = OP_LOG, .path = slice_of("/"), .flags = OP_RECURSIVE, .limit = 2};
	struct history_page page;
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "x");
	put(&fixture, "/b/c/d", "three changes in one revision");
	put(&fixture, "/a", "y");
	read_log(&fixture, &operation, &page);
	assert_int_equal(page.count, 1);
	assert_true(page.more);
	operation.revision = page.changes[0].revision + 1;
	read_log(&fixture, &operation, &page);
	assert_int_equal(page.count, 3); /* more than the limit, but a revision is not cut */
	assert_true(page.more);
	operation.revision = page.changes[2].revision + 1;
	read_log(&fixture, &operation, &page);
	assert_int_equal(page.count, 1);
	assert_false(page.more);
	fixture_close(&fixture);
}

static void
answers_compacted_where_history_was_trimmed(void **state)
{
	struct namespace_options options = {.change_count_max = 10};
	struct operation operation = {
		.op = OP_LOG, .path = slice_of("/"), .flags = OP_RECURSIVE, .revision = 1};
	struct history_page page;
	struct fixture fixture;
	char data[1024];

	(void)state;
	memset(data, 'x', sizeof data - 1);
	data[sizeof data - 1] = '\0';
	fixture_open_with(&fixture, ":memory:", &options);
	for (unsigned i = 0; i < 100; i++)
		put(&fixture, "/a", data);
	assert_int_equal(read_log(&fixture, &operation, &page), SYNOD_COMPACTED);
	assert_int_equal(page.count, 0);
	assert_true(page.oldest > 1);
	operation.revision = page.oldest;
	assert_int_equal(read_log(&fixture, &operation, &page), SYNOD_OK);
	assert_true(page.changes[0].revision == page.oldest);
	assert_in_range(page.count, 10, 10 + 2 * 17);
	operation.revision = 0; /* from wherever it begins */
	assert_int_equal(read_log(&fixture, &operation, &page), SYNOD_OK);
	assert_true(page.changes[0].revision == page.oldest);
	fixture_close(&fixture);
}

static void
refuses_a_revision_that_fits_no_page(void **state)
{
	struct operation operation = {.op = OP_LOG, .path = slice_of("/a"), .flags = OP_RECURSIVE};
	struct history_page page;
	struct fixture fixture;
	char path[256];

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/a");
	memset(path, 'x', sizeof path);
	memcpy(path, "/a/", 3);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(path + 240, 16, "%u", i);
		fixture.acknowledged = fixture.seq;
		assert_int_equal(create(&fixture, path), SYNOD_OK);
	}
	write_node(&fixture, OP_DELETE, OP_RECURSIVE, "/a", NULL);
	operation.revision = fixture.slot;
	assert_int_equal(read_log(&fixture, &operation, &page), SYNOD_TOO_LARGE);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_happened_to_a_node),
		cmocka_unit_test(tells_what_happened_in_a_subtree_in_order),
		cmocka_unit_test(ends_pages_between_revisions),
		cmocka_unit_test(answers_compacted_where_history_was_trimmed),
		cmocka_unit_test(refuses_a_revision_that_fits_no_page),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
