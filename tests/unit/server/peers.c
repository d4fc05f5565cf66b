/* Peers among whole members: whose disks are whose, whose states agree, and what is recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/paxos/codec.h"
#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/disk_memory.h"
#include "tests/support/stage.h"

#define PATIENCE_MS 10000
#define TIMEOUT_MS  30000

/* ---- disks ---- */

static int
greet(struct stage *stage, unsigned index, uint64_t id, const uint8_t *disk_id, char *why)
{
	struct hello hello = {
		.role = HELLO_MEMBER,
		.member_id = id,
		.disk_id = {disk_id, disk_id != NULL ? DISK_ID_SIZE : 0},
	};

	return peers_handler.on_hello(stage->members[index].member, &hello, why);
}

static void
a_disk_is_recorded_durably_before_its_member_is_let_in(void **state)
{
	struct stage *stage = stage_new(3);
	struct member *member = stage->members[0].member;
	struct member_identity *known = &member->identity.members[2];
	uint8_t disk_id[DISK_ID_SIZE], other[DISK_ID_SIZE] = {1};
	char why[256] = "";

	(void)state;
	memcpy(disk_id, known->disk_id, sizeof disk_id);
	known->has_disk_id = false;
	assert_int_equal(greet(stage, 0, 3, disk_id, why), SYNOD_RETRY);
	assert_non_null(strstr(why, "dial again"));
	assert_int_equal(greet(stage, 0, 3, disk_id, why), SYNOD_RETRY);
	assert_false(known->has_disk_id);
	stage_run(stage, 1);
	assert_true(known->has_disk_id);
	assert_int_equal(greet(stage, 0, 3, disk_id, why), SYNOD_OK);
	assert_int_equal(greet(stage, 0, 3, other, why), SYNOD_WRONG_DISK);
	assert_non_null(strstr(why, "forgotten what it promised"));
	assert_int_equal(greet(stage, 0, 3, NULL, why), SYNOD_WRONG_DISK);
	assert_non_null(strstr(why, "names no disk"));
	stage_free(stage);
}

static void
everybody_knows_every_disk_after_a_power_cut(void **state)
{
	struct stage *stage = stage_new(3);

	(void)state;
	stage_run(stage, 1000);
	for (unsigned i = 0; i < 3; i++) {
		struct identity identity;
		struct identity_store *store;
		char why[512];

		stage_stop(stage, i);
		memory_disk_crash(stage->members[i].disk, CRASH_LOSE);
		assert_int_equal(identity_open(stage->members[i].disk, stage->members[i].name,
		                               &identity, &store, why),
		                 SYNOD_OK);
		for (unsigned k = 0; k < 3; k++)
			assert_true(identity.members[k].has_disk_id);
		identity_close(store);
	}
	stage_free(stage);
}

static void
a_member_that_lost_its_disk_is_kept_out(void **state)
{
	struct stage *stage = stage_new(3);
	struct stage_member *lost = &stage->members[2];
	struct caller caller;

	(void)state;
	stage_stop(stage, 2);
	memory_disk_free(lost->disk);
	lost->disk = memory_disk_new(99);
	unlink("c/namespace.db");
	unlink("c/namespace.db-wal");
	assert_int_equal(stage_start(stage, 2), SYNOD_OK);
	stage_run(stage, 5000);
	assert_false(links_is_up(stage->members[0].member->links, 3));
	assert_false(links_is_up(stage->members[1].member->links, 3));
	assert_int_equal(lost->member->view.leader, 0);
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	assert_int_equal(caller_result(&caller, caller_write(&caller, OP_PUT, "/a", "x")),
	                 SYNOD_OK);
	caller_close(&caller);
	stage_free(stage);
}

static void
a_member_that_comes_back_with_its_disk_catches_up(void **state)
{
	struct stage *stage = stage_new(3);
	struct caller caller, other;
	const struct told *told;

	(void)state;
	stage_stop(stage, 2);
	caller_open(&caller, stage, 0);
	caller_open_session(&caller, TIMEOUT_MS);
	told = caller_await(&caller, caller_write(&caller, OP_PUT, "/a", "x"), PATIENCE_MS);
	assert_non_null(told);
	assert_int_equal(told->error, SYNOD_OK);
	assert_int_equal(stage_start(stage, 2), SYNOD_OK);
	caller_open(&other, stage, 2);
	told = caller_await(&other, caller_read(&other, "/a", CONSISTENCY_AT_LEAST, told->revision),
	                    4000);
	assert_true(told_is(told, "x"));
	caller_close(&caller);
	caller_close(&other);
	stage_free(stage);
}

/* ---- state hashes ---- */

