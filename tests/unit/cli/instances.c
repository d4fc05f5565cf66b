/* Instances as people see them, and how two lists of them differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/instances.h"

static struct synod_instance
instance(const char *id)
{
	return (struct synod_instance){
		.id = id,
		.address = "10.0.0.1",
		.port = 80,
		.weight = 100,
		.zone = "",
		.version = "",
	};
}

static void
shows_an_instance_in_a_row(void **state)
{
	static const char *const tags[] = {"blue", "a\tb"};
	static const struct synod_pair metadata[] = {{"team", "x"}, {"empty", ""}};
	struct synod_instance bare = instance("a");
	struct synod_instance full = instance("b");
	struct table table;
	char *text;

	(void)state;
	full.address = "::1";
	full.zone = "z";
	full.version = "1.2";
	full.tags = tags;
	full.tag_count = 2;
	full.metadata = metadata;
	full.metadata_count = 2;
	full.health = SYNOD_CRITICAL;
	full.is_suspect = true;
	table_init(&table, instance_columns, INSTANCE_COLUMN_COUNT);
	instance_row(&table, &bare);
	instance_row(&table, &full);
	assert_int_equal(table.cell_count, 2 * INSTANCE_COLUMN_COUNT);
	assert_string_equal(table.cells[1], "10.0.0.1:80");
	assert_string_equal(table.cells[2], "passing");
	assert_string_equal(table.cells[4], "-");
	assert_string_equal(table.cells[6], "-");
	assert_string_equal(table.cells[8], "[::1]:80");
	assert_string_equal(table.cells[9], "critical,suspect");
	assert_string_equal(table.cells[10], "100");
	assert_string_equal(table.cells[11], "z");
	assert_string_equal(table.cells[12], "1.2");
	assert_string_equal(table.cells[13], "blue,a\\tb");
	table_fini(&table);
	text = metadata_text(&full);
	assert_string_equal(text, "team=x,empty=");
	free(text);
	text = metadata_text(&bare);
	assert_string_equal(text, "-");
	free(text);
}

static void
shows_an_instance_as_json(void **state)
{
	static const char *const tags[] = {"blue"};
	static const struct synod_pair metadata[] = {{"team", "x"}};
	struct synod_instance full = instance("b");
	cJSON *json;
	char *text;

	(void)state;
	full.tags = tags;
	full.tag_count = 1;
	full.metadata = metadata;
	full.metadata_count = 1;
	full.owner = UINT64_MAX;
	json = instance_json(&full);
	text = cJSON_PrintUnformatted(json);
	assert_string_equal(
		text, "{\"id\":\"b\",\"address\":\"10.0.0.1\",\"port\":80,\"state\":\"passing\","
		      "\"suspect\":false,\"weight\":100,\"zone\":\"\",\"version\":\"\","
		      "\"tags\":[\"blue\"],\"metadata\":{\"team\":\"x\"},"
		      "\"owner\":18446744073709551615,\"created\":0,\"modified\":0}");
	cJSON_free(text);
	cJSON_Delete(json);
}

/* ---- comparing ---- */

static void
note(void *context, const char *kind, const struct synod_instance *what)
{
	char *told = context;

	sprintf(told + strlen(told), "%s %s; ", kind, what->id);
}

static void
assert_difference(const struct synod_instance *old, size_t old_count,
                  const struct synod_instance *new, size_t new_count, const char *difference)
{
	const struct synod_instance *before[8], *now[8];
	struct synod_instances old_list = {before, old_count};
	struct synod_instances new_list = {now, new_count};
	char told[256] = "";

	for (size_t i = 0; i < old_count; i++)
		before[i] = &old[i];
	for (size_t i = 0; i < new_count; i++)
		now[i] = &new[i];
	instances_compare(old_count ? &old_list : NULL, &new_list, note, told);
	assert_string_equal(told, difference);
}

static void
tells_what_came_changed_and_went(void **state)
{
	struct synod_instance old[3] = {instance("b"), instance("c"), instance("d")};
	struct synod_instance new[3] = {instance("a"), instance("c"), instance("d")};

	(void)state;
	assert_difference(NULL, 0, new, 2, "added a; added c; ");
	assert_difference(old, 3, NULL, 0, "removed b; removed c; removed d; ");
	assert_difference(old, 3, old, 3, "");
	new[1].health = SYNOD_WARNING;
	assert_difference(old, 3, new, 3, "added a; removed b; changed c; ");
}

static void
tells_a_change_of_any_field(void **state)
{
	static const char *const tags[] = {"blue", "green"};
	static const struct synod_pair x[] = {{"team", "x"}}, y[] = {{"team", "y"}};
	struct synod_instance old = instance("a");
	struct synod_instance changed[12];
	size_t count = 0;

	(void)state;
	old.tags = tags;
	old.tag_count = 1;
	old.metadata = x;
	old.metadata_count = 1;
	for (size_t i = 0; i < 12; i++)
		changed[i] = old;
	changed[count++].address = "10.0.0.2";
	changed[count++].port = 81;
	changed[count++].health = SYNOD_DRAINING;
	changed[count++].weight = 1;
	changed[count++].zone = "z";
	changed[count++].version = "2";
	changed[count++].tag_count = 2;
	changed[count++].tags = tags + 1;
	changed[count++].metadata = y;
	changed[count++].metadata_count = 0;
	changed[count++].is_suspect = true;
	for (size_t i = 0; i < count; i++)
		assert_difference(&old, 1, &changed[i], 1, "changed a; ");
	changed[count].modified = 7; /* and nothing else */
	changed[count].owner = 8;
	assert_difference(&old, 1, &changed[count], 1, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_an_instance_in_a_row),
		cmocka_unit_test(shows_an_instance_as_json),
		cmocka_unit_test(tells_what_came_changed_and_went),
		cmocka_unit_test(tells_a_change_of_any_field),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
