/* Feeding the executor at whole members: from memory, and from the journal what is no longer there.
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
#define TIMEOUT_MS  30000
#define WRITES      300

/* A member that keeps few entries in memory. */
static struct stage *
stage_of_the_forgetful(unsigned count, unsigned index)
{
	struct stage *stage = stage_new(count);

	stage_stop(stage, index);
	stage->cache_entries = 16;
	assert_int_equal(stage_start(stage, index), SYNOD_OK);
	stage_run(stage, 2000);
	assert_int_equal(stage_leader(stage), 0);
	return stage;
}

static void
writes_whose_entries_left_memory_are_answered_all_the_same(void **state)
{
	struct stage *stage = stage_of_the_forgetful(1, 0);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	for (unsigned round = 0; round < 3; round++) {
		uint64_t first = caller.last_xid + 1;

		stage->members[0].is_recorder_stuck = true;
		for (unsigned i = 0; i < WRITES; i++)
			caller_write(&caller, OP_PUT, "/a", "x");
		stage_run(stage, 10);
		stage->members[0].is_recorder_stuck = false;
		for (uint64_t xid = first; xid < first + WRITES; xid++)
			assert_int_equal(caller_result(&caller, xid), SYNOD_OK);
	}
	assert_int_equal(stage->members[0].member->pending_count, 0);
	caller_close(&caller);
	stage_free(stage);
}

struct reached {
	const struct member *member;
	uint64_t slot;
};

static bool
has_applied(void *context)
{
	const struct reached *reached = context;

	return reached->member->applied >= reached->slot;
}

static void
a_follower_without_its_database_applies_its_whole_journal(void **state)
{
	struct stage *stage = stage_of_the_forgetful(3, 2);
	struct caller caller, other;
	struct state_hash leader, follower;
	struct reached reached;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	for (unsigned i = 0; i < WRITES; i++)
		assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
		                 SYNOD_OK);
	stage_run(stage, 500);
	stage_stop(stage, 2);
	assert_int_equal(unlink("c/namespace.db"), 0);
	unlink("c/namespace.db-wal");
	assert_int_equal(stage_start(stage, 2), SYNOD_OK);
	reached = (struct reached){stage->members[2].member, stage->members[0].member->applied};
	assert_true(stage_run_until(stage, PATIENCE_MS, has_applied, &reached));
	caller_open(&other, stage, 2);
	assert_true(told_is(
		caller_await(&other, caller_read(&other, "/a", CONSISTENCY_LINEARIZABLE, 0), 1000),
		"x"));
	assert_int_equal(stage->members[2].member->applied, stage->members[0].member->applied);
	leader = namespace_hash(executor_namespace(stage->members[0].member->executor));
	follower = namespace_hash(executor_namespace(stage->members[2].member->executor));
	assert_memory_equal(&leader, &follower, sizeof leader);
	caller_close(&caller);
	caller_close(&other);
	stage_free(stage);
}

/* What is chosen but not durable here stays out: the database must not get ahead of the journal. */
static void
nothing_is_applied_that_is_not_durable_here(void **state)
{
	struct stage *stage = stage_new(3);
	struct member *follower = stage->members[2].member;
	struct caller caller;
	uint64_t applied;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	stage_run(stage, 500);
	applied = follower->applied;
	stage->members[2].is_recorder_stuck = true;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
		                 SYNOD_OK);
	stage_run(stage, 200);
	assert_int_equal(follower->applied, applied);
	stage->members[2].is_recorder_stuck = false;
	stage_run(stage, 500);
	assert_int_equal(follower->applied, stage->members[0].member->applied);
	caller_close(&caller);
	stage_free(stage);
}

/* Its journal holds more than is chosen: that may still be replaced, and stays out. */
static void
nothing_is_applied_from_the_journal_that_is_not_chosen(void **state)
{
	struct stage *stage = stage_of_the_forgetful(3, 2);
	struct reached reached;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	for (unsigned i = 0; i < WRITES; i++)
		assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
		                 SYNOD_OK);
	stage_run(stage, 500);
	reached.slot = stage->members[0].member->applied;
	stage_stop(stage, 1);
	stage->members[0].is_recorder_stuck = true;
	for (unsigned i = 0; i < 10; i++)
		caller_write(&caller, OP_PUT, "/a", "y");
	stage_run(stage, 50);
	assert_true(stage->members[2].member->view.durable_length > reached.slot);
	stage_stop(stage, 2);
	assert_int_equal(unlink("c/namespace.db"), 0);
	unlink("c/namespace.db-wal");
	assert_int_equal(stage_start(stage, 2), SYNOD_OK);
	reached.member = stage->members[2].member;
	assert_true(stage_run_until(stage, PATIENCE_MS, has_applied, &reached));
	assert_int_equal(reached.member->applied, reached.slot);
	stage->members[0].is_recorder_stuck = false;
	caller_close(&caller);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_whose_entries_left_memory_are_answered_all_the_same),
		cmocka_unit_test(a_follower_without_its_database_applies_its_whole_journal),
		cmocka_unit_test(nothing_is_applied_that_is_not_durable_here),
		cmocka_unit_test(nothing_is_applied_from_the_journal_that_is_not_chosen),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
