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

/* Clients that lose their member come back all at once: that must cost no write. */
static void
sessions_that_move_all_at_once_make_no_log_entry(void **state)
{
	enum {
		CROWD = 50
	};
	static struct caller before[CROWD], after[CROWD];
	struct stage *stage = stage_new(3);
	struct member *leader = stage->members[0].member;
	uint64_t length;

	(void)state;
	for (unsigned i = 0; i < CROWD; i++) {
		caller_open(&before[i], stage, 2);
		caller_open_session(&before[i], 30000);
	}
	stage_stop(stage, 2);
	stage_run(stage, 100);
	length = leader->view.length;
	for (unsigned i = 0; i < CROWD; i++) {
		caller_close(&before[i]);
		caller_open(&after[i], stage, i % 2);
	}
	for (unsigned i = 0; i < CROWD; i++) {
		caller_attach(&after[i], before[i].session, before[i].secret);
		caller_keepalive(&after[i], 1);
	}
	stage_run(stage, 100);
	for (unsigned i = 0; i < CROWD; i++) {
		const struct told *told;

		assert_int_equal(caller_result(&after[i], after[i].last_xid), SYNOD_OK);
		caller_keepalive(&after[i], 2);
		told = caller_alive(&after[i], 2, PATIENCE_MS);
		assert_non_null(told);
		assert_int_equal(told->error, SYNOD_OK);
	}
	assert_int_equal(leader->view.length, length);
	assert_int_equal(leader->view.chosen, length);
	for (unsigned i = 0; i < CROWD; i++)
		caller_close(&after[i]);
	stage_free(stage);
}

/* ---- leases ---- */

/* The leader knows of a lease. */
static void
grant(struct stage *stage, uint64_t lease, uint64_t ttl_ms)
{
	struct member *leader = stage->members[stage_leader(stage)].member;

	sessions_add(leader->sessions, lease, true, 1, ttl_ms, leader->now_ms);
}

static void
assert_leases(const struct told *told, const uint64_t *timeouts_ms, unsigned count)
{
	assert_non_null(told);
	assert_int_equal(told->lease_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(told->lease_timeouts_ms[i], timeouts_ms[i]);
}

static void
a_keepalive_tells_of_each_lease_in_the_order_asked(void **state)
{
	static const uint64_t leases[] = {3000000, 999, 2000000, 3000000};
	static const uint64_t timeouts_ms[] = {5000, 0, 7000, 5000};
	struct stage *stage = stage_new(3);

	(void)state;
	grant(stage, 2000000, 7000);
	grant(stage, 3000000, 5000);
	for (unsigned i = 0; i < 3; i++) {
		const struct told *told;
		struct caller caller;

		caller_open(&caller, stage, i);
		caller_open_session(&caller, 30000);
		caller_keepalive_leases(&caller, 1, leases, 4);
		told = caller_alive(&caller, 1, 100);
		assert_leases(told, timeouts_ms, 4);
		assert_int_equal(told->error, SYNOD_OK);
		assert_int_equal(told->timeout_ms, 30000);
		caller_close(&caller);
	}
	stage_free(stage);
}

static void
a_connection_without_a_session_may_keep_leases(void **state)
{
	static const uint64_t lease = 2000000, timeout_ms = 7000;
	struct stage *stage = stage_new(3);

	(void)state;
	grant(stage, lease, timeout_ms);
	for (unsigned i = 0; i < 2; i++) {
		const struct told *told;
		struct caller caller;

		caller_open(&caller, stage, i);
		caller_keepalive_leases(&caller, 1, &lease, 1);
		told = caller_alive(&caller, 1, 100);
		assert_leases(told, &timeout_ms, 1);
		assert_int_equal(told->error, SYNOD_OK);
		assert_int_equal(told->timeout_ms, 0);
		caller_close(&caller);
	}
	stage_free(stage);
}

/* The session's end does not hide that a lease lives on. */
static void
a_session_that_ended_may_still_have_leases(void **state)
{
	static const uint64_t lease = 2000000, timeout_ms = 90000;
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;

	(void)state;
	grant(stage, lease, timeout_ms);
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, 1000);
	stage_run(stage, 1300);
	caller_keepalive_leases(&caller, 1, &lease, 1);
	told = caller_alive(&caller, 1, 100);
	assert_leases(told, &timeout_ms, 1);
	assert_int_equal(told->error, SYNOD_SESSION_ENDED);
	assert_int_equal(told->timeout_ms, 0);
	caller_close(&caller);
	stage_free(stage);
}

