/* LIST. */
#include "tests/unit/namespace/fixture.h"

struct child {
	char name[256];
	bool has_stat;
	struct node_stat stat;
	struct slice data;
};

struct listing {
	struct node_stat parent;
	struct child children[64];
	uint32_t count;
	bool more;
};

static void
decode_child(struct cursor *cursor, struct child *child)
{
	struct slice name;

	assert_int_equal(cursor_array(cursor), 3);
	name = cursor_string(cursor);
	snprintf(child->name, sizeof child->name, "%.*s", (int)name.size, (const char *)name.bytes);
	child->has_stat = !cursor_nil(cursor);
	if (child->has_stat)
		stat_decode(cursor, &child->stat);
	child->data = cursor_binary(cursor);
	cursor_leave(cursor);
}

static int
list(struct fixture *fixture, const struct operation *operation, struct listing *listing)
{
	struct cursor cursor;
	int error = read_operation(fixture, operation, NULL);

	listing->count = 0;
	if (error != SYNOD_OK)
		return error;
	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 3);
	stat_decode(&cursor, &listing->parent);
	listing->count = cursor_array(&cursor);
	for (uint32_t i = 0; i < listing->count; i++)
		decode_child(&cursor, &listing->children[i % 64]);
	cursor_leave(&cursor);
	listing->more = cursor_bool(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return SYNOD_OK;
}

static void
lists_children_in_the_order_of_their_bytes(void **state)
{
	static const char *const names[] = {"A", "B", "a", "a!", "a0", "b", "\xc3\xa9"};
	struct operation operation = {.op = OP_LIST, .path = slice_of("/p")};
	struct listing listing;
	struct fixture fixture;
	char path[32];

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/p");
	for (unsigned i = 7; i > 0; i--) {
		snprintf(path, sizeof path, "/p/%s", names[i - 1]);
		create(&fixture, path);
	}
	put(&fixture, "/p/a/below", "not a child");
	put(&fixture, "/p-beside", "not a child either");
	assert_int_equal(list(&fixture, &operation, &listing), SYNOD_OK);
	assert_int_equal(listing.count, 7);
	assert_false(listing.more);
	assert_int_equal(listing.parent.children, 7);
	for (unsigned i = 0; i < 7; i++) {
		assert_string_equal(listing.children[i].name, names[i]);
		assert_false(listing.children[i].has_stat);
		assert_null(listing.children[i].data.bytes);
	}
	fixture_close(&fixture);
}

static void
lists_the_root_without_itself(void **state)
{
	struct operation operation = {.op = OP_LIST, .path = slice_of("/")};
	struct listing listing;
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/a");
	assert_int_equal(list(&fixture, &operation, &listing), SYNOD_OK);
	assert_int_equal(listing.count, 2);
	assert_string_equal(listing.children[0].name, "a");
	assert_string_equal(listing.children[1].name, "synod");
	fixture_close(&fixture);
}

static void
lists_stat_and_data_on_request(void **state)
{
	struct operation operation = {
		.op = OP_LIST, .path = slice_of("/p"), .flags = OP_WITH_STAT | OP_WITH_DATA};
	struct listing listing;
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/p/a", "alpha");
	put(&fixture, "/p/a", "beta");
	assert_int_equal(list(&fixture, &operation, &listing), SYNOD_OK);
	assert_int_equal(listing.count, 1);
	assert_true(listing.children[0].has_stat);
	assert_int_equal(listing.children[0].stat.version, 1);
	assert_true(slice_equal(listing.children[0].data, slice_of("beta")));
	assert_int_equal(list(&fixture,
	                      &(struct operation){.op = OP_LIST, .path = slice_of("/none")},
	                      &listing),
	                 SYNOD_NOT_FOUND);
	fixture_close(&fixture);
}

static void
shows_what_is_only_in_memory(void **state)
{
	struct operation operation = {.op = OP_LIST, .path = slice_of("/p")};
	struct listing listing;
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/p/a", "x");
	put(&fixture, "/p/b", "x");
	commit(&fixture);
	delete_node(&fixture, "/p/a");
	create(&fixture, "/p/c");
	assert_int_equal(list(&fixture, &operation, &listing), SYNOD_OK);
	assert_int_equal(listing.count, 2);
	assert_string_equal(listing.children[0].name, "b");
	assert_string_equal(listing.children[1].name, "c");
	fixture_close(&fixture);
}

