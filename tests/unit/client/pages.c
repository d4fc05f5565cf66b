/* Listings and logs put together from pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/pages.h"
#include "client/request.h"
#include "shared/error.h"

static struct buffer body;
static struct buffer packed;
static struct pages *pages;

static int
set_up(void **state)
{
	(void)state;
	body = packed = BUFFER_EMPTY;
	pages = NULL;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	buffer_fini(&body);
	buffer_fini(&packed);
	pages_free(pages);
	return 0;
}

/* What the next page asks for. */
static struct operation
ask(void)
{
	struct operation operation;
	const char *why = NULL;

	buffer_clear(&body);
	assert_int_equal(pages_request(pages, &body, &why), SYNOD_OK);
	assert_int_equal(
		operation_decode(pages->operation.op, buffer_slice(&body), &operation, NULL),
		SYNOD_OK);
	return operation;
}

static bool
answer(int error, uint64_t revision)
{
	const struct response response = {
		.error = error,
		.revision = revision,
		.result = buffer_slice(&packed),
	};

	return pages_on_response(pages, buffer_slice(&body), &response);
}

/* Changes from revision FIRST on, PER_REVISION each, starting at ORDINAL of the first. */
static void
pack_log(uint64_t first, unsigned ordinal, unsigned count, unsigned per_revision, bool more)
{
	buffer_clear(&packed);
	pack_array(&packed, 3);
	pack_array(&packed, count);
	for (unsigned i = 0; i < count; i++) {
		const struct change change = {
			.revision = first + (ordinal + i) / per_revision,
			.ordinal = (ordinal + i) % per_revision,
			.path = slice_of("/a"),
			.kind = CHANGE_MODIFIED,
		};

		change_encode(&packed, &change);
	}
	pack_u64(&packed, 1);
	pack_bool(&packed, more);
}

static void
goes_on_with_a_log_inside_a_revision(void **state)
{
	const struct synod_read_options options = {.from = 10};

	(void)state;
	pages = pages_new(OP_LOG, "/a", &options);
	assert_int_equal(ask().revision, 10);
	pack_log(10, 0, 5, 2, true);
	assert_true(answer(SYNOD_OK, 50));
	assert_int_equal(ask().revision, 12);
	pack_log(12, 0, 4, 2, false);
	assert_false(answer(SYNOD_OK, 50));
	assert_int_equal(pages->outcome->result.error, SYNOD_OK);
	assert_int_equal(pages->outcome->result.change_count, 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(pages->outcome->result.changes[i].revision, 10 + i / 2);
		assert_int_equal(pages->outcome->result.changes[i].ordinal, i % 2);
	}
}

static void
leaves_out_what_was_changed_after_the_first_page(void **state)
{
	const struct synod_read_options options = {0};

	(void)state;
	pages = pages_new(OP_LOG, "/a", &options);
	ask();
	pack_log(10, 0, 2, 1, true);
	assert_true(answer(SYNOD_OK, 12));
	ask();
	pack_log(11, 0, 5, 1, true);
	assert_false(answer(SYNOD_OK, 15));
	assert_int_equal(pages->outcome->result.change_count, 3);
	assert_int_equal(pages->outcome->result.revision, 12);
	assert_false(pages->outcome->result.more);
}

static void
cuts_a_log_at_the_limit(void **state)
{
	const struct synod_read_options options = {.limit = 3};

	(void)state;
	pages = pages_new(OP_LOG, "/a", &options);
	assert_int_equal(ask().limit, 3);
	pack_log(10, 0, 2, 1, true);
	assert_true(answer(SYNOD_OK, 50));
	assert_int_equal(ask().limit, 2); /* one to come, and the last again */
	pack_log(11, 0, 2, 1, true);
	assert_false(answer(SYNOD_OK, 50));
	assert_int_equal(pages->outcome->result.change_count, 3);
	assert_true(pages->outcome->result.more);
}

