/* Requests at whole members, one or three of them: refused, proposed, forwarded, read, given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/disk_memory.h"
#include "tests/support/stage.h"

#define PATIENCE_MS 10000
#define TIMEOUT_MS  30000 /* of sessions that are to last */

static uint8_t nil = 0xc0;

/* ---- one voter ---- */

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

static void
a_read_sees_the_write_that_was_answered_before(void **state)
{
	struct stage *stage = stage_new(1);
	const struct told *told;
	struct caller caller;
	char data[16];

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	for (int i = 0; i < 20; i++) {
		uint64_t revision;

		snprintf(data, sizeof data, "%d", i);
		told = caller_await(&caller, caller_write(&caller, OP_PUT, "/a", data),
				    PATIENCE_MS);
		assert_non_null(told);
		assert_int_equal(told->error, SYNOD_OK);
		revision = told->revision;
		told = caller_await(&caller,
				    caller_read(&caller, "/a", CONSISTENCY_LINEARIZABLE, 0),
				    PATIENCE_MS);
		assert_true(told_is(told, data));
		assert_true(told->revision >= revision);
	}
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

static uint64_t
used_bytes(struct disk *disk)
{
	uint64_t left = 0;

	disk->ops->free_bytes(disk, "a", &left);
	return STAGE_ROOM - left;
}

static void
a_nearly_full_disk_refuses_growth_and_takes_deletes(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;
	uint64_t refused, deleted;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
			 SYNOD_OK);
	memory_disk_set_capacity(stage->members[0].disk, used_bytes(stage->members[0].disk) +
								 STAGE_RESERVE + STAGE_RESERVE / 2);
	stage_run(stage, 1000);
	assert_true(stage->members[0].member->is_low);
	assert_false(stage->members[0].member->is_full);
	refused = caller_write(&caller, OP_PUT, "/b", "x");
	deleted = caller_write(&caller, OP_DELETE, "/a", NULL);
	assert_int_equal(caller_result(&caller, refused), SYNOD_NO_SPACE);
	assert_int_equal(caller_result(&caller, deleted), SYNOD_OK);
	assert_int_equal(
		caller_result(&caller, caller_read(&caller, "/a", CONSISTENCY_LINEARIZABLE, 0)),
		SYNOD_NOT_FOUND);
	memory_disk_set_capacity(stage->members[0].disk, STAGE_ROOM);
	stage_run(stage, 1000);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/b", "x")),
			 SYNOD_OK);
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

/* ---- three voters ---- */

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
a_read_at_a_follower_sees_what_was_written_at_another(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller writer, reader;
	const struct told *told;
	char data[16];

	(void)state;
	caller_open(&writer, stage, 1);
	caller_open(&reader, stage, 2);
	caller_open_session(&writer, TIMEOUT_MS);
	for (int i = 0; i < 20; i++) {
		snprintf(data, sizeof data, "%d", i);
		assert_int_equal(caller_result(&writer, caller_write(&writer, OP_PUT, "/a", data)),
				 SYNOD_OK);
		told = caller_await(&reader,
				    caller_read(&reader, "/a", CONSISTENCY_LINEARIZABLE, 0),
				    PATIENCE_MS);
		assert_true(told_is(told, data));
	}
	caller_close(&writer);
	caller_close(&reader);
	stage_free(stage);
}

static void
a_read_at_least_waits_and_a_local_one_says_how_stale_it_is(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller, away;
	const struct told *told;
	uint64_t revision, xid;

	(void)state;
	caller_open(&caller, stage, 1);
	caller_open(&away, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "old")),
			 SYNOD_OK);
	stage_run(stage, 200);
	stage_part_first(stage, true);
	assert_true(stage_await_other_leader(stage, 0) > 0);
	do {
		told = caller_await(&caller, caller_write(&caller, OP_PUT, "/a", "new"),
				    PATIENCE_MS);
		assert_non_null(told);
		caller.seq -= told->error == SYNOD_RETRY;
	} while (told->error == SYNOD_RETRY);
	assert_int_equal(told->error, SYNOD_OK);
	revision = told->revision;
	told = caller_await(&away, caller_read(&away, "/a", CONSISTENCY_LOCAL, 0), PATIENCE_MS);
	assert_true(told_is(told, "old"));
	assert_true(told->stale_ms > 100);
	xid = caller_read(&away, "/a", CONSISTENCY_AT_LEAST, revision);
	assert_null(caller_await(&away, xid, 1000));
	stage_part_first(stage, false);
	assert_true(told_is(caller_await(&away, xid, PATIENCE_MS), "new"));
	caller_close(&caller);
	caller_close(&away);
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

