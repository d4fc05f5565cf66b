/* The life of a session: keeping it, losing it, and what the application is told, in virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "tests/support/fake_client.h"

#define TIMEOUT_MS 6000
#define MARGIN_MS  600

static struct setting *setting;

static int
set_up(void **state)
{
	(void)state;
	setting = setting_new(2);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	setting_free(setting);
	return 0;
}

static void
open_with_session(unsigned member_count)
{
	struct reply reply;

	setting_open(setting, member_count, TIMEOUT_MS);
	setting_put(setting, "/first", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
}

static enum synod_state
last_state(void)
{
	assert_true(setting->state_count > 0);
	return setting->states[setting->state_count - 1];
}

static void
end_sessions(void)
{
	for (unsigned i = 0; i < setting->ensemble->session_count; i++)
		setting->ensemble->sessions[i].has_ended = true;
}

static void
keeps_an_idle_session_alive(void **state)
{
	(void)state;
	open_with_session(1);
	fake_world_run_for(setting->world, 10 * TIMEOUT_MS);
	assert_in_range(fake_member_keepalives(setting->members[0]), 29, 32);
	assert_in_range(synod_session_remaining_ms(setting->synod),
	                TIMEOUT_MS * 2 / 3 - MARGIN_MS - 10, TIMEOUT_MS - MARGIN_MS);
	assert_int_equal(last_state(), SYNOD_CONNECTED);
	assert_int_equal(fake_member_connections(setting->members[0]), 1);
}

/* What the way there and back took is missing from the time that remains. */
static void
reckons_from_when_the_keepalive_was_sent(void **state)
{
	unsigned before;
	unsigned after;

	(void)state;
	open_with_session(1);
	do {
		before = synod_session_remaining_ms(setting->synod);
		assert_true(fake_world_step(setting->world));
		after = synod_session_remaining_ms(setting->synod);
	} while (after <= before);
	assert_true(after < TIMEOUT_MS - MARGIN_MS);
}

static void
sends_no_keepalive_without_a_session(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 1, TIMEOUT_MS);
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 100), SYNOD_OK);
	fake_world_run_for(setting->world, 10 * TIMEOUT_MS);
	assert_int_equal(fake_member_keepalives(setting->members[0]), 0);
	assert_int_equal(synod_session_remaining_ms(setting->synod), 0);
}

static void
counts_the_deadline_from_when_the_message_was_sent(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 1, TIMEOUT_MS);
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 100), SYNOD_OK);
	/* Two one-way delays for the answer to SESSION_OPEN and two for the write's. */
	assert_in_range(synod_session_remaining_ms(setting->synod), TIMEOUT_MS - MARGIN_MS - 1,
	                TIMEOUT_MS - MARGIN_MS - 1);
}

static void
tells_that_it_is_suspended_and_when_time_is_up(void **state)
{
	(void)state;
	open_with_session(1);
	assert_int_equal(setting->state_count, 1);
	fake_member_set_greeting(setting->members[0], FAKE_GREETS_NOT, 0);
	fake_member_drop_all(setting->members[0]);
	fake_world_run_for(setting->world, 10);
	assert_int_equal(setting->state_count, 2);
	assert_int_equal(setting->states[1], SYNOD_SUSPENDED);
	assert_in_range(setting->remaining_ms[1], TIMEOUT_MS - MARGIN_MS - 20,
	                TIMEOUT_MS - MARGIN_MS);
	fake_world_run_for(setting->world, TIMEOUT_MS);
	assert_int_equal(setting->state_count, 3);
	assert_int_equal(setting->states[2], SYNOD_SUSPENDED);
	assert_int_equal(setting->remaining_ms[2], 0);
	assert_int_equal(synod_session_remaining_ms(setting->synod), 0);
	fake_member_set_greeting(setting->members[0], FAKE_GREETS, 0);
	fake_world_run_for(setting->world, 3000);
	assert_int_equal(last_state(), SYNOD_CONNECTED);
	assert_int_equal(setting->ensemble->session_count, 1);
}

static void
suspends_when_keepalives_are_not_answered(void **state)
{
	(void)state;
	open_with_session(1);
	fake_member_set_keepalive(setting->members[0], false, SYNOD_OK);
	fake_world_run_for(setting->world, TIMEOUT_MS);
	assert_int_equal(last_state(), SYNOD_SUSPENDED);
	fake_member_set_keepalive(setting->members[0], true, SYNOD_OK);
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(last_state(), SYNOD_CONNECTED);
}

static void
does_not_count_a_keepalive_that_was_refused(void **state)
{
	(void)state;
	open_with_session(1);
	fake_member_set_keepalive(setting->members[0], true, SYNOD_NO_QUORUM);
	fake_world_run_for(setting->world, TIMEOUT_MS);
	assert_int_equal(last_state(), SYNOD_SUSPENDED);
	assert_int_equal(synod_session_remaining_ms(setting->synod), 0);
}

static void
moves_the_session_to_a_member_that_keeps_it(void **state)
{
	unsigned first;

	(void)state;
	open_with_session(2);
	first = fake_member_connections(setting->members[0]) > 0 ? 0 : 1;
	fake_member_set_keepalive(setting->members[first], false, SYNOD_OK);
	fake_world_run_for(setting->world, 3 * TIMEOUT_MS);
	assert_true(fake_member_keepalives(setting->members[1 - first]) > 0);
	assert_int_equal(setting->ensemble->session_count, 1);
	assert_int_equal(last_state(), SYNOD_CONNECTED);
	for (unsigned i = 0; i < setting->state_count; i++)
		if (setting->states[i] == SYNOD_SUSPENDED)
			assert_true(setting->remaining_ms[i] > 0);
}

