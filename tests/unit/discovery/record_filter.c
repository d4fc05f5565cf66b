/* Filters: each condition alone, all together, and copies that stand alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/discovery/record.h"

static struct record *record;

static int
set_up(void **state)
{
	static const char text[] = "{\"address\":\"h\",\"port\":1,\"zone\":\"a\",\"version\":\"2\","
				   "\"tags\":[\"blue\",\"new\"],\"metadata\":{\"team\":\"x\"}}";
	char why[RECORD_WHY_SIZE];

	(void)state;
	return record_read("i", text, strlen(text), &record, why);
}

static int
tear_down(void **state)
{
	(void)state;
	record_release(record);
	return 0;
}

static bool
matches(struct synod_filter filter)
{
	struct synod_filter *copy = filter_copy(&filter);
	bool answer;

	assert_non_null(copy);
	answer = record_matches(record, copy);
	free(copy);
	assert_int_equal(answer, record_matches(record, &filter));
	return answer;
}

static void
without_a_filter_everything_matches(void **state)
{
	(void)state;
	record->instance.health = SYNOD_CRITICAL;
	assert_true(record_matches(record, NULL));
}

static void
health_is_passing_and_warning_unless_set(void **state)
{
	(void)state;
	for (unsigned health = SYNOD_PASSING; health <= SYNOD_DRAINING; health++) {
		record->instance.health = (enum synod_health)health;
		assert_int_equal(matches((struct synod_filter){0}), health <= SYNOD_WARNING);
		assert_true(matches((struct synod_filter){.health = 1u << health}));
		assert_false(matches((struct synod_filter){.health = 0x1f & ~(1u << health)}));
	}
}

static void
every_tag_must_be_there(void **state)
{
	const char *both[] = {"new", "blue"};
	const char *other[] = {"blue", "red"};

	(void)state;
	assert_true(matches((struct synod_filter){.tags = both, .tag_count = 2}));
	assert_false(matches((struct synod_filter){.tags = other, .tag_count = 2}));
}

static void
metadata_must_be_there_with_its_value_if_one_is_given(void **state)
{
	const struct synod_pair same[] = {{"team", "x"}};
	const struct synod_pair any[] = {{"team", NULL}};
	const struct synod_pair differs[] = {{"team", "y"}};
	const struct synod_pair absent[] = {{"other", NULL}};

	(void)state;
	assert_true(matches((struct synod_filter){.metadata = same, .metadata_count = 1}));
	assert_true(matches((struct synod_filter){.metadata = any, .metadata_count = 1}));
	assert_false(matches((struct synod_filter){.metadata = differs, .metadata_count = 1}));
	assert_false(matches((struct synod_filter){.metadata = absent, .metadata_count = 1}));
}

static void
zone_and_version_must_be_equal(void **state)
{
	(void)state;
	assert_true(matches((struct synod_filter){.zone = "a", .version = "2"}));
	assert_false(matches((struct synod_filter){.zone = "b", .version = "2"}));
	assert_false(matches((struct synod_filter){.zone = "a", .version = ""}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_a_filter_everything_matches, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(health_is_passing_and_warning_unless_set, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(every_tag_must_be_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			metadata_must_be_there_with_its_value_if_one_is_given, set_up, tear_down),
		cmocka_unit_test_setup_teardown(zone_and_version_must_be_equal, set_up, tear_down),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
