/* Requests at whole members, one or three of them: refused, proposed, forwarded, read, given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/stage.h"

#define PATIENCE_MS 10000
#define TIMEOUT_MS  30000 /* of sessions that are to last */

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

/* The leader's index is of slots that this member has not yet. */
static void
a_read_at_a_follower_waits_until_it_has_applied_as_far(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller writer, reader;
	uint64_t xid;

	(void)state;
	caller_open(&writer, stage, 0);
	caller_open(&reader, stage, 2);
	caller_open_session(&writer, TIMEOUT_MS);
	assert_int_equal(caller_result(&writer, caller_write(&writer, OP_PUT, "/a", "old")),
	                 SYNOD_OK);
	stage_run(stage, 500);
	stage->members[2].is_recorder_stuck = true;
	assert_int_equal(caller_result(&writer, caller_write(&writer, OP_PUT, "/a", "new")),
	                 SYNOD_OK);
	assert_true(told_is(
		caller_await(&reader, caller_read(&reader, "/a", CONSISTENCY_LOCAL, 0), 1000),
		"old"));
	xid = caller_read(&reader, "/a", CONSISTENCY_LINEARIZABLE, 0);
	assert_null(caller_await(&reader, xid, 1000));
	stage->members[2].is_recorder_stuck = false;
	assert_true(told_is(caller_await(&reader, xid, 1000), "new"));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_sees_the_write_that_was_answered_before),
		cmocka_unit_test(a_read_at_a_follower_sees_what_was_written_at_another),
		cmocka_unit_test(a_read_at_a_follower_waits_until_it_has_applied_as_far),
		cmocka_unit_test(a_read_at_least_waits_and_a_local_one_says_how_stale_it_is),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
