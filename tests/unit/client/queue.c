/* Queues over a small fake namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/client/fake_nodes.h"

static unsigned waits;

static int
set_up(void **state)
{
	(void)state;
	nodes_reset();
	waits = 0;
	return 0;
}

static void
put(const char *data)
{
	assert_int_equal(synod_queue_put(&nodes.handle, "/q", data, strlen(data)), SYNOD_OK);
}

static void
assert_taken(const char *path, const char *data, unsigned timeout_ms)
{
	struct synod_result *result;

	assert_int_equal(synod_queue_take(&nodes.handle, "/q", timeout_ms, &result), SYNOD_OK);
	assert_string_equal(result->node.path, path);
	assert_string_equal(result->node.data, data);
	assert_int_equal(result->node.size, strlen(data));
	synod_result_free(result);
}

static void
first_in_is_first_out(void **state)
{
	(void)state;
	put("a");
	put("b");
	assert_taken("/q/item-0000000000", "a", 0);
	put("c");
	assert_taken("/q/item-0000000001", "b", 0);
	assert_taken("/q/item-0000000002", "c", 0);
}

static void
an_empty_queue_is_not_found(void **state)
{
	struct synod_result *result;

	(void)state;
	assert_int_equal(synod_queue_take(&nodes.handle, "/q", 0, &result), SYNOD_NOT_FOUND);
	assert_int_equal(result->error, SYNOD_NOT_FOUND);
	synod_result_free(result);
	nodes_write("/q", NULL);
	nodes_write("/q/a-note", "not an item");
	nodes_write("/q/other", "not an item");
	assert_int_equal(synod_queue_take(&nodes.handle, "/q", 0, &result), SYNOD_NOT_FOUND);
	synod_result_free(result);
	assert_int_equal(synod_queue_take(&nodes.handle, "/q", 0, NULL), SYNOD_NOT_FOUND);
}

/* Somebody takes each of the first two right before us. */
static void
be_faster(const char *what, const char *path)
{
	if (strcmp(what, "delete") == 0 && strcmp(path, "/q/item-0000000002") != 0)
		nodes_delete(path);
}

static void
what_others_took_is_passed_over(void **state)
{
	struct synod_result *result;

	(void)state;
	put("a");
	put("b");
	put("c");
	nodes.meanwhile = be_faster;
	assert_taken("/q/item-0000000002", "c", 0);
	put("d");
	assert_int_equal(synod_queue_take(&nodes.handle, "/q", 0, &result), SYNOD_NOT_FOUND);
	synod_result_free(result);
}

/* Another node changes first, then an item comes. */
static void
bring_an_item(const char *what, const char *path)
{
	(void)path;
	if (strcmp(what, "wait") != 0)
		return;
	waits++;
	if (waits == 1)
		nodes_write("/q/other", "x");
	if (waits == 3)
		nodes_write("/q/item-0000000077", "late");
}

static void
waits_until_an_item_comes(void **state)
{
	(void)state;
	nodes_write("/q", NULL);
	nodes.meanwhile = bring_an_item;
	nodes_write("/q/other", "0");
	waits = 1; /* the second look finds nothing: the time is over */
	assert_int_equal(synod_queue_take(&nodes.handle, "/q", 50, NULL), SYNOD_TIMEOUT);
	waits = 2;
	assert_taken("/q/item-0000000077", "late", 60000);
}

static void
says_when_the_outcome_is_not_known(void **state)
{
	struct synod_result *result;

	(void)state;
	put("a");
	nodes.fail_with = SYNOD_NO_QUORUM;
	assert_int_equal(synod_queue_take(&nodes.handle, "/q", 0, &result), SYNOD_NO_QUORUM);
	assert_int_equal(result->error, SYNOD_NO_QUORUM);
	synod_result_free(result);
	nodes.fail_with = SYNOD_UNKNOWN;
	assert_int_equal(synod_queue_put(&nodes.handle, "/q", "b", 1), SYNOD_UNKNOWN);
}

static void
refuses_nonsense(void **state)
{
	(void)state;
	assert_int_equal(synod_queue_put(NULL, "/q", "a", 1), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_queue_put(&nodes.handle, NULL, "a", 1), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_queue_take(NULL, "/q", 0, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_queue_take(&nodes.handle, NULL, 0, NULL), SYNOD_BAD_ARGUMENT);
	nodes.is_in_callback = true;
	assert_int_equal(synod_queue_take(&nodes.handle, "/q", 0, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(nodes.calls, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_in_is_first_out),
		TEST(an_empty_queue_is_not_found),
		TEST(what_others_took_is_passed_over),
		TEST(waits_until_an_item_comes),
		TEST(says_when_the_outcome_is_not_known),
		TEST(refuses_nonsense),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
