/* Requests at whole members, one or three of them: refused, proposed, forwarded, read, given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/stage.h"

#define PATIENCE_MS 10000
#define TIMEOUT_MS  30000 /* of sessions that are to last */

static void
a_follower_forwards_writes_and_relays_their_answers(void **state)
{
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;
	uint64_t revision, bad, good;

	(void)state;
	caller_open(&caller, stage, 2);
	caller_open_session(&caller, TIMEOUT_MS);
	told = caller_await(&caller, caller_write(&caller, OP_PUT, "/a", "x"), PATIENCE_MS);
	assert_int_equal(told->error, SYNOD_OK);
	revision = told->revision;
	told = caller_await(&caller, caller_read(&caller, "/a", CONSISTENCY_LINEARIZABLE, 0),
	                    PATIENCE_MS);
	assert_true(told_is(told, "x"));
	assert_true(told->revision >= revision);
	bad = caller_write(&caller, OP_PUT, "bad", "x");
	good = caller_write(&caller, OP_PUT, "/a", "y");
	assert_int_equal(caller_result(&caller, bad), SYNOD_BAD_PATH);
	assert_int_equal(caller_result(&caller, good), SYNOD_OK);
	assert_int_equal(stage->members[2].member->pending_count, 0);
	assert_int_equal(stage->members[0].member->pending_count, 0);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_member_without_a_leader_says_retry(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	stage_stop(stage, 2);
	stage_stop(stage, 1);
	stage_run(stage, 2000);
	assert_int_equal(caller_result(&caller, caller_ask_session(&caller, TIMEOUT_MS)),
	                 SYNOD_RETRY);
	assert_int_equal(
		caller_result(&caller, caller_read(&caller, "/", CONSISTENCY_LINEARIZABLE, 0)),
		SYNOD_RETRY);
	assert_int_equal(caller_result(&caller, caller_read(&caller, "/", CONSISTENCY_LOCAL, 0)),
	                 SYNOD_OK);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_request_is_given_back_as_soon_as_the_link_to_the_leader_is_down(void **state)
{
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 2);
	caller_open_session(&caller, TIMEOUT_MS);
	stage_part_first(stage, true);
	told = caller_await(&caller, caller_write(&caller, OP_PUT, "/a", "x"), 1000);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_RETRY);
	caller_close(&caller);
	stage_free(stage);
}

static bool
has_forwarded(void *context)
{
	const struct member *member = context;

	return member->forwarded[member->next_tag - 1] != NULL;
}

/* The link is up, but the leader does not know any more what it was asked. */
static void
a_request_that_is_never_answered_is_given_back_after_a_while(void **state)
{
	struct stage *stage = stage_new(3);
	struct member *follower = stage->members[2].member;
	struct caller caller;
	uint64_t xid;

	(void)state;
	caller_open(&caller, stage, 2);
	caller_open_session(&caller, TIMEOUT_MS);
	follower->next_tag += 1000;
	xid = caller_write(&caller, OP_PUT, "/a", "x");
	assert_true(stage_run_until(stage, 1000, has_forwarded, follower));
	/* As if under another number: the answer that comes is not taken for this one's. */
	follower->forwarded[follower->next_tag - 1]->tag++;
	assert_null(caller_await(&caller, xid, FORWARD_WAIT_MAX_MS - 100));
	assert_int_equal(caller_result(&caller, xid), SYNOD_RETRY);
	assert_int_equal(follower->pending_count, 0);
	caller_close(&caller);
	stage_free(stage);
}

static uint64_t
ask_watch(struct caller *caller, const char *path)
{
	struct watch_request watch = {1, slice_of(path), WATCH_NODE, 0, 0};
	struct buffer body = BUFFER_EMPTY;
	uint64_t xid;

	watch_request_encode(&body, &watch);
	xid = caller_ask(caller, (struct request){.op = OP_WATCH, .body = buffer_slice(&body)});
	buffer_fini(&body);
	return xid;
}

/* The leader answers before this member has applied the write itself: its executor is held up. */
static void
an_event_comes_before_the_answer_that_the_leader_gave(void **state)
{
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;
	uint64_t xid;

	(void)state;
	caller_open(&caller, stage, 2);
	caller_open_session(&caller, TIMEOUT_MS);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, "/a")), SYNOD_OK);
	stage->members[2].is_executor_stuck = true;
	xid = caller_write(&caller, OP_PUT, "/a", "x");
	assert_null(caller_await(&caller, xid, 300));
	stage->members[2].is_executor_stuck = false;
	told = caller_await(&caller, xid, PATIENCE_MS);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_OK);
	assert_true(told > caller.told);
	assert_int_equal(told[-1].type, FRAME_EVENT);
	assert_int_equal(told[-1].revision, told->revision);
	assert_int_equal(stage->members[2].member->pending_count, 0);
	caller_close(&caller);
	stage_free(stage);
}

/* Who goes takes its watches along, and the answers that wait for them. */
static void
a_watcher_that_goes_leaves_nothing_behind(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 2);
	caller_open_session(&caller, TIMEOUT_MS);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, "/a")), SYNOD_OK);
	ask_watch(&caller, "/b");
	caller_write(&caller, OP_PUT, "/a", "x");
	caller_close(&caller);
	stage_run(stage, 2000);
	assert_int_equal(stage->members[2].member->pending_count, 0);
	stage_free(stage);
}

static void
frames_that_make_no_sense_are_refused(void **state)
{
	static const uint8_t not_an_array[] = {0x01};
	static const uint8_t no_request[] = {0x93, 0x01, 0x02, 0x01};
	static const uint8_t cut_short[] = {0x92, 0x01};
	static const uint8_t unasked[] = {0x92, 0x05, 0xc0};
	struct stage *stage = stage_new(1);
	struct member *member = stage->members[0].member;

	(void)state;
	assert_int_equal(forward_on_request(member, 2, (struct slice){not_an_array, 1}),
	                 SYNOD_BAD_MESSAGE);
	assert_int_equal(forward_on_request(member, 2, (struct slice){no_request, 4}),
	                 SYNOD_BAD_MESSAGE);
	assert_int_equal(forward_on_response(member, 2, (struct slice){not_an_array, 1}),
	                 SYNOD_BAD_MESSAGE);
	assert_int_equal(forward_on_response(member, 2, (struct slice){cut_short, 2}),
	                 SYNOD_BAD_MESSAGE);
	assert_int_equal(forward_on_response(member, 2, (struct slice){unasked, 3}), SYNOD_OK);
	assert_int_equal(member->pending_count, 0);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_follower_forwards_writes_and_relays_their_answers),
		cmocka_unit_test(a_member_without_a_leader_says_retry),
		cmocka_unit_test(a_request_is_given_back_as_soon_as_the_link_to_the_leader_is_down),
		cmocka_unit_test(a_request_that_is_never_answered_is_given_back_after_a_while),
		cmocka_unit_test(an_event_comes_before_the_answer_that_the_leader_gave),
		cmocka_unit_test(a_watcher_that_goes_leaves_nothing_behind),
		cmocka_unit_test(frames_that_make_no_sense_are_refused),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