static void
does_not_ask_for_ever(void **state)
{
	const struct synod_read_options options = {0};

	(void)state;
	pages = pages_new(OP_LOG, "/a", &options);
	ask();
	pack_log(10, 0, 2, 2, true);
	assert_true(answer(SYNOD_OK, 50));
	ask();
	assert_false(answer(SYNOD_OK, 50));
	assert_int_equal(pages->outcome->result.error, SYNOD_BAD_MESSAGE);
}

static void
pack_list(unsigned first, unsigned count, bool more)
{
	const struct node_stat stat = {0};
	char name[16];

	buffer_clear(&packed);
	pack_array(&packed, 3);
	stat_encode(&packed, &stat);
	pack_array(&packed, count);
	for (unsigned i = first; i < first + count; i++) {
		snprintf(name, sizeof name, "c%05u", i);
		pack_array(&packed, 1);
		pack_string(&packed, slice_of(name));
	}
	pack_bool(&packed, more);
}

static void
asks_for_the_children_after_the_last_at_the_same_revision(void **state)
{
	const struct synod_read_options options = {.after = "b", .limit = 15000, .with_stat = true};
	struct operation operation;

	(void)state;
	pages = pages_new(OP_LIST, "/a", &options);
	operation = ask();
	assert_true(slice_equal(operation.after, slice_of("b")));
	assert_int_equal(operation.limit, LIST_LIMIT_MAX);
	assert_int_equal(operation.revision, 0);
	pack_list(0, 8000, true);
	assert_true(answer(SYNOD_OK, 50));
	operation = ask();
	assert_true(slice_equal(operation.after, slice_of("c07999")));
	assert_int_equal(operation.limit, 7000);
	assert_int_equal(operation.revision, 50);
	pack_list(8000, 7000, true);
	assert_false(answer(SYNOD_OK, 60));
	assert_int_equal(pages->outcome->result.child_count, 15000);
	assert_true(pages->outcome->result.more);
	assert_int_equal(pages->outcome->result.revision, 50);
}

static void
goes_on_with_what_an_owner_owns_after_the_last_path(void **state)
{
	const struct synod_read_options options = {.from = 77};
	struct operation operation;

	(void)state;
	pages = pages_new(OP_OWNED, "/", &options);
	operation = ask();
	assert_int_equal(operation.revision, 77);
	assert_null(operation.after.bytes);
	buffer_clear(&packed);
	pack_array(&packed, 2);
	pack_array(&packed, 1);
	pack_string(&packed, slice_of("/a/b"));
	pack_bool(&packed, true);
	assert_true(answer(SYNOD_OK, 50));
	operation = ask();
	assert_int_equal(operation.revision, 77);
	assert_true(slice_equal(operation.after, slice_of("/a/b")));
	buffer_clear(&packed);
	pack_array(&packed, 2);
	pack_array(&packed, 1);
	pack_string(&packed, slice_of("/c"));
	pack_bool(&packed, false);
	assert_false(answer(SYNOD_OK, 52));
	assert_int_equal(pages->outcome->result.child_count, 2);
	assert_string_equal(pages->outcome->result.children[1].path, "/c");
}

static void
gives_up_a_listing_that_always_changes(void **state)
{
	const struct synod_read_options options = {.after = "b"};
	unsigned restarts = 0;

	(void)state;
	pages = pages_new(OP_LIST, "/a", &options);
	for (;;) {
		assert_true(slice_equal(ask().after, slice_of("b")));
		pack_list(0, 1, true);
		assert_true(answer(SYNOD_OK, 50));
		ask();
		buffer_clear(&packed);
		pack_nil(&packed);
		if (!answer(SYNOD_CONFLICT, 0))
			break;
		restarts++;
	}
	assert_int_equal(restarts, PAGES_RESTARTS_MAX);
	assert_int_equal(pages->outcome->result.error, SYNOD_CONFLICT);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(goes_on_with_a_log_inside_a_revision),
		TEST(leaves_out_what_was_changed_after_the_first_page),
		TEST(cuts_a_log_at_the_limit),
		TEST(does_not_ask_for_ever),
		TEST(asks_for_the_children_after_the_last_at_the_same_revision),
		TEST(goes_on_with_what_an_owner_owns_after_the_last_path),
		TEST(gives_up_a_listing_that_always_changes),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
