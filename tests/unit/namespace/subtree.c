/* The state that watches begin with. */
#include "tests/unit/namespace/living.h"

struct seen {
	char paths[512]; /* with spaces between them */
	unsigned count;
	unsigned stop_after;
	uint64_t data_bytes;
};

static bool
see(void *context, const struct state_item *item)
{
	struct seen *seen = context;
	size_t size = strlen(seen->paths);

	snprintf(seen->paths + size, sizeof seen->paths - size, "%s%.*s", size > 0 ? " " : "",
	         (int)item->path.size, (const char *)item->path.bytes);
	assert_int_equal(item->stat.data_size, item->data.size);
	seen->data_bytes += item->data.size;
	return ++seen->count != seen->stop_after;
}

static struct seen
look(struct fixture *fixture, const char *path, uint8_t scope, unsigned stop_after)
{
	struct seen seen = {.stop_after = stop_after};

	assert_int_equal(namespace_each_node(fixture->namespace, slice_of(path), scope, see, &seen),
	                 SYNOD_OK);
	return seen;
}

static void
open_tree(struct fixture *fixture)
{
	static const char *const paths[] = {"/a",    "/a/b", "/a/b/c", "/a/z",   "/a/b!d", "/a!/x",
	                                    "/a0/x", "/a-b", "/ab/x",  "/b/a/c", "/a/b/d"};

	fixture_open(fixture);
	for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		put(fixture, paths[i], "data");
		if (i == 4)
			commit(fixture);
	}
}

static void
gives_a_node_its_children_or_all_below_it(void **state)
{
	struct fixture fixture;

	(void)state;
	open_tree(&fixture);
	assert_string_equal(look(&fixture, "/a", WATCH_NODE, 0).paths, "/a");
	assert_string_equal(look(&fixture, "/a", WATCH_CHILDREN, 0).paths, "/a /a/b /a/b!d /a/z");
	assert_string_equal(look(&fixture, "/a", WATCH_SUBTREE, 0).paths,
	                    "/a /a/b /a/b!d /a/z /a/b/c /a/b/d");
	assert_int_equal(look(&fixture, "/a", WATCH_SUBTREE, 0).data_bytes, 6 * 4);
	assert_string_equal(look(&fixture, "/missing", WATCH_SUBTREE, 0).paths, "");
	fixture_close(&fixture);
}

static void
gives_everything_below_the_root_once(void **state)
{
	struct fixture fixture;

	(void)state;
	open_tree(&fixture);
	assert_int_equal(look(&fixture, "/", WATCH_SUBTREE, 0).count,
	                 namespace_nodes(fixture.namespace));
	assert_int_equal(look(&fixture, "/", WATCH_CHILDREN, 0).count,
	                 1 + stat_of(&fixture, "/").children);
	fixture_close(&fixture);
}

static void
stops_when_told(void **state)
{
	struct fixture fixture;

	(void)state;
	open_tree(&fixture);
	assert_string_equal(look(&fixture, "/a", WATCH_SUBTREE, 1).paths, "/a");
	assert_string_equal(look(&fixture, "/a", WATCH_SUBTREE, 2).paths, "/a /a/b");
	assert_string_equal(look(&fixture, "/a", WATCH_SUBTREE, 5).paths,
	                    "/a /a/b /a/b!d /a/z /a/b/c");
	assert_int_equal(look(&fixture, "/a", WATCH_SUBTREE, 0).count, 6); /* from the start */
	fixture_close(&fixture);
}

static void
gives_what_is_owned(void **state)
{
	struct seen seen = {0};
	struct fixture fixture;

	(void)state;
	open_tree(&fixture);
	create_ephemeral(&fixture, "/b/e");
	create_ephemeral(&fixture, "/e");
	assert_int_equal(namespace_each_owned(fixture.namespace, fixture.session, see, &seen),
	                 SYNOD_OK);
	assert_string_equal(seen.paths, "/e /b/e");
	seen = (struct seen){.stop_after = 1};
	assert_int_equal(namespace_each_owned(fixture.namespace, fixture.session, see, &seen),
	                 SYNOD_OK);
	assert_string_equal(seen.paths, "/e");
	seen = (struct seen){0};
	assert_int_equal(namespace_each_owned(fixture.namespace, 12345, see, &seen), SYNOD_OK);
	assert_int_equal(seen.count, 0);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_a_node_its_children_or_all_below_it),
		cmocka_unit_test(gives_everything_below_the_root_once),
		cmocka_unit_test(stops_when_told),
		cmocka_unit_test(gives_what_is_owned),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
