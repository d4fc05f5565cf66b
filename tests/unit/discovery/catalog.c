/* Catalogues: states, changes, suspects, the brake, and what flapping leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/discovery/catalog.h"

#define RECORD "{\"address\": \"10.0.0.7\", \"port\": 8080}"
#define NOW    UINT64_C(1000)

static struct catalog catalog;
static struct synod_filter filter;

static int
set_up(void **state)
{
	(void)state;
	filter = (struct synod_filter){0};
	catalog_init(&catalog, "web", &filter);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	catalog_fini(&catalog);
	return 0;
}

/* ---- what the ensemble says ---- */

static void
add_kind(const char *id, const char *text, enum synod_node_kind kind)
{
	struct synod_node node = {.path = id, .data = text, .size = strlen(text), .has_stat = true};

	node.stat = (struct synod_stat){
		.kind = kind, .owner = kind == SYNOD_SUSPECT ? 0 : 7, .created = 3, .modified = 4};
	assert_int_equal(catalog_state_add(&catalog, id, &node, NOW), SYNOD_OK);
}

static void
add(const char *id)
{
	add_kind(id, RECORD, SYNOD_EPHEMERAL);
}

static struct synod_change
change_of(const char *path, enum synod_change_kind kind, uint64_t owner, const char *text)
{
	return (struct synod_change){.revision = 20,
	                             .path = path,
	                             .kind = kind,
	                             .owner = owner,
	                             .data = text,
	                             .size = text != NULL ? strlen(text) : 0};
}

static void
apply_at(struct synod_change change, uint64_t now_ms)
{
	assert_int_equal(catalog_change(&catalog, &change, now_ms), SYNOD_OK);
}

static void
apply(const char *path, enum synod_change_kind kind, uint64_t owner, const char *text)
{
	apply_at(change_of(path, kind, owner, text), NOW);
}

static void
expire(const char *path)
{
	struct synod_change change = change_of(path, SYNOD_MODIFIED, 0, NULL);

	change.cause = SYNOD_CAUSE_EXPIRED;
	change.previous_owner = 7;
	apply_at(change, NOW);
}

/* ---- what is usable ---- */

/* The ids of those that are usable, each followed by a space. */
static const char *
chosen(void)
{
	static char text[1024];
	size_t used = 0;

	text[0] = '\0';
	assert_int_equal(catalog_choose(&catalog, NOW), SYNOD_OK);
	for (size_t i = 0; i < catalog.chosen_count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s ",
		                         catalog.chosen[i]->record->instance.id);
	return text;
}

static void
add_three(void)
{
	catalog_state_begin(&catalog);
	add("a");
	add("b");
	add("c");
	catalog_state_end(&catalog, NOW);
}

static void
a_state_replaces_what_was_known(void **state)
{
	(void)state;
	add_three();
	assert_string_equal(chosen(), "a b c ");
	catalog_state_begin(&catalog);
	add("c");
	add("b");
	add("aa"); /* in any order */
	catalog_state_end(&catalog, NOW);
	assert_string_equal(chosen(), "aa b c ");
	assert_int_equal(catalog.counts.instances, 3);
	assert_null(catalog_find(&catalog, "a"));
	assert_non_null(catalog_find(&catalog, "aa"));
}

static void
what_the_ensemble_says_is_in_the_instance(void **state)
{
	const struct synod_instance *instance;

	(void)state;
	add_three();
	instance = &catalog_find(&catalog, "b")->record->instance;
	assert_int_equal(instance->owner, 7);
	assert_int_equal(instance->created, 3);
	assert_int_equal(instance->modified, 4);
	assert_false(instance->is_suspect);
	apply("/services/web/b", SYNOD_MODIFIED, 8, RECORD);
	instance = &catalog_find(&catalog, "b")->record->instance;
	assert_int_equal(instance->owner, 8);
	assert_int_equal(instance->created, 3);
	assert_int_equal(instance->modified, 20);
	apply("/services/web/d", SYNOD_CREATED, 9, RECORD);
	instance = &catalog_find(&catalog, "d")->record->instance;
	assert_int_equal(instance->created, 20);
}

