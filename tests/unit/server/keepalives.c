/* Keepalives at whole members: who is told that a session lives, and which sessions end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/stage.h"

#define PATIENCE_MS 10000

static void
a_keepalive_is_answered_with_the_sessions_timeout(void **state)
{
	struct stage *stage = stage_new(1);
	const struct told *told;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, 5000);
	caller_keepalive(&caller, 11);
	told = caller_alive(&caller, 11, 100);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_OK);
	assert_int_equal(told->timeout_ms, 5000);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_connection_without_a_session_is_told_so_with_or_without_a_leader(void **state)
{
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	for (uint64_t number = 1; number <= 2; number++) {
		caller_keepalive(&caller, number);
		told = caller_alive(&caller, number, 100);
		assert_non_null(told);
		assert_int_equal(told->error, SYNOD_SESSION_ENDED);
		stage_part_first(stage, true);
		stage_run(stage, 2000);
	}
	caller_close(&caller);
	stage_free(stage);
}

/* Does SESSION still exist, asked by a new connection at member INDEX? */
static bool
lives(struct stage *stage, unsigned index, const struct caller *owner)
{
	struct caller other;
	int error;

	caller_open(&other, stage, index);
	error = caller_result(&other, caller_attach(&other, owner->session, owner->secret));
	caller_close(&other);
	assert_true(error == SYNOD_OK || error == SYNOD_SESSION_ENDED);
	return error == SYNOD_OK;
}

static void
a_silent_session_ends_after_its_timeout_and_not_before(void **state)
{
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, 2000);
	stage_run(stage, 1900);
	assert_true(lives(stage, 0, &caller));
	stage_run(stage, 300);
	assert_false(lives(stage, 0, &caller));
	caller_keepalive(&caller, 12);
	told = caller_alive(&caller, 12, 1000);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_SESSION_ENDED);
	caller_close(&caller);
	stage_free(stage);
}

static void
keepalives_at_a_follower_reach_the_leader_and_keep_the_session(void **state)
{
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 2);
	caller_open_session(&caller, 1000);
	for (uint64_t number = 1; number <= 10; number++) {
		stage_run(stage, 600);
		caller_keepalive(&caller, number);
		told = caller_alive(&caller, number, 100);
		assert_non_null(told);
		assert_int_equal(told->error, SYNOD_OK);
		assert_int_equal(told->timeout_ms, 1000);
	}
	assert_true(lives(stage, 2, &caller));
	stage_run(stage, 1300);
	assert_false(lives(stage, 2, &caller));
	caller_keepalive(&caller, 77);
	told = caller_alive(&caller, 77, 100);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_SESSION_ENDED);
	caller_close(&caller);
	stage_free(stage);
}

/* Nobody knows whether a leader that hears no quorum still leads, itself included. */
static void
a_leader_alone_answers_no_keepalive_until_somebody_leads_it(void **state)
{
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, 30000);
	stage_part_first(stage, true);
	caller_keepalive(&caller, 1);
	assert_null(caller_alive(&caller, 1, 50));
	assert_int_equal(stage_leader(stage), 0); /* it does not know it yet */
	caller_keepalive(&caller, 2);
	assert_null(caller_alive(&caller, 2, 5000));
	assert_null(caller_alive(&caller, 1, 0));
	assert_true(stage_await_other_leader(stage, 0) > 0);
	stage_part_first(stage, false);
	for (uint64_t number = 1; number <= 2; number++) {
		told = caller_alive(&caller, number, PATIENCE_MS);
		assert_non_null(told);
		assert_int_equal(told->error, SYNOD_OK);
	}
	caller_close(&caller);
	stage_free(stage);
}

/* What went to a leader that is gone is sent again, to the next. */
static void
keepalives_that_were_lost_on_the_way_are_sent_again(void **state)
{
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 2);
	caller_open_session(&caller, 30000);
	stage_part_first(stage, true);
	caller_keepalive(&caller, 5);
	assert_null(caller_alive(&caller, 5, 50));
	assert_non_null(stage->members[2].member->keepalives_sent);
	told = caller_alive(&caller, 5, PATIENCE_MS);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_OK);
	assert_null(stage->members[2].member->keepalives_sent);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_new_leader_grants_everybody_a_full_timeout(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;
	int leader;

	(void)state;
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, 3000);
	stage_run(stage, 2800);
	stage_part_first(stage, true);
	leader = stage_await_other_leader(stage, 0);
	assert_true(leader > 0);
	stage_run(stage, 2800);
	assert_true(lives(stage, (unsigned)leader, &caller));
	stage_run(stage, 500);
	assert_false(lives(stage, (unsigned)leader, &caller));
	stage_part_first(stage, false);
	caller_close(&caller);
	stage_free(stage);
}

