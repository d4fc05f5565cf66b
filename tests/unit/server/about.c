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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfer_hands_leadership_to_the_member_that_is_named),
		cmocka_unit_test(status_tells_who_leads_and_what_the_ensemble_can_bear),
		cmocka_unit_test(members_lists_everybodys_addresses_and_who_can_be_reached),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
