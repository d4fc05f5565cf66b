/* What the leader ends as time passes, at whole members: leases that fell silent, nodes whose time
 * has come. */
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
#define TIMEOUT_MS  3600000
#define BATCH       500 /* writes in flight */

static uint64_t
ask_node(struct caller *caller, const char *path, uint8_t kind, uint64_t ttl_ms, uint64_t lease)
{
	struct operation operation = {
		.op = OP_CREATE,
		.path = slice_of(path),
		.kind = kind,
		.ttl_ms = ttl_ms,
		.lease = lease,
	};
	uint64_t answered = caller->seq / BATCH * BATCH, xid;
	struct buffer body = BUFFER_EMPTY;

	operation_encode(&body, &operation, NULL);
	xid = caller_ask(caller, (struct request){.op = OP_CREATE,
	                                          .seq = ++caller->seq,
	                                          .acknowledged = answered,
	                                          .body = buffer_slice(&body)});
	buffer_fini(&body);
	return xid;
}

static void
create_ttl(struct caller *caller, const char *path, uint64_t ttl_ms)
{
	assert_int_equal(caller_result(caller, ask_node(caller, path, NODE_TTL, ttl_ms, 0)),
	                 SYNOD_OK);
}

static uint64_t
grant(struct caller *caller, uint64_t ttl_ms)
{
	struct buffer body = BUFFER_EMPTY;
	struct cursor cursor;
	const struct told *told;
	uint64_t lease;

	pack_array(&body, 1);
	pack_u64(&body, ttl_ms);
	told = caller_await(caller,
	                    caller_ask(caller, (struct request){.op = OP_LEASE_GRANT,
	                                                        .seq = ++caller->seq,
	                                                        .body = buffer_slice(&body)}),
	                    PATIENCE_MS);
	buffer_fini(&body);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_OK);
	cursor_init(&cursor, buffer_slice(&told->result));
	cursor_array(&cursor);
	lease = cursor_u64(&cursor);
	assert_false(cursor.failed);
	return lease;
}

static void
revoke_lease(struct caller *caller, uint64_t lease)
{
	struct buffer body = BUFFER_EMPTY;

	pack_array(&body, 2);
	pack_u64(&body, lease);
	pack_bool(&body, false);
	assert_int_equal(
		caller_result(caller,
	                      caller_ask(caller, (struct request){.op = OP_REVOKE,
	                                                          .seq = ++caller->seq,
	                                                          .body = buffer_slice(&body)})),
		SYNOD_OK);
	buffer_fini(&body);
}

/* Is there a node, for a new caller at member INDEX? */
static bool
has_node(struct stage *stage, unsigned index, const char *path)
{
	struct caller caller;
	int error;

	caller_open(&caller, stage, index);
	error = caller_result(&caller, caller_read(&caller, path, CONSISTENCY_LINEARIZABLE, 0));
	caller_close(&caller);
	assert_true(error == SYNOD_OK || error == SYNOD_NOT_FOUND);
	return error == SYNOD_OK;
}

static bool
keeps(struct caller *caller, uint64_t number, uint64_t lease, uint64_t ttl_ms)
{
	const struct told *told;

	caller_keepalive_leases(caller, number, &lease, 1);
	told = caller_alive(caller, number, PATIENCE_MS);
	assert_non_null(told);
	assert_int_equal(told->lease_count, 1);
	assert_true(told->lease_timeouts_ms[0] == 0 || told->lease_timeouts_ms[0] == ttl_ms);
	return told->lease_timeouts_ms[0] > 0;
}

/* ---- leases ---- */

static void
a_lease_lives_while_it_is_kept_and_ends_with_its_nodes_after(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller, keeper;
	uint64_t lease;

	(void)state;
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, TIMEOUT_MS);
	lease = grant(&caller, 2000);
	assert_int_equal(
		caller_result(&caller, ask_node(&caller, "/leased", NODE_LEASED, 0, lease)),
		SYNOD_OK);
	caller_open(&keeper, stage, 2);
	for (uint64_t number = 1; number <= 4; number++) {
		stage_run(stage, 1500);
		assert_true(keeps(&keeper, number, lease, 2000));
	}
	stage_run(stage, 1900);
	assert_true(has_node(stage, 0, "/leased"));
	stage_run(stage, 300);
	assert_false(has_node(stage, 0, "/leased"));
	assert_false(keeps(&keeper, 9, lease, 2000));
	caller_close(&keeper);
	caller_close(&caller);
	stage_free(stage);
}

