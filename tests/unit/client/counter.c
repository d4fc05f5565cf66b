/* Counters over a small fake namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/client/fake_nodes.h"

static unsigned disturbances;

static int
set_up(void **state)
{
	(void)state;
	nodes_reset();
	disturbances = 0;
	return 0;
}

static int64_t
add(int64_t delta)
{
	int64_t value = -77;

	assert_int_equal(synod_counter_add(&nodes.handle, "/c", delta, &value), SYNOD_OK);
	return value;
}

static void
begins_at_nothing_and_adds(void **state)
{
	(void)state;
	assert_int_equal(add(0), 0);
	assert_null(nodes_find("/c")); /* looking does not write */
	assert_int_equal(add(5), 5);
	assert_int_equal(add(-7), -2);
	assert_string_equal(nodes_find("/c")->data, "-2");
	assert_int_equal(add(0), -2);
	nodes_write("/c", NULL); /* absent data counts as nothing, too */
	assert_int_equal(add(3), 3);
}

static void
reaches_both_ends_and_not_beyond(void **state)
{
	int64_t value = 1;

	(void)state;
	nodes_write("/c", "9223372036854775806");
	assert_int_equal(add(1), INT64_MAX);
	assert_int_equal(synod_counter_add(&nodes.handle, "/c", 1, &value), SYNOD_BAD_ARGUMENT);
	assert_string_equal(nodes_find("/c")->data, "9223372036854775807");
	nodes_write("/c", "-9223372036854775808");
	assert_int_equal(add(0), INT64_MIN);
	assert_int_equal(synod_counter_add(&nodes.handle, "/c", -1, &value), SYNOD_BAD_ARGUMENT);
	assert_int_equal(value, 1);
}

static void
refuses_what_is_no_number(void **state)
{
	static const char *const texts[] = {
		"", "-", "x", "1x", " 1", "+1", "1\n", "0x1", "9223372036854775808", "1.0"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		nodes_write("/c", texts[i]);
		assert_int_equal(synod_counter_add(&nodes.handle, "/c", 1, NULL),
		                 SYNOD_BAD_ARGUMENT);
		assert_string_equal(nodes_find("/c")->data, texts[i]);
	}
	assert_int_equal(synod_counter_add(NULL, "/c", 1, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_counter_add(&nodes.handle, NULL, 1, NULL), SYNOD_BAD_ARGUMENT);
}

/* Others are faster three times: by a write, by deleting it, by making it anew. */
static void
disturb(const char *what, const char *path)
{
	if (strcmp(what, "set") != 0 && strcmp(what, "create") != 0)
		return;
	switch (++disturbances) {
	case 1: nodes_write(path, "10"); break;
	case 2: nodes_delete(path); break;
	case 3: nodes_write(path, "20"); break;
	case 4:
		nodes_delete(path);
		nodes_write(path, "30");
		break;
	}
}

static void
adds_to_what_is_there_when_others_are_faster(void **state)
{
	(void)state;
	nodes_write("/c", "1");
	nodes.meanwhile = disturb;
	assert_int_equal(add(1), 31);
	assert_string_equal(nodes_find("/c")->data, "31");
}

static void
says_when_the_outcome_is_not_known(void **state)
{
	static const int errors[] = {SYNOD_UNKNOWN, SYNOD_TIMEOUT, SYNOD_CLOSED};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		nodes.fail_with = errors[i];
		assert_int_equal(synod_counter_add(&nodes.handle, "/c", 1, NULL), errors[i]);
	}
}

static void
always_disturb(const char *what, const char *path)
{
	if (strcmp(what, "set") == 0)
		nodes_write(path, "1");
}

static void
gives_up_after_many_tries(void **state)
{
	(void)state;
	nodes_write("/c", "1");
	nodes.meanwhile = always_disturb;
	assert_int_equal(synod_counter_add(&nodes.handle, "/c", 1, NULL), SYNOD_CONFLICT);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_at_nothing_and_adds),
		TEST(reaches_both_ends_and_not_beyond),
		TEST(refuses_what_is_no_number),
		TEST(adds_to_what_is_there_when_others_are_faster),
		TEST(says_when_the_outcome_is_not_known),
		TEST(gives_up_after_many_tries),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
