/* The grammar of paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/path.h"

static void
accepts_ordinary_paths(void **state)
{
	const char *const paths[] = {
		"/",         "/a",        "/services/web/10.0.0.1:80",
		"/...",      "/.a",       "/a.",
		"/..a/b.. ", "/a b/c\\d", "/gr\xc3\xbc\xc3\x9f/\xe6\x97\xa5",
		"/-",        "/~",        "/\xc2\xa0",
		"/synod",
	};

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const char *why = NULL;

		if (path_check(slice_of(paths[i]), &why) != SYNOD_OK)
			fail_msg("%s: %s", paths[i], why);
		assert_null(why);
	}
}

static void
refuses_with_a_reason(void **state)
{
	static const struct {
		const char *path;
		const char *why;
	} rows[] = {
		{"", "empty path"},
		{"a", "not absolute: does not start with \"/\""},
		{"a/b", "not absolute: does not start with \"/\""},
		{"//", "empty component"},
		{"/a//b", "empty component"},
		{"//a", "empty component"},
		{"/a/", "trailing \"/\""},
		{"/a/b/", "trailing \"/\""},
		{"/.", "a component is \".\" or \"..\""},
		{"/..", "a component is \".\" or \"..\""},
		{"/a/./b", "a component is \".\" or \"..\""},
		{"/a/../b", "a component is \".\" or \"..\""},
		{"/a/..", "a component is \".\" or \"..\""},
		{"/a\nb", "control character"},
		{"/\x7f", "control character"},
		{"/\xc2\x80", "control character"},
		{"/\xc2\x9f", "control character"},
		{"/\xff", "not valid UTF-8"},
		{"/\xed\xa0\x80", "not valid UTF-8"},
		{"/\xc0\xaf", "not valid UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *why = NULL;

		assert_int_equal(path_check(slice_of(rows[i].path), &why), SYNOD_BAD_PATH);
		assert_string_equal(why, rows[i].why);
		assert_int_equal(path_check(slice_of(rows[i].path), NULL), SYNOD_BAD_PATH);
	}
	assert_int_equal(path_check((struct slice){NULL, 0}, NULL), SYNOD_BAD_PATH);
	assert_int_equal(path_check((struct slice){(const uint8_t *)"/a\0b", 4}, NULL),
	                 SYNOD_BAD_PATH);
}

static void
limits_the_bytes_of_a_component(void **state)
{
	char text[PATH_COMPONENT_MAX + 3] = "/";

	(void)state;
	memset(text + 1, 'a', PATH_COMPONENT_MAX);
	assert_int_equal(path_check(slice_of(text), NULL), SYNOD_OK);
	assert_int_equal(path_check_component(slice_of(text + 1), NULL), SYNOD_OK);
	text[PATH_COMPONENT_MAX + 1] = 'a';
	assert_int_equal(path_check(slice_of(text), NULL), SYNOD_BAD_PATH);
	assert_int_equal(path_check_component(slice_of(text + 1), NULL), SYNOD_BAD_PATH);
}

static void
limits_the_number_of_components(void **state)
{
	char text[2 * (PATH_DEPTH_MAX + 1) + 1];

	(void)state;
	for (unsigned i = 0; i <= PATH_DEPTH_MAX; i++)
		memcpy(text + (size_t)2 * i, "/a", 3);
	assert_int_equal(path_check(slice_of(text), NULL), SYNOD_BAD_PATH);
	text[(size_t)2 * PATH_DEPTH_MAX] = '\0';
	assert_int_equal(path_check(slice_of(text), NULL), SYNOD_OK);
	assert_int_equal(path_depth(slice_of(text)), PATH_DEPTH_MAX);
}

static void
limits_the_bytes_of_a_path(void **state)
{
	char text[PATH_SIZE_MAX + 2];

	(void)state;
	for (size_t i = 0; i <= PATH_SIZE_MAX; i++)
		text[i] = i % 200 == 0 ? '/' : 'a';
	text[PATH_SIZE_MAX + 1] = '\0';
	assert_int_equal(path_check(slice_of(text), NULL), SYNOD_BAD_PATH);
	text[PATH_SIZE_MAX] = '\0';
	assert_int_equal(path_check(slice_of(text), NULL), SYNOD_OK);
}

static void
checks_one_component_by_itself(void **state)
{
	const char *const bad[] = {"", ".", "..", "a/b", "/", "a\n", "\xff"};

	(void)state;
	assert_int_equal(path_check_component(slice_of("web-1"), NULL), SYNOD_OK);
	assert_int_equal(path_check_component(slice_of("..."), NULL), SYNOD_OK);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(path_check_component(slice_of(bad[i]), NULL), SYNOD_BAD_PATH);
}

static void
assert_slice(struct slice slice, const char *text)
{
	assert_int_equal(slice.size, strlen(text));
	assert_memory_equal(slice.bytes, text, slice.size);
}

static void
takes_a_path_apart_and_joins_it_again(void **state)
{
	const char *const paths[] = {"/a", "/a/b", "/services/web/1"};

	(void)state;
	assert_slice(path_parent(slice_of("/a")), "/");
	assert_slice(path_parent(slice_of("/a/b/c")), "/a/b");
	assert_slice(path_name(slice_of("/a/b/c")), "c");
	assert_slice(path_name(slice_of("/")), "");
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		struct slice path = slice_of(paths[i]);
		struct buffer joined = BUFFER_EMPTY;

		path_join(&joined, path_parent(path), path_name(path));
		assert_slice(buffer_slice(&joined), paths[i]);
		buffer_fini(&joined);
	}
}

static void
tells_what_lies_within_what(void **state)
{
	(void)state;
	assert_true(path_is_within(slice_of("/a/b"), slice_of("/a")));
	assert_true(path_is_within(slice_of("/a"), slice_of("/a")));
	assert_true(path_is_within(slice_of("/a"), slice_of("/")));
	assert_true(path_is_within(slice_of("/"), slice_of("/")));
	assert_false(path_is_within(slice_of("/ab"), slice_of("/a")));
	assert_false(path_is_within(slice_of("/a"), slice_of("/a/b")));
	assert_false(path_is_within(slice_of("/"), slice_of("/a")));
	assert_false(path_is_within(slice_of("/b/c"), slice_of("/a")));
}

static void
knows_the_reserved_subtree(void **state)
{
	(void)state;
	assert_true(path_is_reserved(slice_of("/synod")));
	assert_true(path_is_reserved(slice_of("/synod/members/1")));
	assert_false(path_is_reserved(slice_of("/synods")));
	assert_false(path_is_reserved(slice_of("/a/synod")));
	assert_false(path_is_reserved(slice_of("/")));
}

static void
counts_components(void **state)
{
	(void)state;
	assert_int_equal(path_depth(slice_of("/")), 0);
	assert_int_equal(path_depth(slice_of("/a")), 1);
	assert_int_equal(path_depth(slice_of("/a/b/c")), 3);
	assert_true(path_is_root(slice_of("/")));
	assert_false(path_is_root(slice_of("/a")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_ordinary_paths),
		cmocka_unit_test(refuses_with_a_reason),
		cmocka_unit_test(limits_the_bytes_of_a_component),
		cmocka_unit_test(limits_the_number_of_components),
		cmocka_unit_test(limits_the_bytes_of_a_path),
		cmocka_unit_test(checks_one_component_by_itself),
		cmocka_unit_test(takes_a_path_apart_and_joins_it_again),
		cmocka_unit_test(tells_what_lies_within_what),
		cmocka_unit_test(knows_the_reserved_subtree),
		cmocka_unit_test(counts_components),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