/* The one instance of a service, and three of four of another. */
static void
instances_of_services_are_suspect_first_and_many_of_them_stay(void **state)
{
	static const char *const paths[] = {"/few/a", "/many/a", "/many/b", "/many/c"};
	struct stage *stage = stage_new(3);
	struct caller caller;
	uint64_t lease;

	(void)state;
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, TIMEOUT_MS);
	caller_result(&caller, ask_node(&caller, "/few", NODE_SERVICE, 0, 0));
	caller_result(&caller, ask_node(&caller, "/many", NODE_SERVICE, 0, 0));
	caller_result(&caller, ask_node(&caller, "/many/d", NODE_EPHEMERAL, 0, 0));
	lease = grant(&caller, 2000);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			caller_result(&caller, ask_node(&caller, paths[i], NODE_LEASED, 0, lease)),
			SYNOD_OK);
	stage_run(stage, 2300);
	assert_false(keeps(&caller, 1, lease, 2000));
	stage_run(stage, 1400);
	assert_true(has_node(stage, 0, "/few/a"));
	stage_run(stage, 800);
	assert_false(has_node(stage, 0, "/few/a"));
	stage_run(stage, 60000);
	for (unsigned i = 1; i < 4; i++)
		assert_true(has_node(stage, 2, paths[i]));
	assert_false(has_node(stage, 0, "/few")); /* as a container */
	caller_close(&caller);
	stage_free(stage);
}

static void
a_lease_that_was_revoked_cannot_be_kept(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;
	uint64_t lease;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	lease = grant(&caller, 60000);
	assert_true(keeps(&caller, 1, lease, 60000));
	revoke_lease(&caller, lease);
	assert_false(keeps(&caller, 2, lease, 60000));
	caller_close(&caller);
	stage_free(stage);
}

static void
a_new_leader_grants_leases_a_full_timeout_too(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller, keeper;
	uint64_t lease;
	int leader;

	(void)state;
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, TIMEOUT_MS);
	lease = grant(&caller, 3000);
	stage_run(stage, 2800);
	stage_part_first(stage, true);
	leader = stage_await_other_leader(stage, 0);
	assert_true(leader > 0);
	stage_run(stage, 2800);
	caller_open(&keeper, stage, (unsigned)leader);
	assert_true(keeps(&keeper, 1, lease, 3000));
	stage_run(stage, 3300);
	assert_false(keeps(&keeper, 2, lease, 3000));
	stage_part_first(stage, false);
	caller_close(&keeper);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_session_cannot_be_kept_as_a_lease(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller owner, stranger;
	const struct told *told;

	(void)state;
	caller_open(&owner, stage, 1);
	caller_open_session(&owner, 2000);
	for (unsigned i = 0; i < 2; i++) {
		caller_open(&stranger, stage, i);
		assert_false(keeps(&stranger, 1, owner.session, 2000));
		caller_close(&stranger);
	}
	stage_run(stage, 2300);
	caller_keepalive(&owner, 1);
	told = caller_alive(&owner, 1, PATIENCE_MS);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_SESSION_ENDED);
	caller_close(&owner);
	stage_free(stage);
}

/* ---- nodes whose time has come ---- */

static void
a_ttl_node_goes_when_its_time_has_come_and_not_before(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, TIMEOUT_MS);
	create_ttl(&caller, "/short", 2000);
	create_ttl(&caller, "/long", 60000);
	stage_run(stage, 1900);
	assert_true(has_node(stage, 0, "/short"));
	stage_run(stage, 200);
	assert_false(has_node(stage, 0, "/short"));
	assert_true(has_node(stage, 0, "/long"));
	caller_close(&caller);
	stage_free(stage);
}

static void
a_new_leader_goes_on_where_the_clock_stood(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller;
	int leader;

	(void)state;
	caller_open(&caller, stage, 1);
	caller_open_session(&caller, TIMEOUT_MS);
	create_ttl(&caller, "/a", 5000);
	stage_part_first(stage, true);
	leader = stage_await_other_leader(stage, 0);
	assert_true(leader > 0);
	stage_run(stage, 4700);
	assert_true(has_node(stage, (unsigned)leader, "/a"));
	stage_run(stage, 500);
	assert_false(has_node(stage, (unsigned)leader, "/a"));
	stage_part_first(stage, false);
	caller_close(&caller);
	stage_free(stage);
}

static void
more_nodes_than_one_command_may_delete_go_one_command_after_the_other(void **state)
{
	struct stage *stage = stage_new(1);
	struct member *leader = stage->members[0].member;
	struct caller caller;
	uint64_t length;
	char path[32];

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	for (unsigned i = 0; i < 2 * COLLECT_MAX + 1; i++) {
		snprintf(path, sizeof path, "/n%04u", i);
		ask_node(&caller, path, NODE_TTL, 2000, 0);
		if (caller.seq % BATCH == 0)
			stage_run(stage, 10);
	}
	stage_run(stage, 1000);
	snprintf(path, sizeof path, "/n%04u", 2 * COLLECT_MAX);
	assert_true(has_node(stage, 0, path));
	length = leader->view.length;
	stage_run(stage, 1500);
	assert_false(has_node(stage, 0, path));
	assert_in_range(leader->view.length, length + 3, length + 6); /* not all are due at once */
	caller_close(&caller);
	stage_free(stage);
}

