/* Whole members: starting, stopping, stalling, and what a restart finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/disk_memory.h"
#include "tests/support/stage.h"

#define TIMEOUT_MS 30000

static void
put(struct caller *caller, const char *path, const char *data)
{
	assert_int_equal(caller_result(caller, caller_write(caller, OP_PUT, path, data)), SYNOD_OK);
}

static void
what_was_answered_is_there_after_a_power_cut(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	put(&caller, "/a", "x");
	put(&caller, "/a", "y");
	caller_close(&caller);
	stage_stop(stage, 0);
	memory_disk_crash(stage->members[0].disk, CRASH_LOSE);
	assert_int_equal(stage_start(stage, 0), SYNOD_OK);
	caller_open(&caller, stage, 0);
	stage_run(stage, 1000);
	assert_true(
		told_is(caller_await(&caller,
	                             caller_read(&caller, "/a", CONSISTENCY_LINEARIZABLE, 0), 1000),
	                "y"));
	caller_close(&caller);
	stage_free(stage);
}

/* SQLite is a view of the journal: without it, everything is applied again. */
static void
a_lost_database_is_made_anew_from_the_journal(void **state)
{
	struct stage *stage = stage_new(1);
	struct state_hash hash;
	struct caller caller;
	uint64_t applied;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	for (int i = 0; i < 100; i++)
		put(&caller, "/a", "x");
	caller_close(&caller);
	applied = stage->members[0].member->applied;
	stage_stop(stage, 0);
	assert_int_equal(unlink("a/namespace.db"), 0);
	unlink("a/namespace.db-wal");
	assert_int_equal(stage_start(stage, 0), SYNOD_OK);
	stage_run(stage, 1000);
	assert_true(stage->members[0].member->applied > applied);
	caller_open(&caller, stage, 0);
	assert_true(
		told_is(caller_await(&caller,
	                             caller_read(&caller, "/a", CONSISTENCY_LINEARIZABLE, 0), 1000),
	                "x"));
	hash = namespace_hash(executor_namespace(stage->members[0].member->executor));
	assert_true(hash.low != 0 || hash.high != 0);
	caller_close(&caller);
	stage_free(stage);
}

/* The others need not wait for an election timeout, which is 400 ms here. */
static void
a_leader_that_stops_hands_over_first(void **state)
{
	struct stage *stage = stage_new(3);
	uint64_t stopped_ms;

	(void)state;
	stage_run(stage, 1000);
	stopped_ms = fake_world_now_ms(stage->world);
	stage_stop(stage, 0);
	assert_true(stage_await_other_leader(stage, 0) > 0);
	assert_true(fake_world_now_ms(stage->world) < stopped_ms + 300);
	stage_free(stage);
}

/* With nobody to hand over to it stops all the same. */
static void
a_leader_without_followers_stops_too(void **state)
{
	struct stage *stage = stage_new(3);
	uint64_t stopped_ms;

	(void)state;
	stage_part_first(stage, true);
	stopped_ms = fake_world_now_ms(stage->world);
	stage_stop(stage, 0);
	assert_true(fake_world_now_ms(stage->world) < stopped_ms + 2000);
	stage_part_first(stage, false);
	stage_free(stage);
}

static void
a_leader_whose_followers_cannot_take_over_stops_too(void **state)
{
	struct stage *stage = stage_new(3);
	uint64_t stopped_ms;

	(void)state;
	stage_run(stage, 1000);
	stage->members[1].is_recorder_stuck = true;
	stage->members[2].is_recorder_stuck = true;
	stopped_ms = fake_world_now_ms(stage->world);
	stage_stop(stage, 0);
	assert_true(fake_world_now_ms(stage->world) < stopped_ms + 2000);
	stage->members[1].is_recorder_stuck = false;
	stage->members[2].is_recorder_stuck = false;
	stage_free(stage);
}

static void
a_leader_whose_journal_stalls_lets_another_lead(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	stage->members[0].is_recorder_stuck = true;
	stage_run(stage, 2000);
	assert_int_equal(stage_leader(stage), 0); /* it has nothing to write */
	caller_write(&caller, OP_PUT, "/a", "x");
	assert_true(stage_await_other_leader(stage, 0) > 0);
	assert_int_not_equal(stage->members[0].member->view.role, ROLE_LEADER);
	stage->members[0].is_recorder_stuck = false;
	caller_close(&caller);
	stage_free(stage);
}

/* A checkpoint is no stall, and more than that is one. */
static void
a_leader_whose_namespace_stalls_is_given_longer(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	stage->members[0].is_executor_stuck = true;
	caller_write(&caller, OP_PUT, "/a", "x");
	stage_run(stage, 2500);
	assert_int_equal(stage_leader(stage), 0);
	stage_run(stage, 2500);
	assert_true(stage_await_other_leader(stage, 0) > 0);
	assert_int_not_equal(stage->members[0].member->view.role, ROLE_LEADER);
	stage->members[0].is_executor_stuck = false;
	caller_close(&caller);
	stage_free(stage);
}

