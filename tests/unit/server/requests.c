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

static uint8_t nil = 0xc0;

static void
a_write_needs_a_session(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
	                 SYNOD_SESSION_ENDED);
	caller.seq = 0;
	caller_open_session(&caller, TIMEOUT_MS);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
	                 SYNOD_OK);
	assert_int_equal(
		caller_result(&caller, caller_ask(&caller, (struct request){.op = OP_SESSION_CLOSE,
	                                                                    .seq = ++caller.seq,
	                                                                    .body = {&nil, 1}})),
		SYNOD_OK);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
	                 SYNOD_SESSION_ENDED);
	caller_close(&caller);
	stage_free(stage);
}

static uint64_t
ask_raw(struct caller *caller, uint8_t op, struct slice body)
{
	return caller_ask(caller, (struct request){.op = op, .seq = ++caller->seq, .body = body});
}

/* Otherwise every later write of the session would be out of order for ever. */
static void
a_bad_write_uses_up_its_number(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;
	uint64_t bad[4], good;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	bad[0] = caller_write(&caller, OP_PUT, "no slash", "x");
	bad[1] = caller_write(&caller, OP_PUT, "/synod/members", "x");
	bad[2] = ask_raw(&caller, OP_PUT, (struct slice){&nil, 1});
	bad[3] = ask_raw(&caller, OP_TXN, (struct slice){&nil, 1});
	good = caller_write(&caller, OP_PUT, "/a", "x");
	assert_int_equal(caller_result(&caller, bad[0]), SYNOD_BAD_PATH);
	assert_int_equal(caller_result(&caller, bad[1]), SYNOD_RESERVED);
	assert_int_equal(caller_result(&caller, bad[2]), SYNOD_BAD_MESSAGE);
	assert_int_equal(caller_result(&caller, bad[3]), SYNOD_BAD_MESSAGE);
	assert_int_equal(caller_result(&caller, good), SYNOD_OK);
	caller.seq++;
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
	                 SYNOD_OUT_OF_ORDER);
	caller_close(&caller);
	stage_free(stage);
}

/* A number that was answered gets the same answer again, refused or done. */
static void
a_repeated_number_gets_the_answer_that_was_kept(void **state)
{
	struct stage *stage = stage_new(1);
	const struct told *told;
	struct caller caller;
	uint64_t revision;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "bad", "x")),
	                 SYNOD_BAD_PATH);
	caller.seq = 0;
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
	                 SYNOD_BAD_PATH);
	told = caller_await(&caller, caller_write(&caller, OP_CREATE, "/b", "x"), PATIENCE_MS);
	assert_int_equal(told->error, SYNOD_OK);
	revision = told->revision;
	caller.seq = 1;
	told = caller_await(&caller, caller_write(&caller, OP_CREATE, "/b", "x"), PATIENCE_MS);
	assert_int_equal(told->error, SYNOD_OK);
	assert_int_equal(told->revision, revision);
	caller_close(&caller);
	stage_free(stage);
}

static void
an_unknown_operation_is_unsupported_and_a_bad_one_refused(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	assert_int_equal(
		caller_result(&caller,
	                      caller_ask(&caller, (struct request){.op = 99, .body = {&nil, 1}})),
		SYNOD_UNSUPPORTED);
	assert_int_equal(
		caller_result(&caller, caller_ask(&caller, (struct request){.op = OP_REFUSED,
	                                                                    .body = {&nil, 1}})),
		SYNOD_UNSUPPORTED);
	assert_int_equal(
		caller_result(&caller, caller_read(&caller, "x", CONSISTENCY_LINEARIZABLE, 0)),
		SYNOD_BAD_PATH);
	assert_int_equal(
		caller_result(&caller, caller_ask(&caller, (struct request){.op = OP_SESSION_OPEN,
	                                                                    .body = {&nil, 1}})),
		SYNOD_BAD_MESSAGE);
	assert_int_equal(
		caller_result(&caller, caller_ask(&caller, (struct request){.op = OP_TRANSFER,
	                                                                    .body = {&nil, 1}})),
		SYNOD_BAD_MESSAGE);
	caller_close(&caller);
	stage_free(stage);
}