static void
nothing_is_proposed_while_the_last_proposal_is_not_applied(void **state)
{
	struct stage *stage = stage_new(1);
	struct member *leader = stage->members[0].member;
	struct caller caller;
	uint64_t length;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	create_ttl(&caller, "/a", 2000);
	length = leader->view.length;
	stage->members[0].is_executor_stuck = true;
	stage_run(stage, 2800);
	assert_int_equal(leader->view.length, length + 1);
	stage->members[0].is_executor_stuck = false;
	stage_run(stage, 100);
	assert_false(has_node(stage, 0, "/a"));
	stage_run(stage, 5000);
	assert_int_equal(leader->view.length, length + 1);
	caller_close(&caller);
	stage_free(stage);
}

/* As with expiries: what the core did not take is proposed again. */
static void
nodes_go_though_the_first_proposal_was_not_taken(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;

	(void)state;
	stage_stop(stage, 0);
	stage->window_entries = 4;
	assert_int_equal(stage_start(stage, 0), SYNOD_OK);
	stage_run(stage, 2000);
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	create_ttl(&caller, "/a", 1000);
	stage_run(stage, 960);
	assert_true(has_node(stage, 0, "/a"));
	stage->members[0].is_recorder_stuck = true;
	for (unsigned i = 0; i < 8; i++)
		caller_write(&caller, OP_PUT, "/b", "x");
	stage_run(stage, 60); /* it is due meanwhile */
	stage->members[0].is_recorder_stuck = false;
	assert_true(stage->members[0].member->collect_slot > stage->members[0].member->view.length);
	stage_run(stage, 1500);
	assert_false(has_node(stage, 0, "/a"));
	caller_close(&caller);
	stage_free(stage);
}

/* Those that find no room in the window come with the next look, not after another second. */
static void
leases_go_as_fast_as_the_window_takes_their_expiries(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller caller;

	(void)state;
	stage_stop(stage, 0);
	stage->window_entries = 4;
	assert_int_equal(stage_start(stage, 0), SYNOD_OK);
	stage_run(stage, 2000);
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	for (unsigned i = 0; i < 60; i++)
		grant(&caller, 1000);
	assert_int_equal(sessions_count(stage->members[0].member->sessions), 61);
	stage_run(stage, 4000);
	assert_int_equal(sessions_count(stage->members[0].member->sessions), 1);
	caller_close(&caller);
	stage_free(stage);
}

static void
nodes_go_with_the_disk_nearly_full_and_wait_while_it_is_full(void **state)
{
	struct stage *stage = stage_new(1);
	struct member *leader = stage->members[0].member;
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	create_ttl(&caller, "/a", 1000);
	leader->is_low = leader->is_full = true;
	stage_run(stage, 1500);
	assert_true(has_node(stage, 0, "/a"));
	leader->is_full = false;
	stage_run(stage, 100);
	assert_false(has_node(stage, 0, "/a"));
	leader->is_low = false;
	caller_close(&caller);
	stage_free(stage);
}

/* Where nothing is written, a change of leaders must not cost a node more than a minute. */
static void
the_clock_is_kept_only_while_a_node_waits_for_it(void **state)
{
	struct stage *stage = stage_new(1);
	struct member *leader = stage->members[0].member;
	struct caller caller;
	uint64_t length;

	(void)state;
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	length = leader->view.length;
	stage_run(stage, 130000);
	assert_int_equal(leader->view.length, length);
	create_ttl(&caller, "/a", 3600000);
	stage_run(stage, 130000);
	assert_int_equal(leader->view.length, length + 3);
	caller_close(&caller);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_lives_while_it_is_kept_and_ends_with_its_nodes_after),
		cmocka_unit_test(instances_of_services_are_suspect_first_and_many_of_them_stay),
		cmocka_unit_test(a_lease_that_was_revoked_cannot_be_kept),
		cmocka_unit_test(a_new_leader_grants_leases_a_full_timeout_too),
		cmocka_unit_test(a_session_cannot_be_kept_as_a_lease),
		cmocka_unit_test(a_ttl_node_goes_when_its_time_has_come_and_not_before),
		cmocka_unit_test(a_new_leader_goes_on_where_the_clock_stood),
		cmocka_unit_test(
			more_nodes_than_one_command_may_delete_go_one_command_after_the_other),
		cmocka_unit_test(nothing_is_proposed_while_the_last_proposal_is_not_applied),
		cmocka_unit_test(nodes_go_though_the_first_proposal_was_not_taken),
		cmocka_unit_test(leases_go_as_fast_as_the_window_takes_their_expiries),
		cmocka_unit_test(nodes_go_with_the_disk_nearly_full_and_wait_while_it_is_full),
		cmocka_unit_test(the_clock_is_kept_only_while_a_node_waits_for_it),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