/* Nothing is answered that is not durable: with the journal stuck, no write is. */
static void
a_write_is_not_answered_before_it_is_durable(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;
	uint64_t xid;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	stage->members[0].is_recorder_stuck = true;
	xid = caller_write(&caller, OP_PUT, "/a", "x");
	assert_null(caller_await(&caller, xid, 50));
	assert_int_equal(caller_result(&caller, caller_read(&caller, "/a", CONSISTENCY_LOCAL, 0)),
	                 SYNOD_NOT_FOUND);
	stage->members[0].is_recorder_stuck = false;
	assert_int_equal(caller_result(&caller, xid), SYNOD_OK);
	caller_close(&caller);
	stage_free(stage);
}

/* Full, and not only nearly: nothing can be written at all, and reads go on until there is room. */
static void
a_full_disk_stops_writes_and_no_reads(void **state)
{
	static char large[900001];
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct caller caller;
	uint64_t xid;

	(void)state;
	memset(large, 'x', sizeof large - 1);
	caller_open(&caller, stage, 2);
	caller_open_session(&caller, TIMEOUT_MS);
	put(&caller, "/a", "x");
	for (unsigned i = 0; i < 3; i++)
		memory_disk_set_capacity(stage->members[i].disk, 1);
	/* What is zero-filled ahead still takes some. */
	do {
		xid = caller_write(&caller, OP_PUT, "/b", large);
		told = caller_await(&caller, xid, 100);
	} while (told != NULL && told->error == SYNOD_OK && caller.seq < 40);
	assert_null(told);
	assert_true(told_is(
		caller_await(&caller, caller_read(&caller, "/a", CONSISTENCY_LOCAL, 0), 1000),
		"x"));
	for (unsigned i = 0; i < 3; i++)
		memory_disk_set_capacity(stage->members[i].disk, STAGE_ROOM);
	stage_run(stage, 3000);
	caller.seq--;
	xid = caller_write(&caller, OP_PUT, "/b", large);
	assert_int_equal(caller_result(&caller, xid), SYNOD_OK);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(stage->members[i].fatal_count, 0);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_leader_whose_disk_is_full_says_so(void **state)
{
	static char large[900001];
	struct stage *stage = stage_new(1);
	const struct told *told;
	struct caller caller;
	uint64_t waiting;

	(void)state;
	memset(large, 'x', sizeof large - 1);
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	memory_disk_set_capacity(stage->members[0].disk, 1);
	do {
		waiting = caller_write(&caller, OP_PUT, "/b", large);
		told = caller_await(&caller, waiting, 50);
	} while (told != NULL && told->error == SYNOD_OK && caller.seq < 40);
	assert_null(told);
	assert_true(stage->members[0].member->is_full);
	told = caller_await(&caller, caller_write(&caller, OP_DELETE, "/b", NULL), 50);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_NO_SPACE);
	memory_disk_set_capacity(stage->members[0].disk, STAGE_ROOM);
	assert_int_equal(caller_result(&caller, waiting), SYNOD_OK);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_disk_that_fails_is_fatal(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	stage_run(stage, 1000);
	memory_disk_fail_at(stage->members[0].disk, 1, SYNOD_IO);
	caller_write(&caller, OP_PUT, "/a", "x");
	stage_run(stage, 1);
	assert_true(stage->members[0].fatal_count > 0);
	assert_int_equal(stage->members[0].fatal_error, SYNOD_IO);
	stage->members[0].is_recorder_stuck = true; /* a process would be gone */
	caller_close(&caller);
	stage_free(stage);
}

static void
a_member_that_cannot_start_says_why_and_leaves_nothing_behind(void **state)
{
	struct stage *stage = stage_new(1);

	(void)state;
	stage_stop(stage, 0);
	memory_disk_fail_at(stage->members[0].disk, 1, SYNOD_IO);
	assert_int_equal(stage_start(stage, 0), SYNOD_IO);
	assert_true(strlen(stage->members[0].why) > 10);
	stage->members[0].member = NULL;
	assert_int_equal(stage_start(stage, 0), SYNOD_OK);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_answered_is_there_after_a_power_cut),
		cmocka_unit_test(a_lost_database_is_made_anew_from_the_journal),
		cmocka_unit_test(a_leader_that_stops_hands_over_first),
		cmocka_unit_test(a_leader_without_followers_stops_too),
		cmocka_unit_test(a_leader_whose_followers_cannot_take_over_stops_too),
		cmocka_unit_test(a_leader_whose_journal_stalls_lets_another_lead),
		cmocka_unit_test(a_leader_whose_namespace_stalls_is_given_longer),
		cmocka_unit_test(a_write_is_not_answered_before_it_is_durable),
		cmocka_unit_test(a_full_disk_stops_writes_and_no_reads),
		cmocka_unit_test(a_leader_whose_disk_is_full_says_so),
		cmocka_unit_test(a_disk_that_fails_is_fatal),
		cmocka_unit_test(a_member_that_cannot_start_says_why_and_leaves_nothing_behind),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