/* Writes that cannot be chosen pile up at the leader, up to its window. */
static void
more_writes_than_may_be_in_flight_are_busy(void **state)
{
	enum {
		CALLERS = 9,
		WRITES = 1000,
		KEPT = 17
	};
	struct stage *stage = stage_new(3);
	struct member *leader = stage->members[0].member;
	struct caller callers[CALLERS];
	unsigned busy = 0, retry = 0;

	(void)state;
	for (unsigned i = 0; i < CALLERS; i++) {
		caller_open(&callers[i], stage, 0);
		caller_open_session(&callers[i], TIMEOUT_MS);
	}
	stage_part_first(stage, true);
	stage_run(stage, 10);
	/* As if all but a few of the window were taken already. */
	leader->applied -= IN_FLIGHT_MAX - CALLERS * WRITES + KEPT;
	for (unsigned i = 0; i < CALLERS; i++) {
		for (unsigned k = 0; k < WRITES; k++)
			caller_write(&callers[i], OP_PUT, "/a", "x");
	}
	stage_run(stage, 1);
	leader->applied += IN_FLIGHT_MAX - CALLERS * WRITES + KEPT;
	stage_run(stage, 2000);
	for (unsigned i = 0; i < CALLERS; i++) {
		for (unsigned k = 0; k < callers[i].told_count; k++) {
			busy += callers[i].told[k].error == SYNOD_BUSY;
			retry += callers[i].told[k].error == SYNOD_RETRY;
		}
	}
	assert_int_equal(busy + retry, CALLERS * WRITES);
	assert_true(busy >= KEPT);
	assert_true(busy < 100);
	for (unsigned i = 0; i < CALLERS; i++)
		caller_close(&callers[i]);
	stage_free(stage);
}

static void
transfer_hands_leadership_to_the_member_that_is_named(void **state)
{
	struct stage *stage = stage_new(3);
	struct buffer body = BUFFER_EMPTY;
	struct caller leader, follower;
	struct request request = {.op = OP_TRANSFER};

	(void)state;
	caller_open(&leader, stage, 0);
	caller_open(&follower, stage, 1);
	pack_array(&body, 1);
	pack_string(&body, slice_of("c"));
	request.body = buffer_slice(&body);
	assert_int_equal(caller_result(&follower, caller_ask(&follower, request)), SYNOD_RETRY);
	assert_int_equal(caller_result(&leader, caller_ask(&leader, request)), SYNOD_OK);
	assert_int_equal(stage_await_other_leader(stage, 0), 2);
	buffer_clear(&body);
	pack_array(&body, 1);
	pack_string(&body, slice_of("nobody"));
	request.body = buffer_slice(&body);
	assert_int_equal(caller_result(&leader, caller_ask(&leader, request)), SYNOD_BAD_ARGUMENT);
	buffer_fini(&body);
	caller_close(&leader);
	caller_close(&follower);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_needs_a_session),
		cmocka_unit_test(a_read_sees_the_write_that_was_answered_before),
		cmocka_unit_test(a_bad_write_uses_up_its_number),
		cmocka_unit_test(a_repeated_number_gets_the_answer_that_was_kept),
		cmocka_unit_test(a_nearly_full_disk_refuses_growth_and_takes_deletes),
		cmocka_unit_test(an_unknown_operation_is_unsupported_and_a_bad_one_refused),
		cmocka_unit_test(a_session_is_attached_to_with_its_secret_only),
		cmocka_unit_test(a_member_that_holds_too_much_is_busy),
		cmocka_unit_test(a_follower_forwards_writes_and_relays_their_answers),
		cmocka_unit_test(a_read_at_a_follower_sees_what_was_written_at_another),
		cmocka_unit_test(a_read_at_least_waits_and_a_local_one_says_how_stale_it_is),
		cmocka_unit_test(a_leader_that_is_deposed_gives_its_writes_back),
		cmocka_unit_test(a_member_without_a_leader_says_retry),
		cmocka_unit_test(more_writes_than_may_be_in_flight_are_busy),
		cmocka_unit_test(transfer_hands_leadership_to_the_member_that_is_named),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