static void
goes_on_after_a_name(void **state)
{
	struct operation operation = {.op = OP_LIST, .path = slice_of("/p"), .limit = 2};
	struct listing listing;
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/p/a", "x");
	create(&fixture, "/p/b");
	create(&fixture, "/p/c");
	create(&fixture, "/p/d");
	list(&fixture, &operation, &listing);
	assert_int_equal(listing.count, 2);
	assert_true(listing.more);
	operation.after = slice_of("b");
	operation.revision = namespace_revision(fixture.namespace);
	list(&fixture, &operation, &listing);
	assert_int_equal(listing.count, 2);
	assert_string_equal(listing.children[0].name, "c");
	assert_false(listing.more);
	fixture_close(&fixture);
}

static void
bounds_a_page_by_bytes(void **state)
{
	struct operation operation = {.op = OP_LIST, .path = slice_of("/p"), .flags = OP_WITH_DATA};
	struct listing listing;
	struct fixture fixture;
	char *large = check_malloc(400001);

	(void)state;
	memset(large, 'x', 400000);
	large[400000] = '\0';
	fixture_open(&fixture);
	put(&fixture, "/p/a", large);
	put(&fixture, "/p/b", large);
	put(&fixture, "/p/c", large);
	list(&fixture, &operation, &listing);
	assert_int_equal(listing.count, 2);
	assert_true(listing.more);
	assert_true(fixture.result.size < LIST_PAGE_SIZE_MAX + 1024);
	free(large);
	fixture_close(&fixture);
}

/* The next page after WRITE has been done, for a listing with FLAGS. */
static int
page_after(uint32_t flags, int (*write)(struct fixture *fixture))
{
	struct operation operation = {.op = OP_LIST, .path = slice_of("/p"), .flags = flags};
	struct listing listing;
	struct fixture fixture;
	int error;

	fixture_open(&fixture);
	put(&fixture, "/p/a/below", "x");
	put(&fixture, "/p/b", "x");
	put(&fixture, "/other", "x");
	operation.after = slice_of("a");
	operation.revision = namespace_revision(fixture.namespace);
	assert_int_equal(write(&fixture), SYNOD_OK);
	error = list(&fixture, &operation, &listing);
	fixture_close(&fixture);
	return error;
}

static int
create_child(struct fixture *fixture)
{
	return create(fixture, "/p/c");
}

static int
set_child(struct fixture *fixture)
{
	return put(fixture, "/p/b", "y");
}

static int
create_grandchild(struct fixture *fixture)
{
	return create(fixture, "/p/b/new");
}

static int
set_grandchild(struct fixture *fixture)
{
	return put(fixture, "/p/a/below", "y");
}

static int
set_parent(struct fixture *fixture)
{
	return put(fixture, "/p", "y");
}

static int
set_other(struct fixture *fixture)
{
	return put(fixture, "/other", "y");
}

static void
refuses_a_page_of_another_revision(void **state)
{
	(void)state;
	assert_int_equal(page_after(0, set_other), SYNOD_OK);
	assert_int_equal(page_after(OP_WITH_STAT, set_other), SYNOD_OK);
	assert_int_equal(page_after(0, create_child), SYNOD_CONFLICT);
	assert_int_equal(page_after(0, set_parent), SYNOD_CONFLICT);
	/* Names alone do not depend on what the children hold. */
	assert_int_equal(page_after(0, set_child), SYNOD_OK);
	assert_int_equal(page_after(OP_WITH_DATA, set_child), SYNOD_CONFLICT);
	assert_int_equal(page_after(OP_WITH_STAT, create_grandchild), SYNOD_CONFLICT);
	assert_int_equal(page_after(OP_WITH_STAT, set_grandchild), SYNOD_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_children_in_the_order_of_their_bytes),
		cmocka_unit_test(lists_the_root_without_itself),
		cmocka_unit_test(lists_stat_and_data_on_request),
		cmocka_unit_test(shows_what_is_only_in_memory),
		cmocka_unit_test(goes_on_after_a_name),
		cmocka_unit_test(bounds_a_page_by_bytes),
		cmocka_unit_test(refuses_a_page_of_another_revision),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