static int
tell_hash(struct stage *stage, uint64_t from, uint64_t slot, uint64_t low)
{
	struct buffer body = BUFFER_EMPTY;
	struct frame frame = {.type = FRAME_CHECKPOINT};
	int error;

	pack_array(&body, 3);
	pack_u64(&body, slot);
	pack_u64(&body, low);
	pack_u64(&body, 7);
	frame.body = buffer_slice(&body);
	error = peers_handler.on_frame(stage->members[1].member, from, &frame);
	buffer_fini(&body);
	return error;
}

static void
a_state_other_than_the_leaders_is_fatal(void **state)
{
	struct stage *stage = stage_new(3);
	struct stage_member *row = &stage->members[1];

	(void)state;
	row->member->checkpoints[2].slot = 2 * CHECKPOINT_SLOTS;
	row->member->checkpoints[2].hash = (struct state_hash){.low = 5, .high = 7};
	assert_int_equal(tell_hash(stage, 1, 2 * CHECKPOINT_SLOTS, 5), SYNOD_OK);
	assert_int_equal(tell_hash(stage, 1, 3 * CHECKPOINT_SLOTS, 6), SYNOD_OK);
	assert_int_equal(tell_hash(stage, 1, (2 + CHECKPOINTS_KEPT) * CHECKPOINT_SLOTS, 6),
	                 SYNOD_OK);
	assert_int_equal(tell_hash(stage, 3, 2 * CHECKPOINT_SLOTS, 6), SYNOD_OK);
	assert_int_equal(row->fatal_count, 0); /* same, unknown, unknown, not the leader's */
	assert_int_equal(tell_hash(stage, 1, 2 * CHECKPOINT_SLOTS, 6), SYNOD_OK);
	assert_int_equal(row->fatal_count, 1);
	assert_int_equal(row->fatal_error, SYNOD_CORRUPT);
	assert_non_null(strstr(row->why, "differ at slot 8192"));
	stage_free(stage);
}

struct everybody {
	struct stage *stage;
	uint64_t slot;
};

static bool
have_all_applied(void *context)
{
	const struct everybody *everybody = context;

	for (unsigned i = 0; i < everybody->stage->count; i++)
		if (everybody->stage->members[i].member->applied < everybody->slot)
			return false;
	return true;
}

static void
hashes_are_told_at_checkpoints_and_agree(void **state)
{
	struct stage *stage = stage_new(3);
	struct everybody everybody = {stage, CHECKPOINT_SLOTS};
	struct caller callers[5];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		caller_open(&callers[i], stage, i % 3);
		caller_open_session(&callers[i], TIMEOUT_MS);
		for (unsigned k = 0; k < 900; k++)
			caller_write(&callers[i], OP_PUT, k % 2 ? "/a" : "/b", "x");
	}
	assert_true(stage_run_until(stage, PATIENCE_MS, have_all_applied, &everybody));
	stage_run(stage, 3000);
	for (unsigned i = 0; i < 3; i++) {
		const struct member *member = stage->members[i].member;

		assert_int_equal(member->checkpoint_sent_slot, CHECKPOINT_SLOTS);
		assert_int_equal(member->checkpoints[1].slot, CHECKPOINT_SLOTS);
		assert_memory_equal(&member->checkpoints[1].hash,
		                    &stage->members[0].member->checkpoints[1].hash,
		                    sizeof(struct state_hash));
		assert_int_equal(stage->members[i].fatal_count, 0);
	}
	for (unsigned i = 0; i < 5; i++)
		caller_close(&callers[i]);
	stage_free(stage);
}

/* The evidence of a difference crosses a real link. */
static void
a_follower_whose_state_differs_stops_once_it_hears_the_leaders_hash(void **state)
{
	struct stage *stage = stage_new(3);
	struct member *leader = stage->members[0].member;
	struct stage_member *follower = &stage->members[1];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct member *member = stage->members[i].member;

		member->checkpoints[1].slot = CHECKPOINT_SLOTS;
		member->checkpoints[1].hash = (struct state_hash){1, 2};
	}
	follower->member->checkpoints[1].hash.high++;
	leader->checkpoint_slot = CHECKPOINT_SLOTS;
	stage_run(stage, 1000);
	assert_int_equal(follower->fatal_count, 1);
	assert_int_equal(stage->members[0].fatal_count, 0);
	assert_int_equal(stage->members[2].fatal_count, 0);
	stage_free(stage);
}

/* ---- facts ---- */

