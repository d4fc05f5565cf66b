/* Records in memory: what an instance must be, copies, references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/discovery/record.h"

static char why[RECORD_WHY_SIZE];

static struct synod_instance
plain(void)
{
	return (struct synod_instance){.id = "web-1", .address = "10.0.0.7", .port = 8080};
}

static void
assert_refused(struct synod_instance instance, int expected, const char *reason)
{
	struct record *record;

	assert_int_equal(record_make(&instance, &record, NULL), expected);
	assert_int_equal(record_make(&instance, &record, why), expected);
	assert_null(record);
	assert_string_equal(why, reason);
}

static void
assert_address(const char *address, bool is_good)
{
	struct synod_instance instance = plain();
	struct record *record;
	int error;

	instance.address = address;
	error = record_make(&instance, &record, why);
	if (is_good != (error == SYNOD_OK))
		fail_msg("address %s: %s", address, why);
	record_release(record);
}

static void
what_is_not_given_gets_its_default(void **state)
{
	struct synod_instance instance = plain();
	struct record *record;

	(void)state;
	instance.owner = 7;
	instance.is_suspect = true;
	assert_int_equal(record_make(&instance, &record, why), SYNOD_OK);
	assert_int_equal(record->instance.weight, 100);
	assert_string_equal(record->instance.zone, "");
	assert_string_equal(record->instance.version, "");
	assert_int_equal(record->instance.owner, 0);
	assert_false(record->instance.is_suspect);
	record_release(record);
}

static void
what_the_ensemble_says_makes_another_record(void **state)
{
	const char *tags[] = {"blue"};
	const struct synod_pair metadata[] = {{"team", "x"}};
	struct synod_instance instance = plain();
	struct record *record, *other;

	(void)state;
	instance.tags = tags;
	instance.tag_count = 1;
	instance.metadata = metadata;
	instance.metadata_count = 1;
	assert_int_equal(record_make(&instance, &record, why), SYNOD_OK);
	record_retain(record);
	other = record_with(record, true, 9, 10, 11);
	record_release(record);
	assert_string_equal(record->instance.tags[0], "blue");
	record_release(record);
	assert_string_equal(other->instance.tags[0], "blue");
	assert_string_equal(other->instance.metadata[0].value, "x");
	assert_true(other->instance.is_suspect);
	assert_int_equal(other->instance.owner, 9);
	assert_int_equal(other->instance.created, 10);
	assert_int_equal(other->instance.modified, 11);
	record_release(other);
}

static void
names_follow_the_grammar(void **state)
{
	char longest[RECORD_NAME_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof longest);
	longest[RECORD_NAME_MAX + 1] = '\0';
	assert_false(record_name_is_valid(longest));
	longest[RECORD_NAME_MAX] = '\0';
	assert_true(record_name_is_valid(longest));
	assert_true(record_name_is_valid("0"));
	assert_true(record_name_is_valid("Web-1.x_y"));
	assert_false(record_name_is_valid(NULL));
	assert_false(record_name_is_valid(""));
	assert_false(record_name_is_valid("."));
	assert_false(record_name_is_valid("-a"));
	assert_false(record_name_is_valid("a/b"));
	assert_false(record_name_is_valid("a b"));
	assert_false(record_name_is_valid("\xc3\xa4"));
}

static void
paths_are_made_of_names(void **state)
{
	char path[SERVICE_PATH_SIZE];
	char longest[RECORD_NAME_MAX + 1];

	(void)state;
	record_path(path, "web", NULL);
	assert_string_equal(path, "/services/web");
	record_path(path, "web", "a-1");
	assert_string_equal(path, "/services/web/a-1");
	memset(longest, 'a', RECORD_NAME_MAX);
	longest[RECORD_NAME_MAX] = '\0';
	record_path(path, longest, longest);
	assert_int_equal(strlen(path), SERVICE_PATH_SIZE - 1);
}

static void
addresses_have_neither_port_nor_brackets(void **state)
{
	(void)state;
	assert_address("localhost", true);
	assert_address("10.0.0.7", true);
	assert_address("a.example.org.", true);
	assert_address("::1", true);
	assert_address("fe80::1%eth0", true);
	assert_address("", false);
	assert_address("[::1]", false);
	assert_address("h:80", false);
	assert_address("h/x", false);
	assert_address("a b", false);
	assert_address("%eth0", false);
	assert_address("fe80::1%e/", false);
}

static void
what_is_wrong_is_named(void **state)
{
	struct synod_instance instance = plain();
	const char *tags[] = {"a\tb"};
	const struct synod_pair twice[] = {{"a", "1"}, {"a", "2"}};
	const struct synod_pair absent[] = {{"a", NULL}};

	(void)state;
	instance.id = "a/b";
	assert_refused(instance, SYNOD_BAD_PATH, "id: not 1 to 63 of a-z A-Z 0-9 . _ -");
	instance = plain();
	instance.address = NULL;
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "address: missing");
	instance = plain();
	instance.port = 0;
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "port: not between 1 and 65535");
	instance = plain();
	instance.weight = 65536;
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "weight: not between 1 and 65535");
	instance = plain();
	instance.health = (enum synod_health)5;
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "state: no such health");
	instance = plain();
	instance.zone = "\xff";
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "zone: not valid UTF-8");
	instance = plain();
	instance.version = "\xc2\x85";
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "version: control characters");
	instance = plain();
	instance.tag_count = 1;
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "tags: missing");
	instance.tags = tags;
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "tags: control characters");
	tags[0] = "";
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "tags: empty");
	instance = plain();
	instance.metadata = twice;
	instance.metadata_count = 2;
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "metadata: a name is there twice");
	instance.metadata_count = 65;
	assert_refused(instance, SYNOD_BAD_ARGUMENT, "metadata: more than 64");
	instance.metadata = absent;
	instance.metadata_count = 1;
	assert_refused(instance, SYNOD_BAD_ARGUMENT,
	               "metadata: a value is missing, or not valid UTF-8");
}

/* As text, where a quote takes two bytes. */
static void
a_record_above_64_kib_is_too_large(void **state)
{
	char *value = calloc(1, RECORD_SIZE_MAX);
	const struct synod_pair metadata[] = {{"a", value}};
	struct synod_instance instance = plain();
	struct record *record;

	(void)state;
	assert_non_null(value);
	instance.metadata = metadata;
	instance.metadata_count = 1;
	memset(value, '"', RECORD_SIZE_MAX / 2);
	assert_refused(instance, SYNOD_TOO_LARGE, "the record: larger than 64 KiB");
	value[RECORD_SIZE_MAX / 2 - 100] = '\0';
	assert_int_equal(record_make(&instance, &record, why), SYNOD_OK);
	record_release(record);
	free(value);
}

static void
every_health_has_a_name(void **state)
{
	(void)state;
	for (int i = SYNOD_PASSING; i <= SYNOD_DRAINING; i++)
		assert_int_equal(record_health_of(synod_health_name((enum synod_health)i)), i);
	assert_string_equal(synod_health_name(SYNOD_CRITICAL), "critical");
	assert_string_equal(synod_health_name((enum synod_health)77), "unknown");
	assert_int_equal(record_health_of("unknown"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_given_gets_its_default),
		cmocka_unit_test(what_the_ensemble_says_makes_another_record),
		cmocka_unit_test(names_follow_the_grammar),
		cmocka_unit_test(paths_are_made_of_names),
		cmocka_unit_test(addresses_have_neither_port_nor_brackets),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_record_above_64_kib_is_too_large),
		cmocka_unit_test(every_health_has_a_name),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