static uint64_t
ask_watch_at_least(struct caller *caller, uint64_t number, const char *path, uint8_t scope,
                   uint64_t from, uint64_t at_least)
{
	struct watch_request watch = {number, slice_of(path), scope, 0, from};
	struct request request = {.op = OP_WATCH, .at_least = at_least};
	struct buffer body = BUFFER_EMPTY;
	uint64_t xid;

	watch_request_encode(&body, &watch);
	request.body = buffer_slice(&body);
	xid = caller_ask(caller, request);
	buffer_fini(&body);
	return xid;
}

static uint64_t
ask_watch(struct caller *caller, uint64_t number, const char *path, uint8_t scope, uint64_t from)
{
	return ask_watch_at_least(caller, number, path, scope, from, 0);
}

static void
a_watch_is_started_once_and_ended_once(void **state)
{
	static const uint8_t number_1[] = {0x91, 0x01};
	const struct request unwatch = {.op = OP_UNWATCH, .body = {number_1, sizeof number_1}};
	struct stage *stage = stage_new(1);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, 1, "a", WATCH_NODE, 0)),
	                 SYNOD_BAD_PATH);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, 0, "/a", WATCH_NODE, 0)),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, 1, "/", WATCH_OWNED, 0)),
	                 SYNOD_SESSION_ENDED);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, 1, "/a", WATCH_NODE, 100000)),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, 1, "/a", WATCH_NODE, 0)),
	                 SYNOD_OK);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, 1, "/b", WATCH_NODE, 0)),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(caller_result(&caller, caller_ask(&caller, unwatch)), SYNOD_OK);
	assert_int_equal(caller_result(&caller, caller_ask(&caller, unwatch)), SYNOD_NOT_FOUND);
	assert_int_equal(
		caller_result(&caller, caller_ask(&caller, (struct request){.op = OP_WATCH,
	                                                                    .body = {&nil, 1}})),
		SYNOD_BAD_MESSAGE);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_session_is_attached_to_with_its_secret_only(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller owner, other;

	(void)state;
	caller_open(&owner, stage, 0);
	caller_open(&other, stage, 0);
	caller_open_session(&owner, TIMEOUT_MS);
	assert_int_equal(caller_result(&other, caller_attach(&other, owner.session, other.secret)),
	                 SYNOD_WRONG_SECRET);
	assert_int_equal(caller_result(&other, caller_write(&other, OP_PUT, "/a", "x")),
	                 SYNOD_SESSION_ENDED);
	other.seq = 0;
	assert_int_equal(
		caller_result(&other, caller_attach(&other, owner.session + 1, owner.secret)),
		SYNOD_SESSION_ENDED);
	assert_int_equal(caller_result(&other, caller_attach(&other, owner.session, owner.secret)),
	                 SYNOD_OK);
	assert_int_equal(caller_result(&other, caller_write(&other, OP_PUT, "/a", "x")), SYNOD_OK);
	caller_close(&owner);
	caller_close(&other);
	stage_free(stage);
}

static void
a_member_that_holds_too_much_is_busy(void **state)
{
	struct stage *stage = stage_new(1);
	struct member *member = stage->members[0].member;
	struct caller caller;
	uint64_t xid;

	(void)state;
	caller_open(&caller, stage, 0);
	member->pending_count += PENDING_MAX;
	xid = caller_read(&caller, "/", CONSISTENCY_LOCAL, 0);
	assert_int_equal(caller_result(&caller, xid), SYNOD_BUSY);
	member->pending_count -= PENDING_MAX;
	member->pending_bytes += PENDING_BYTES_MAX;
	xid = caller_read(&caller, "/", CONSISTENCY_LOCAL, 0);
	assert_int_equal(caller_result(&caller, xid), SYNOD_BUSY);
	member->pending_bytes -= PENDING_BYTES_MAX;
	xid = caller_read(&caller, "/", CONSISTENCY_LOCAL, 0);
	assert_int_equal(caller_result(&caller, xid), SYNOD_OK);
	assert_int_equal(member->pending_count, 0);
	assert_int_equal(member->pending_bytes, 0);
	caller_close(&caller);
	stage_free(stage);
}