static void
facts_are_recorded_once_and_again_when_they_change(void **state)
{
	struct stage *stage = stage_new(3);
	const struct member *leader = stage->members[0].member;
	struct stage_member *moved = &stage->members[2];
	uint64_t length;

	(void)state;
	stage_run(stage, 2000);
	length = leader->view.length;
	/* LEADER_START, and one for each of the members. */
	assert_int_equal(length, 4);
	assert_int_equal(leader->survey->member_count, 3);
	stage_run(stage, 3000);
	assert_int_equal(leader->view.length, length);
	stage_stop(stage, 2);
	assert_int_equal(stage_start(stage, 2), SYNOD_OK);
	stage_run(stage, 3000);
	assert_int_equal(leader->view.length, length);
	stage_stop(stage, 2);
	snprintf(moved->clients, sizeof moved->clients, "127.0.0.1:7777");
	assert_int_equal(stage_start(stage, 2), SYNOD_OK);
	stage_run(stage, 3000);
	assert_int_equal(leader->view.length, length + 1);
	assert_string_equal(leader->client_addresses[2], "127.0.0.1:7777");
	stage_free(stage);
}

static void
the_next_leader_finds_the_facts_recorded(void **state)
{
	struct stage *stage = stage_new(3);
	uint64_t length;
	int next;

	(void)state;
	stage_run(stage, 2000);
	length = stage->members[0].member->view.length;
	stage_stop(stage, 0);
	next = stage_await_other_leader(stage, 0);
	assert_true(next > 0);
	stage_run(stage, 2000);
	assert_int_equal(stage->members[next].member->view.length, length + 1);
	assert_int_equal(stage->members[next].member->survey->member_count, 3);
	stage_free(stage);
}

/* ---- frames ---- */

static void
frames_that_make_no_sense_are_refused_and_unknown_ones_ignored(void **state)
{
	static const uint8_t types[] = {FRAME_PAXOS,     FRAME_FORWARD,        FRAME_FORWARDED,
	                                FRAME_SESSIONS,  FRAME_SESSIONS_ALIVE, FRAME_FACTS,
	                                FRAME_CHECKPOINT};
	static const uint8_t nonsense[] = {0xc0};
	struct stage *stage = stage_new(3);
	struct frame frame = {.body = {nonsense, sizeof nonsense}};

	(void)state;
	for (size_t i = 0; i < sizeof types; i++) {
		frame.type = types[i];
		if (peers_handler.on_frame(stage->members[0].member, 2, &frame) !=
		    SYNOD_BAD_MESSAGE)
			fail_msg("a frame of type %u", types[i]);
	}
	frame.type = 250;
	assert_int_equal(peers_handler.on_frame(stage->members[0].member, 2, &frame), SYNOD_OK);
	stage_free(stage);
}

/* A message of the core counts only over the link of the member that it names. */
static void
nobody_speaks_for_another_member(void **state)
{
	struct stage *stage = stage_new(3);
	struct member *member = stage->members[1].member;
	struct paxos_message prepare = {
		.type = MESSAGE_PREPARE,
		.from = 3,
		.to = 2,
		.ballot = {1, 999, 3},
		.accepted = member->view.accepted,
		.length = 1000,
		.flags = MESSAGE_BY_TRANSFER,
	};
	struct frame frame = {.type = FRAME_PAXOS};
	struct buffer body = BUFFER_EMPTY;

	(void)state;
	paxos_message_encode(&body, &prepare);
	frame.body = buffer_slice(&body);
	assert_int_equal(peers_handler.on_frame(member, 1, &frame), SYNOD_OK);
	assert_int_not_equal(member->view.ballot.round, 999);
	assert_int_equal(peers_handler.on_frame(member, 3, &frame), SYNOD_OK);
	assert_int_equal(member->view.ballot.round, 999);
	buffer_clear(&body);
	prepare.to = 1;
	prepare.ballot.round = 1999;
	paxos_message_encode(&body, &prepare);
	frame.body = buffer_slice(&body);
	assert_int_equal(peers_handler.on_frame(member, 3, &frame), SYNOD_OK);
	assert_int_equal(member->view.ballot.round, 999);
	buffer_fini(&body);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_is_recorded_durably_before_its_member_is_let_in),
		cmocka_unit_test(everybody_knows_every_disk_after_a_power_cut),
		cmocka_unit_test(a_member_that_lost_its_disk_is_kept_out),
		cmocka_unit_test(a_member_that_comes_back_with_its_disk_catches_up),
		cmocka_unit_test(a_state_other_than_the_leaders_is_fatal),
		cmocka_unit_test(hashes_are_told_at_checkpoints_and_agree),
		cmocka_unit_test(
			a_follower_whose_state_differs_stops_once_it_hears_the_leaders_hash),
		cmocka_unit_test(facts_are_recorded_once_and_again_when_they_change),
		cmocka_unit_test(the_next_leader_finds_the_facts_recorded),
		cmocka_unit_test(frames_that_make_no_sense_are_refused_and_unknown_ones_ignored),
		cmocka_unit_test(nobody_speaks_for_another_member),
	};

	alarm(120);
	log_open("/dev/null", "stage", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