/* A whole keepalive waits and is sent again, with its leases after it. */
static void
leases_wait_with_their_keepalive_for_a_leader(void **state)
{
	static const uint64_t leases[] = {2000000, 2000001}, timeouts_ms[] = {0, 0};
	struct stage *stage = stage_new(3);
	struct caller callers[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		caller_open(&callers[i], stage, i);
		caller_open_session(&callers[i], 30000);
	}
	stage_part_first(stage, true);
	for (unsigned i = 0; i < 2; i++)
		caller_keepalive_leases(&callers[i], 7, leases, 2);
	stage_run(stage, 1000);
	stage_part_first(stage, false);
	for (unsigned i = 0; i < 2; i++) {
		const struct told *told = caller_alive(&callers[i], 7, PATIENCE_MS);

		assert_leases(told, timeouts_ms, 2);
		assert_int_equal(told->error, SYNOD_OK);
		assert_int_equal(told->timeout_ms, 30000);
		caller_close(&callers[i]);
	}
	stage_free(stage);
}

static void
frames_that_make_no_sense_are_refused(void **state)
{
	static const uint8_t cut_short[] = {0x92, 0x01, 0x93, 0x01};
	static const uint8_t of_no_batch[] = {0x93, 0x01, 0x91, 0x01, 0x90};
	static const uint8_t without_rows[] = {0x91, 0x01};
	static const uint8_t lease_cut_short[] = {0x93, 0x01, 0x90, 0x92, 0x05};
	struct slice body = {cut_short, sizeof cut_short};
	struct stage *stage = stage_new(3);
	struct member *leader = stage->members[0].member;
	struct member *follower = stage->members[1].member;
	struct caller caller;

	(void)state;
	assert_int_equal(keepalives_on_sessions(leader, 2, body), SYNOD_BAD_MESSAGE);
	assert_int_equal(keepalives_on_alive(follower, 1, body), SYNOD_BAD_MESSAGE);
	body = (struct slice){without_rows, sizeof without_rows};
	assert_int_equal(keepalives_on_sessions(leader, 2, body), SYNOD_BAD_MESSAGE);
	assert_int_equal(keepalives_on_alive(follower, 1, body), SYNOD_BAD_MESSAGE);
	body = (struct slice){lease_cut_short, sizeof lease_cut_short};
	assert_int_equal(keepalives_on_sessions(leader, 2, body), SYNOD_BAD_MESSAGE);
	body = (struct slice){of_no_batch, sizeof of_no_batch};
	assert_int_equal(keepalives_on_alive(follower, 1, body), SYNOD_OK);
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, 30000);
	caller_keepalive(&caller, 1);
	assert_non_null(caller_alive(&caller, 1, 1000));
	caller_close(&caller);
	stage_free(stage);
}

/* Timeouts for fewer leases than were asked must not be told of others; the keepalive is sent
 * again. */
static void
an_answer_with_too_few_timeouts_is_refused_and_the_question_repeated(void **state)
{
	static const uint64_t leases[] = {2000000, 2000001}, timeouts_ms[] = {0, 0};
	struct stage *stage = stage_new(3);
	struct member *follower = stage->members[1].member;
	struct buffer body = BUFFER_EMPTY;
	const struct told *told;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, 30000);
	fake_world_cut(stage->world, stage->members[0].peers, true);
	caller_keepalive_leases(&caller, 1, leases, 2);
	assert_null(caller_alive(&caller, 1, 20));
	assert_non_null(follower->keepalives_sent);
	pack_array(&body, 3);
	pack_u64(&body, follower->keepalives_sent->id);
	pack_array(&body, 1);
	pack_u64(&body, 30000);
	pack_array(&body, 1);
	pack_u64(&body, 9000);
	assert_int_equal(keepalives_on_alive(follower, 1, buffer_slice(&body)), SYNOD_BAD_MESSAGE);
	buffer_fini(&body);
	assert_null(follower->keepalives_sent);
	fake_world_cut(stage->world, stage->members[0].peers, false);
	told = caller_alive(&caller, 1, PATIENCE_MS);
	assert_leases(told, timeouts_ms, 2);
	assert_int_equal(told->error, SYNOD_OK);
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
		cmocka_unit_test(sessions_that_move_all_at_once_make_no_log_entry),
		cmocka_unit_test(a_keepalive_tells_of_each_lease_in_the_order_asked),
		cmocka_unit_test(a_connection_without_a_session_may_keep_leases),
		cmocka_unit_test(a_session_that_ended_may_still_have_leases),
		cmocka_unit_test(leases_wait_with_their_keepalive_for_a_leader),
		cmocka_unit_test(frames_that_make_no_sense_are_refused),
		cmocka_unit_test(
			an_answer_with_too_few_timeouts_is_refused_and_the_question_repeated),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