/* An expiry that the next leader still finds in its log is void: the new deadline counts. */
static void
an_expiry_proposed_under_another_ballot_ends_no_session(void **state)
{
	struct stage *stage = stage_new(3);
	struct member *leader = stage->members[0].member;
	struct command command = {.type = COMMAND_EXPIRE, .generation = 1};
	struct caller caller;
	uint64_t applied;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, 30000);
	command.session = caller.session;
	command.ballot = (struct command_ballot){1, leader->view.ballot.round - 1, 1};
	applied = leader->applied;
	proposals_add_command(leader, &command);
	stage_run(stage, 200);
	assert_true(leader->applied > applied);
	assert_true(lives(stage, 0, &caller));
	command.ballot.round = leader->view.ballot.round;
	proposals_add_command(leader, &command);
	stage_run(stage, 200);
	assert_false(lives(stage, 0, &caller));
	caller_close(&caller);
	stage_free(stage);
}

/* The core takes nothing while its window is full.  The session has ended for its client by then,
 * and must end for everybody once there is room. */
static void
an_expiry_that_the_core_did_not_take_is_proposed_again(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller, writer;
	unsigned busy = 0;

	(void)state;
	stage_stop(stage, 0);
	stage->window_entries = 4;
	assert_int_equal(stage_start(stage, 0), SYNOD_OK);
	stage_run(stage, 2000);
	caller_open(&caller, stage, 0);
	caller_open(&writer, stage, 0);
	caller_open_session(&writer, 30000);
	caller_open_session(&caller, 1000);
	stage_run(stage, 960);
	assert_true(lives(stage, 0, &caller));
	stage->members[0].is_recorder_stuck = true;
	for (unsigned i = 0; i < 8; i++)
		caller_write(&writer, OP_PUT, "/a", "x");
	stage_run(stage, 60); /* the deadline passes meanwhile */
	stage->members[0].is_recorder_stuck = false;
	stage_run(stage, 100);
	for (unsigned i = 0; i < writer.told_count; i++)
		busy += writer.told[i].error == SYNOD_BUSY;
	assert_true(busy > 0);
	assert_int_equal(stage_leader(stage), 0);
	stage_run(stage, 1500);
	assert_false(lives(stage, 0, &caller));
	caller_close(&writer);
	caller_close(&caller);
	stage_free(stage);
}

static void
frames_that_make_no_sense_are_refused(void **state)
{
	static const uint8_t cut_short[] = {0x92, 0x01, 0x93, 0x01};
	static const uint8_t of_no_batch[] = {0x92, 0x01, 0x91, 0x01};
	struct slice body = {cut_short, sizeof cut_short};
	struct stage *stage = stage_new(3);
	struct member *leader = stage->members[0].member;
	struct member *follower = stage->members[1].member;
	struct caller caller;

	(void)state;
	assert_int_equal(keepalives_on_sessions(leader, 2, body), SYNOD_BAD_MESSAGE);
	assert_int_equal(keepalives_on_alive(follower, 1, body), SYNOD_BAD_MESSAGE);
	body = (struct slice){of_no_batch, sizeof of_no_batch};
	assert_int_equal(keepalives_on_alive(follower, 1, body), SYNOD_OK);
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, 30000);
	caller_keepalive(&caller, 1);
	assert_non_null(caller_alive(&caller, 1, 1000));
	caller_close(&caller);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_keepalive_is_answered_with_the_sessions_timeout),
		cmocka_unit_test(
			a_connection_without_a_session_is_told_so_with_or_without_a_leader),
		cmocka_unit_test(a_silent_session_ends_after_its_timeout_and_not_before),
		cmocka_unit_test(keepalives_at_a_follower_reach_the_leader_and_keep_the_session),
		cmocka_unit_test(a_leader_alone_answers_no_keepalive_until_somebody_leads_it),
		cmocka_unit_test(keepalives_that_were_lost_on_the_way_are_sent_again),
		cmocka_unit_test(a_new_leader_grants_everybody_a_full_timeout),
		cmocka_unit_test(an_expiry_proposed_under_another_ballot_ends_no_session),
		cmocka_unit_test(an_expiry_that_the_core_did_not_take_is_proposed_again),
		cmocka_unit_test(frames_that_make_no_sense_are_refused),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
