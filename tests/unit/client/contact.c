/* Finding members and noticing their silence, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "tests/support/fake_client.h"

static struct setting *setting;

static int
set_up(void **state)
{
	(void)state;
	setting = setting_new(3);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	setting_free(setting);
	return 0;
}

static int
get(unsigned timeout_ms, struct reply *reply)
{
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, timeout_ms, reply);
	return setting_await(setting, reply, timeout_ms + 10);
}

static unsigned
present_member(void)
{
	for (unsigned i = 0; i < 3; i++)
		if (fake_member_connections(setting->members[i]) > 0)
			return i;
	fail();
	return 0;
}

static void
finds_the_one_member_that_is_there(void **state)
{
	char endpoints[128];
	struct reply reply;

	(void)state;
	snprintf(endpoints, sizeof endpoints, "127.0.0.1:7,127.0.0.1:8,%s,127.0.0.1:9",
	         fake_member_address(setting->members[0]));
	setting_open_at(setting, endpoints, 0);
	assert_int_equal(get(20, &reply), SYNOD_OK);
}

static void
pauses_ever_longer_between_rounds_without_an_answer(void **state)
{
	struct reply reply;

	(void)state;
	fake_member_set_greeting(setting->members[0], FAKE_GREETS_GARBAGE, 0);
	setting_open(setting, 1, 0);
	fake_world_run_for(setting->world, 1000);
	assert_in_range(fake_member_connections(setting->members[0]), 5, 9);
	fake_world_run_for(setting->world, 10000);
	assert_in_range(fake_member_connections(setting->members[0]), 13, 22);
	fake_member_set_greeting(setting->members[0], FAKE_GREETS, 0);
	assert_int_equal(get(1300, &reply), SYNOD_OK);
}

static void
gives_up_a_dial_that_goes_nowhere_within_a_second(void **state)
{
	struct reply reply;

	(void)state;
	fake_world_cut(setting->world, fake_member_address(setting->members[0]), true);
	fake_world_cut(setting->world, fake_member_address(setting->members[1]), true);
	setting_open(setting, 3, 0);
	assert_int_equal(get(2100, &reply), SYNOD_OK);
}

static void
gives_up_a_member_that_does_not_greet(void **state)
{
	struct reply reply;

	(void)state;
	fake_member_set_greeting(setting->members[0], FAKE_GREETS_NOT, 0);
	setting_open(setting, 1, 0);
	assert_int_equal(get(1900, &reply), SYNOD_TIMEOUT);
	fake_world_run_for(setting->world, 200);
	assert_non_null(strstr(setting->synod->session->contact.problem, "no greeting in time"));
}

static void
says_at_once_when_no_member_speaks_its_protocol(void **state)
{
	struct reply reply;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fake_member_set_greeting(setting->members[i], FAKE_GREETS_REFUSING,
		                         SYNOD_WRONG_PROTOCOL);
	setting_open(setting, 3, 0);
	assert_int_equal(get(5000, &reply), SYNOD_WRONG_PROTOCOL);
	assert_non_null(strstr(reply.message, "no common protocol version"));
	assert_non_null(strstr(reply.message, "127.0.0.1:"));
	setting_put(setting, "/a", 5000, &reply);
	assert_int_equal(setting_await(setting, &reply, 10), SYNOD_WRONG_PROTOCOL);
}

static void
checks_the_version_that_a_member_offers(void **state)
{
	struct reply reply;

	(void)state;
	fake_member_set_greeting(setting->members[0], FAKE_GREETS_LATER_VERSION, 0);
	setting_open(setting, 1, 0);
	assert_int_equal(get(5000, &reply), SYNOD_WRONG_PROTOCOL);
}

static void
uses_the_member_that_does_speak_its_protocol(void **state)
{
	struct reply reply;

	(void)state;
	fake_member_set_greeting(setting->members[0], FAKE_GREETS_REFUSING, SYNOD_WRONG_PROTOCOL);
	fake_member_set_greeting(setting->members[1], FAKE_GREETS_AS_CLIENT, 0);
	setting_open(setting, 3, 0);
	assert_int_equal(get(100, &reply), SYNOD_OK);
}

static void
does_not_mix_two_clusters(void **state)
{
	struct reply reply;
	unsigned first;

	(void)state;
	setting_open(setting, 2, 0);
	assert_int_equal(get(100, &reply), SYNOD_OK);
	first = present_member();
	fake_member_set_cluster(setting->members[1 - first], 0xee);
	fake_member_stop(setting->members[first]);
	assert_int_equal(get(3000, &reply), SYNOD_TIMEOUT);
	assert_int_equal(fake_member_requests(setting->members[1 - first], OP_GET), 0);
	assert_true(fake_member_connections(setting->members[1 - first]) > 0);
}

static void
learns_the_addresses_of_other_members(void **state)
{
	struct reply reply;

	(void)state;
	fake_member_set_members(setting->members[0], fake_member_address(setting->members[1]));
	setting_open(setting, 1, 0);
	assert_int_equal(get(100, &reply), SYNOD_OK);
	assert_int_equal(endpoints_count(&setting->synod->endpoints), 2);
	fake_member_stop(setting->members[0]);
	assert_int_equal(get(1000, &reply), SYNOD_OK);
	assert_int_equal(fake_member_requests(setting->members[1], OP_GET), 1);
}

static void
leaves_a_member_that_has_fallen_silent(void **state)
{
	struct reply reply;
	unsigned silent;

	(void)state;
	setting_open(setting, 2, 0);
	assert_int_equal(get(100, &reply), SYNOD_OK);
	silent = present_member();
	fake_world_cut(setting->world, fake_member_address(setting->members[silent]), true);
	assert_int_equal(get(2600, &reply), SYNOD_OK);
	assert_int_equal(fake_member_requests(setting->members[1 - silent], OP_GET), 1);
}

static void
waits_for_a_slow_member_that_answers_pings(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 1, 0);
	assert_int_equal(get(100, &reply), SYNOD_OK);
	fake_member_fault(setting->members[0],
	                  (struct fake_fault){OP_GET, 1, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	assert_int_equal(get(4500, &reply), SYNOD_TIMEOUT);
	assert_int_equal(fake_member_connections(setting->members[0]), 1);
}

static void
notices_on_an_idle_connection_that_the_member_is_gone(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 1, 0);
	assert_int_equal(get(100, &reply), SYNOD_OK);
	fake_world_run_for(setting->world, 60000);
	assert_int_equal(setting->state_count, 1);
	fake_member_set_mute(setting->members[0], true);
	fake_world_run_for(setting->world, 18000);
	assert_true(setting->state_count > 1);
	assert_int_equal(setting->states[1], SYNOD_SUSPENDED);
}

static void
ignore(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	(void)context;
	(void)watch;
	(void)event;
}

/* Whoever waits for events alone must not be deaf for a quarter of a minute. */
static void
notices_sooner_where_it_listens_for_events(void **state)
{
	struct synod_watch_options options = {.on_event = ignore};
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 1, 0);
	assert_int_equal(synod_watch_open(setting->synod, "/a", &options, &watch), SYNOD_OK);
	fake_world_run_for(setting->world, 60000);
	assert_int_equal(setting->state_count, 1);
	fake_member_set_mute(setting->members[0], true);
	fake_world_run_for(setting->world, 5000);
	assert_true(setting->state_count > 1);
	assert_int_equal(setting->states[1], SYNOD_SUSPENDED);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(finds_the_one_member_that_is_there),
		TEST(pauses_ever_longer_between_rounds_without_an_answer),
		TEST(gives_up_a_dial_that_goes_nowhere_within_a_second),
		TEST(gives_up_a_member_that_does_not_greet),
		TEST(says_at_once_when_no_member_speaks_its_protocol),
		TEST(checks_the_version_that_a_member_offers),
		TEST(uses_the_member_that_does_speak_its_protocol),
		TEST(does_not_mix_two_clusters),
		TEST(learns_the_addresses_of_other_members),
		TEST(leaves_a_member_that_has_fallen_silent),
		TEST(waits_for_a_slow_member_that_answers_pings),
		TEST(notices_on_an_idle_connection_that_the_member_is_gone),
		TEST(notices_sooner_where_it_listens_for_events),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
