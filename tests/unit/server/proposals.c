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
#include "tests/support/disk_memory.h"
#include "tests/support/stage.h"

#define TIMEOUT_MS 30000 /* of sessions that are to last */

static uint64_t
used_bytes(struct disk *disk)
{
	uint64_t left = 0;

	disk->ops->free_bytes(disk, "a", &left);
	return STAGE_ROOM - left;
}

/* Revoke a lease that there is not: the error tells whether the namespace was asked. */
static uint64_t
ask_revoke(struct caller *caller)
{
	struct buffer body = BUFFER_EMPTY;
	uint64_t xid;

	pack_array(&body, 2);
	pack_u64(&body, 999999);
	pack_bool(&body, false);
	xid = caller_ask(caller, (struct request){.op = OP_REVOKE,
	                                          .seq = ++caller->seq,
	                                          .body = buffer_slice(&body)});
	buffer_fini(&body);
	return xid;
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
	assert_int_equal(caller_result(&caller, ask_revoke(&caller)), SYNOD_NO_LEASE);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_RELEASE, "/l", NULL)),
	                 SYNOD_NOT_HELD);
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

/* As when the executor is fed again from farther back than the table of requests reaches. */
static void
a_request_is_given_to_its_own_slot_only(void **state)
{
	struct pending *slots[4] = {NULL};
	struct member member = {.slots = slots, .slot_count = 4};
	struct pending pending = {.slot = 9};

	(void)state;
	slots[1] = &pending;
	assert_null(proposals_take(&member, 5));
	assert_ptr_equal(proposals_take(&member, 9), &pending);
	assert_null(proposals_take(&member, 9));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_given_to_its_own_slot_only),
		cmocka_unit_test(a_nearly_full_disk_refuses_growth_and_takes_deletes),
		cmocka_unit_test(more_writes_than_may_be_in_flight_are_busy),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
