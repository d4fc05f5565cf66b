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

static struct member_status
status_of(struct caller *caller, const struct told **told)
{
	static const uint8_t nothing[] = {0x90};
	struct member_status status;
	struct request request = {.op = OP_STATUS, .body = {nothing, sizeof nothing}};

	*told = caller_await(caller, caller_ask(caller, request), 1000);
	assert_non_null(*told);
	assert_int_equal(member_status_decode(buffer_slice(&(*told)->result), &status), SYNOD_OK);
	return status;
}

static void
status_tells_who_leads_and_what_the_ensemble_can_bear(void **state)
{
	struct stage *stage = stage_new(3);
	struct member_status status;
	struct caller caller;
	const struct told *told;

	(void)state;
	caller_open(&caller, stage, 1);
	status = status_of(&caller, &told);
	assert_true(slice_equal(status.name, slice_of("b")));
	assert_true(slice_equal(status.leader, slice_of("a")));
	assert_int_equal(status.member_id, 2);
	assert_int_equal(status.role, ROLE_FOLLOWER);
	assert_int_equal(status.voters, 3);
	assert_int_equal(status.tolerates, 1);
	assert_int_equal(status.clients, 1);
	assert_int_equal(status.problem.size, 0);
	stage_stop(stage, 2);
	stage_run(stage, 1000);
	assert_int_equal(status_of(&caller, &told).tolerates, 0);
	stage_stop(stage, 0);
	stage_run(stage, 3000);
	status = status_of(&caller, &told);
	assert_int_equal(status.leader.size, 0);
	assert_true(slice_equal(status.problem, slice_of("no leader is known")));
	caller_close(&caller);
	stage_free(stage);
}

static void
members_lists_everybodys_addresses_and_who_can_be_reached(void **state)
{
	static const uint8_t nothing[] = {0x90};
	struct request request = {.op = OP_MEMBERS, .body = {nothing, sizeof nothing}};
	struct stage *stage = stage_new(3);
	const struct told *told;
	struct cursor cursor;
	struct caller caller;

	(void)state;
	stage_stop(stage, 2);
	stage_run(stage, 1000);
	caller_open(&caller, stage, 1);
	told = caller_await(&caller, caller_ask(&caller, request), 1000);
	assert_non_null(told);
	cursor_init(&cursor, buffer_slice(&told->result));
	assert_int_equal(cursor_array(&cursor), 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct stage_member *row = &stage->members[i];

		assert_int_equal(cursor_array(&cursor), 7);
		assert_int_equal(cursor_u64(&cursor), i + 1);
		assert_true(slice_equal(cursor_string(&cursor), slice_of(row->name)));
		assert_true(slice_equal(cursor_string(&cursor), slice_of(row->peers)));
		assert_true(slice_equal(cursor_string(&cursor), slice_of(row->clients)));
		assert_int_equal(cursor_u64(&cursor), i == 0 ? ROLE_LEADER : ROLE_FOLLOWER);
		assert_int_equal(cursor_bool(&cursor), i != 2);
		cursor_skip(&cursor, 1);
		cursor_leave(&cursor);
	}
	assert_false(cursor.failed);
	caller_close(&caller);
	stage_free(stage);
}

/* ---- SESSIONS ---- */

struct listed {
	bool is_leader;
	unsigned count;
	struct {
		uint64_t id;
		bool is_lease;
		uint64_t timeout_ms;
		bool has_remaining;
		uint64_t remaining_ms;
	} rows[8];
	bool more;
};

static void
list_sessions(struct caller *caller, uint64_t after, uint64_t limit, struct listed *listed)
{
	struct buffer body = BUFFER_EMPTY;
	const struct told *told;
	struct cursor cursor;

	pack_array(&body, 2);
	pack_u64(&body, after);
	pack_u64(&body, limit);
	told = caller_await(caller,
	                    caller_ask(caller, (struct request){.op = OP_SESSIONS,
	                                                        .body = buffer_slice(&body)}),
	                    1000);
	buffer_fini(&body);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_OK);
	cursor_init(&cursor, buffer_slice(&told->result));
	assert_int_equal(cursor_array(&cursor), 3);
	*listed = (struct listed){.is_leader = cursor_bool(&cursor)};
	listed->count = cursor_array(&cursor);
	assert_true(listed->count <= 8);
	for (unsigned i = 0; i < listed->count; i++) {
		assert_int_equal(cursor_array(&cursor), 4);
		listed->rows[i].id = cursor_u64(&cursor);
		listed->rows[i].is_lease = cursor_bool(&cursor);
		listed->rows[i].timeout_ms = cursor_u64(&cursor);
		listed->rows[i].has_remaining = !cursor_nil(&cursor);
		if (listed->rows[i].has_remaining)
			listed->rows[i].remaining_ms = cursor_u64(&cursor);
		cursor_leave(&cursor);
	}
	cursor_leave(&cursor);
	listed->more = cursor_bool(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
}