static void
changes_add_replace_and_remove(void **state)
{
	(void)state;
	add_three();
	apply("/services/web/bb", SYNOD_CREATED, 9, RECORD);
	apply("/services/web/a", SYNOD_DELETED, 7, NULL);
	apply("/services/web/c", SYNOD_MODIFIED, 7, "{\"address\": \"x\", \"port\": 9}");
	apply("/services/web/never", SYNOD_DELETED, 7, NULL);
	assert_string_equal(chosen(), "b bb c ");
	assert_string_equal(catalog_find(&catalog, "c")->record->instance.address, "x");
	assert_int_equal(catalog.counts.instances, 3);
	assert_int_equal(catalog.known_count, 4); /* a is remembered */
}

static void
only_the_path_of_the_service_is_the_service(void **state)
{
	(void)state;
	assert_true(catalog_is_service(&catalog, "/services/web"));
	assert_false(catalog_is_service(&catalog, "/services/web/a"));
}

static void
a_malformed_record_is_counted_and_never_chosen(void **state)
{
	(void)state;
	add_three();
	apply("/services/web/b", SYNOD_MODIFIED, 7, "{\"address\": 5}");
	apply("/services/web/~~", SYNOD_CREATED, 7, RECORD); /* outside of the grammar */
	apply("/services/web/e", SYNOD_CREATED, 7, NULL);
	assert_string_equal(chosen(), "a c ");
	assert_int_equal(catalog.counts.instances, 5);
	assert_int_equal(catalog.counts.malformed, 3);
	assert_non_null(strstr(catalog_find(&catalog, "b")->why, "address"));
	apply("/services/web/b", SYNOD_MODIFIED, 7, RECORD);
	assert_string_equal(chosen(), "a b c ");
	assert_int_equal(catalog.counts.malformed, 2);
	assert_null(catalog_find(&catalog, "b")->why);
}

static void
only_what_satisfies_the_filter_is_chosen(void **state)
{
	(void)state;
	filter.zone = "z";
	catalog_state_begin(&catalog);
	add("a");
	add_kind("b", "{\"address\": \"x\", \"port\": 1, \"zone\": \"z\"}", SYNOD_EPHEMERAL);
	add_kind("c", "{\"address\": \"x\", \"port\": 1, \"zone\": \"z\", \"state\": \"starting\"}",
	         SYNOD_EPHEMERAL);
	catalog_state_end(&catalog, NOW);
	assert_string_equal(chosen(), "b ");
	assert_int_equal(catalog.counts.instances, 3);
}

static void
a_suspect_is_not_chosen_until_it_is_taken_over(void **state)
{
	struct synod_change drained = change_of("/services/web/b", SYNOD_MODIFIED, 0, RECORD);

	(void)state;
	add_three();
	expire("/services/web/b"); /* without data: it is what it was */
	assert_string_equal(chosen(), "a c ");
	assert_int_equal(catalog.counts.suspects, 1);
	assert_int_equal(catalog.counts.malformed, 0);
	assert_true(catalog_find(&catalog, "b")->record->instance.is_suspect);
	assert_int_equal(catalog_find(&catalog, "b")->record->instance.owner, 0);
	apply_at(drained, NOW); /* somebody writes, and owns it no more than before */
	assert_string_equal(chosen(), "a c ");
	apply("/services/web/b", SYNOD_MODIFIED, 12, RECORD);
	assert_string_equal(chosen(), "a b c ");
	assert_int_equal(catalog.counts.suspects, 0);
	assert_false(catalog_find(&catalog, "b")->record->instance.is_suspect);
}

static void
a_suspect_that_is_made_anew_is_none(void **state)
{
	(void)state;
	add_three();
	expire("/services/web/b");
	apply("/services/web/b", SYNOD_DELETED, 0, NULL);
	apply("/services/web/b", SYNOD_CREATED, 0, RECORD); /* by an operator, for good */
	assert_string_equal(chosen(), "a b c ");
}