static void
learns_of_the_end_from_a_keepalive(void **state)
{
	struct reply reply;

	(void)state;
	open_with_session(1);
	end_sessions();
	fake_world_run_for(setting->world, TIMEOUT_MS / 2);
	assert_int_equal(last_state(), SYNOD_EXPIRED);
	assert_int_equal(synod_session_id(setting->synod), 0);
	setting_put(setting, "/b", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 100), SYNOD_OK);
	assert_int_equal(setting->ensemble->session_count, 2);
	assert_int_equal(last_state(), SYNOD_CONNECTED);
}

static void
says_unknown_for_sent_writes_and_repeats_the_others_when_the_session_ends(void **state)
{
	static struct reply replies[SESSION_WINDOW + 10];

	(void)state;
	open_with_session(1);
	fake_member_fault(setting->members[0],
	                  (struct fake_fault){OP_PUT, 1, FAKE_END_SESSION, 0, NULL, {NULL, 0}, 0});
	for (unsigned i = 0; i < SESSION_WINDOW + 10; i++)
		setting_put(setting, "/a", 0, &replies[i]);
	assert_int_equal(setting_await(setting, &replies[SESSION_WINDOW + 9], 2000), SYNOD_OK);
	for (unsigned i = 0; i < SESSION_WINDOW; i++)
		assert_int_equal(replies[i].error, SYNOD_UNKNOWN);
	for (unsigned i = SESSION_WINDOW; i < SESSION_WINDOW + 10; i++)
		assert_int_equal(replies[i].error, SYNOD_OK);
	assert_int_equal(setting->ensemble->write_count, 11);
}

static void
says_unknown_for_sent_writes_when_the_session_is_gone_after_a_reconnect(void **state)
{
	struct reply reply;

	(void)state;
	open_with_session(1);
	fake_member_fault(setting->members[0],
	                  (struct fake_fault){OP_PUT, 1, FAKE_EXECUTE_DROP, 0, NULL, {NULL, 0}, 0});
	fake_member_fault(setting->members[0], (struct fake_fault){OP_SESSION_ATTACH,
	                                                           1,
	                                                           FAKE_ANSWER,
	                                                           SYNOD_SESSION_ENDED,
	                                                           NULL,
	                                                           {NULL, 0},
	                                                           0});
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_UNKNOWN);
	assert_int_equal(last_state(), SYNOD_EXPIRED);
	setting_put(setting, "/b", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
}

static void
asks_before_it_sends_when_the_session_may_have_ended_meanwhile(void **state)
{
	struct reply reply;

	(void)state;
	open_with_session(1);
	/* As if the process had been stopped: the connection lives, the session does not. */
	fake_member_set_keepalive(setting->members[0], false, SYNOD_OK);
	fake_world_run_for(setting->world, 2 * TIMEOUT_MS);
	end_sessions();
	setting_put(setting, "/b", 0, &reply);
	fake_world_run_for(setting->world, 100);
	assert_false(reply.is_done);
	fake_member_set_keepalive(setting->members[0], true, SYNOD_OK);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	assert_int_equal(setting->ensemble->session_count, 2);
}

static void
tells_writers_why_no_session_can_be_opened(void **state)
{
	struct reply reply;

	(void)state;
	fake_member_fault(setting->members[0], (struct fake_fault){OP_SESSION_OPEN,
	                                                           1,
	                                                           FAKE_ANSWER,
	                                                           SYNOD_NO_SPACE,
	                                                           "the disk is nearly full",
	                                                           {NULL, 0},
	                                                           0});
	setting_open(setting, 1, TIMEOUT_MS);
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 100), SYNOD_NO_SPACE);
	assert_string_equal(reply.message, "the disk is nearly full");
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 100), SYNOD_OK);
}

static void
opens_a_session_once_there_is_a_leader(void **state)
{
	struct reply reply;

	(void)state;
	fake_member_fault(
		setting->members[0],
		(struct fake_fault){
			OP_SESSION_OPEN, 5, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	setting_open(setting, 1, TIMEOUT_MS);
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 200), SYNOD_OK);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(keeps_an_idle_session_alive),
		TEST(reckons_from_when_the_keepalive_was_sent),
		TEST(sends_no_keepalive_without_a_session),
		TEST(counts_the_deadline_from_when_the_message_was_sent),
		TEST(tells_that_it_is_suspended_and_when_time_is_up),
		TEST(suspends_when_keepalives_are_not_answered),
		TEST(does_not_count_a_keepalive_that_was_refused),
		TEST(moves_the_session_to_a_member_that_keeps_it),
		TEST(learns_of_the_end_from_a_keepalive),
		TEST(says_unknown_for_sent_writes_and_repeats_the_others_when_the_session_ends),
		TEST(says_unknown_for_sent_writes_when_the_session_is_gone_after_a_reconnect),
		TEST(asks_before_it_sends_when_the_session_may_have_ended_meanwhile),
		TEST(tells_writers_why_no_session_can_be_opened),
		TEST(opens_a_session_once_there_is_a_leader),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