/* The leader, parted from the others, takes a write that it cannot have chosen. */
static void
a_leader_that_is_deposed_gives_its_writes_back(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller at_leader, at_follower;
	uint64_t lost, forwarded, read;

	(void)state;
	caller_open(&at_leader, stage, 0);
	caller_open(&at_follower, stage, 2);
	caller_open_session(&at_leader, TIMEOUT_MS);
	caller_open_session(&at_follower, TIMEOUT_MS);
	stage_part_first(stage, true);
	lost = caller_write(&at_leader, OP_PUT, "/a", "x");
	read = caller_read(&at_leader, "/a", CONSISTENCY_LINEARIZABLE, 0);
	forwarded = caller_write(&at_follower, OP_PUT, "/b", "x");
	assert_int_equal(caller_result(&at_leader, lost), SYNOD_RETRY);
	assert_int_equal(caller_result(&at_leader, read), SYNOD_RETRY);
	assert_int_equal(caller_result(&at_follower, forwarded), SYNOD_RETRY);
	assert_true(stage_await_other_leader(stage, 0) > 0);
	stage_part_first(stage, false);
	stage_run(stage, 2000);
	/* Sent again under the same numbers, both are executed. */
	at_leader.seq = at_follower.seq = 0;
	assert_int_equal(caller_result(&at_leader, caller_write(&at_leader, OP_PUT, "/a", "x")),
	                 SYNOD_OK);
	assert_int_equal(caller_result(&at_follower, caller_write(&at_follower, OP_PUT, "/b", "x")),
	                 SYNOD_OK);
	assert_int_equal(stage->members[0].member->pending_count, 0);
	assert_int_equal(stage->members[2].member->pending_count, 0);
	caller_close(&at_leader);
	caller_close(&at_follower);
	stage_free(stage);
}

/* Nothing has to be confirmed of what is known to be past; of the present, and of what might be the
 * future, it has. */
static void
a_watch_of_the_past_needs_no_leader(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;
	uint64_t present;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
	                 SYNOD_OK);
	stage_part_first(stage, true);
	present = ask_watch(&caller, 1, "/a", WATCH_NODE, 0);
	assert_int_equal(caller_result(&caller, ask_watch(&caller, 2, "/a", WATCH_NODE, 1)),
	                 SYNOD_OK);
	assert_int_equal(caller_result(&caller, present), SYNOD_RETRY);
	caller_close(&caller);
	stage_free(stage);
}

/* Where its history was trimmed it gets a state, which must not be older than what the client was
 * told by another member. */
static void
a_watch_of_the_past_waits_for_what_its_client_has_seen(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller ahead, behind;
	uint64_t seen, watch;

	(void)state;
	caller_open(&behind, stage, 0);
	caller_open(&ahead, stage, 1);
	stage_part_first(stage, true);
	assert_true(stage_await_other_leader(stage, 0) > 0);
	caller_open_session(&ahead, TIMEOUT_MS);
	seen = caller_await(&ahead, caller_write(&ahead, OP_PUT, "/a", "x"), TIMEOUT_MS)->revision;
	watch = ask_watch_at_least(&behind, 1, "/a", WATCH_NODE, 1, seen);
	assert_null(caller_await(&behind, watch, 100));
	stage_part_first(stage, false);
	assert_int_equal(caller_result(&behind, watch), SYNOD_OK);
	assert_true(stage->members[0].member->view.chosen >= seen);
	caller_close(&behind);
	caller_close(&ahead);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_needs_a_session),
		cmocka_unit_test(a_bad_write_uses_up_its_number),
		cmocka_unit_test(a_repeated_number_gets_the_answer_that_was_kept),
		cmocka_unit_test(an_unknown_operation_is_unsupported_and_a_bad_one_refused),
		cmocka_unit_test(a_watch_is_started_once_and_ended_once),
		cmocka_unit_test(a_watch_of_the_past_needs_no_leader),
		cmocka_unit_test(a_watch_of_the_past_waits_for_what_its_client_has_seen),
		cmocka_unit_test(a_session_is_attached_to_with_its_secret_only),
		cmocka_unit_test(a_member_that_holds_too_much_is_busy),
		cmocka_unit_test(a_leader_that_is_deposed_gives_its_writes_back),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