static void
a_state_tells_who_is_suspect(void **state)
{
	(void)state;
	add_three();
	catalog_state_begin(&catalog);
	add("a");
	add_kind("b", RECORD, SYNOD_SUSPECT);
	add_kind("c", "?", SYNOD_SUSPECT);
	catalog_state_end(&catalog, NOW);
	assert_string_equal(chosen(), "a ");
	assert_int_equal(catalog.counts.suspects, 2);
	assert_int_equal(catalog.counts.malformed, 1);
}

static void
suspects_are_chosen_when_nobody_else_is_usable(void **state)
{
	(void)state;
	add_three();
	catalog_state_begin(&catalog);
	add_kind("a", RECORD, SYNOD_SUSPECT);
	add_kind("b", "?", SYNOD_EPHEMERAL);
	add_kind("c", "{\"address\": \"x\", \"port\": 1, \"state\": \"critical\"}",
	         SYNOD_EPHEMERAL);
	add_kind("d", "{\"address\": \"x\", \"port\": 1, \"state\": \"critical\"}", SYNOD_SUSPECT);
	catalog_state_end(&catalog, NOW);
	assert_string_equal(chosen(), "a ");
	assert_false(catalog.counts.brake_holds);
}

/* SUSPECTS of COUNT. */
static void
add_suspects(unsigned suspects, unsigned count)
{
	char id[16];

	catalog_state_begin(&catalog);
	for (unsigned i = 0; i < count; i++) {
		snprintf(id, sizeof id, "i%02u", i);
		add_kind(id, RECORD, i < suspects ? SYNOD_SUSPECT : SYNOD_EPHEMERAL);
	}
	catalog_state_end(&catalog, NOW);
	chosen();
}

static void
the_brake_holds_above_the_share_and_from_three_on(void **state)
{
	static const struct {
		unsigned percent; /* 0: the service says nothing */
		unsigned suspects;
		unsigned count;
		bool holds;
	} cases[] = {{0, 3, 6, false},   {0, 4, 6, true},    {0, 2, 2, false},
	             {0, 3, 3, true},    {20, 3, 15, false}, {20, 4, 15, true},
	             {90, 9, 10, false}, {90, 10, 10, true}, {100, 10, 10, false}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct synod_stat stat = {.kind = SYNOD_SERVICE, .mode = cases[i].percent};

		catalog_set_service(&catalog, cases[i].percent != 0 ? &stat : NULL);
		add_suspects(cases[i].suspects, cases[i].count);
		assert_int_equal(catalog.counts.brake_holds, cases[i].holds);
		if (cases[i].holds)
			assert_int_equal(catalog.chosen_count, cases[i].count);
		else if (cases[i].suspects < cases[i].count)
			assert_int_equal(catalog.chosen_count, cases[i].count - cases[i].suspects);
	}
}

static void
a_node_that_is_no_service_has_the_usual_share(void **state)
{
	struct synod_stat stat = {.kind = SYNOD_LOCK, .mode = 5};

	(void)state;
	catalog_set_service(&catalog, &stat);
	assert_int_equal(catalog.brake_percent, 50);
	stat.kind = SYNOD_SERVICE;
	catalog_set_service(&catalog, &stat);
	assert_int_equal(catalog.brake_percent, 5);
	stat.mode = UINT64_C(1) << 40; /* nonsense */
	catalog_set_service(&catalog, &stat);
	assert_int_equal(catalog.brake_percent, 50);
}

static void
one_that_flaps_comes_back_with_what_was_seen_of_it(void **state)
{
	struct health *health;

	(void)state;
	add_three();
	chosen();
	health = catalog_find(&catalog, "b")->health;
	atomic_store(&health->in_use, 5);
	apply("/services/web/b", SYNOD_MODIFIED, 7, RECORD);
	assert_ptr_equal(catalog_find(&catalog, "b")->target->health, health);
	apply("/services/web/b", SYNOD_DELETED, 7, NULL);
	assert_null(catalog_find(&catalog, "b"));
	assert_string_equal(chosen(), "a c ");
	apply("/services/web/b", SYNOD_CREATED, 8, RECORD);
	assert_string_equal(chosen(), "a b c ");
	assert_ptr_equal(catalog_find(&catalog, "b")->target->health, health);
	assert_int_equal(atomic_load(&health->in_use), 5);
}