static uint64_t
grant(struct caller *caller, uint64_t ttl_ms)
{
	struct buffer body = BUFFER_EMPTY;
	struct cursor cursor;
	const struct told *told;

	pack_array(&body, 1);
	pack_u64(&body, ttl_ms);
	told = caller_await(caller,
	                    caller_ask(caller, (struct request){.op = OP_LEASE_GRANT,
	                                                        .seq = ++caller->seq,
	                                                        .body = buffer_slice(&body)}),
	                    1000);
	buffer_fini(&body);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_OK);
	cursor_init(&cursor, buffer_slice(&told->result));
	cursor_array(&cursor);
	return cursor_u64(&cursor);
}

static void
sessions_are_listed_by_the_leader_with_the_time_that_remains(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller leader, follower;
	struct listed listed;
	uint64_t lease;

	(void)state;
	caller_open(&leader, stage, 0);
	caller_open(&follower, stage, 1);
	list_sessions(&leader, 0, 0, &listed);
	assert_int_equal(listed.count, 0);
	caller_open_session(&follower, 5000);
	lease = grant(&follower, 60000);
	stage_run(stage, 2000);
	list_sessions(&leader, 0, 0, &listed);
	assert_true(listed.is_leader);
	assert_false(listed.more);
	assert_int_equal(listed.count, 2);
	assert_int_equal(listed.rows[0].id, follower.session);
	assert_false(listed.rows[0].is_lease);
	assert_int_equal(listed.rows[0].timeout_ms, 5000);
	assert_in_range(listed.rows[0].remaining_ms, 2900, 3000);
	assert_int_equal(listed.rows[1].id, lease);
	assert_true(listed.rows[1].is_lease);
	assert_in_range(listed.rows[1].remaining_ms, 57900, 58000);
	list_sessions(&follower, 0, 0, &listed);
	assert_false(listed.is_leader);
	assert_int_equal(listed.count, 2);
	assert_int_equal(listed.rows[1].timeout_ms, 60000);
	assert_false(listed.rows[0].has_remaining || listed.rows[1].has_remaining);
	caller_close(&follower);
	caller_close(&leader);
	stage_free(stage);
}

static void
sessions_are_listed_in_pages(void **state)
{
	struct stage *stage = stage_new(1);
	struct caller callers[3];
	struct listed listed = {0};
	uint64_t after = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		caller_open(&callers[i], stage, 0);
		caller_open_session(&callers[i], 5000);
	}
	for (unsigned i = 0; i < 3; i++) {
		list_sessions(&callers[0], after, 1, &listed);
		assert_int_equal(listed.count, 1);
		assert_int_equal(listed.rows[0].id, callers[i].session);
		assert_int_equal(listed.more, i < 2);
		after = listed.rows[0].id;
	}
	list_sessions(&callers[0], after, UINT64_MAX, &listed);
	assert_int_equal(listed.count, 0);
	assert_false(listed.more);
	for (unsigned i = 0; i < 3; i++)
		caller_close(&callers[i]);
	stage_free(stage);
}

static void
a_list_of_sessions_must_be_asked_for_properly(void **state)
{
	static const uint8_t bodies[][3] = {{0x90}, {0x91, 0x01}, {0x92, 0xc0, 0x01}};
	static const size_t sizes[] = {1, 2, 3};
	struct stage *stage = stage_new(1);
	struct caller caller;

	(void)state;
	caller_open(&caller, stage, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct request request = {.op = OP_SESSIONS, .body = {bodies[i], sizes[i]}};

		assert_int_equal(caller_result(&caller, caller_ask(&caller, request)),
		                 SYNOD_BAD_MESSAGE);
	}
	caller_close(&caller);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfer_hands_leadership_to_the_member_that_is_named),
		cmocka_unit_test(status_tells_who_leads_and_what_the_ensemble_can_bear),
		cmocka_unit_test(members_lists_everybodys_addresses_and_who_can_be_reached),
		cmocka_unit_test(sessions_are_listed_by_the_leader_with_the_time_that_remains),
		cmocka_unit_test(sessions_are_listed_in_pages),
		cmocka_unit_test(a_list_of_sessions_must_be_asked_for_properly),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