static void
what_is_gone_for_long_is_forgotten(void **state)
{
	(void)state;
	add_three();
	apply("/services/web/b", SYNOD_DELETED, 7, NULL);
	assert_int_equal(catalog_choose(&catalog, NOW + CATALOG_ABSENCE_MS - 1), SYNOD_OK);
	assert_int_equal(catalog.known_count, 3);
	assert_int_equal(catalog_choose(&catalog, NOW + CATALOG_ABSENCE_MS), SYNOD_OK);
	assert_int_equal(catalog.known_count, 2);
	assert_non_null(catalog_find(&catalog, "c"));
}

static void
slow_start_begins_when_an_instance_becomes_usable(void **state)
{
	struct health *health;

	(void)state;
	catalog_state_begin(&catalog);
	add("a");
	add_kind("b", "{\"address\": \"x\", \"port\": 1, \"state\": \"starting\"}",
	         SYNOD_EPHEMERAL);
	catalog_state_end(&catalog, NOW);
	chosen();
	health = catalog_find(&catalog, "b")->health;
	apply("/services/web/b", SYNOD_MODIFIED, 7, RECORD);
	assert_int_equal(catalog_choose(&catalog, NOW + 500), SYNOD_OK);
	assert_int_equal(health->since_ms, NOW + 500);
	assert_int_equal(catalog_find(&catalog, "a")->health->since_ms, NOW);
	assert_int_equal(catalog_choose(&catalog, NOW + 900), SYNOD_OK);
	assert_int_equal(health->since_ms, NOW + 500);
}

static void
reports_what_ten_thousand_instances_cost(void **state)
{
	struct timespec begun, read, changed;
	char path[64];

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	catalog_state_begin(&catalog);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(path, sizeof path, "i%05u", i);
		add_kind(path,
		         "{\"address\": \"10.0.0.7\", \"port\": 8080, \"state\": \"passing\", "
		         "\"weight\": 100, \"zone\": \"a\", \"version\": \"1.4.2\", "
		         "\"tags\": [\"blue\"], \"metadata\": {\"team\": \"x\"}}",
		         SYNOD_EPHEMERAL);
	}
	catalog_state_end(&catalog, NOW);
	assert_int_equal(catalog_choose(&catalog, NOW), SYNOD_OK);
	clock_gettime(CLOCK_MONOTONIC, &read);
	apply("/services/web/i05000", SYNOD_DELETED, 7, NULL);
	assert_int_equal(catalog_choose(&catalog, NOW), SYNOD_OK);
	clock_gettime(CLOCK_MONOTONIC, &changed);
	assert_int_equal(catalog.chosen_count, 9999);
	print_message(
		"             10,000 instances: read in %ld us, a change in %ld us\n",
		(read.tv_sec - begun.tv_sec) * 1000000 + (read.tv_nsec - begun.tv_nsec) / 1000,
		(changed.tv_sec - read.tv_sec) * 1000000 + (changed.tv_nsec - read.tv_nsec) / 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_state_replaces_what_was_known),
		TEST(what_the_ensemble_says_is_in_the_instance),
		TEST(changes_add_replace_and_remove),
		TEST(only_the_path_of_the_service_is_the_service),
		TEST(a_malformed_record_is_counted_and_never_chosen),
		TEST(only_what_satisfies_the_filter_is_chosen),
		TEST(a_suspect_is_not_chosen_until_it_is_taken_over),
		TEST(a_suspect_that_is_made_anew_is_none),
		TEST(a_state_tells_who_is_suspect),
		TEST(suspects_are_chosen_when_nobody_else_is_usable),
		TEST(the_brake_holds_above_the_share_and_from_three_on),
		TEST(a_node_that_is_no_service_has_the_usual_share),
		TEST(one_that_flaps_comes_back_with_what_was_seen_of_it),
		TEST(what_is_gone_for_long_is_forgotten),
		TEST(slow_start_begins_when_an_instance_becomes_usable),
		TEST(reports_what_ten_thousand_instances_cost),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
