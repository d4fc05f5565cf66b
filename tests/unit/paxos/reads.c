/* Reads: what confirms an index, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/protocol.h"
#include "tests/unit/paxos/alone.h"

static const struct paxos_options options = {.heartbeat_ms = 50};

static void
answer(struct world *world, member_id from, uint64_t sequence)
{
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_HEARTBEAT_ANSWER,
	                                     .from = from,
	                                     .ballot = {1, 1, 1},
	                                     .accepted = {1, 1, 1},
	                                     .length = 1,
	                                     .previous = 1,
	                                     .sequence = sequence},
	              0);
}

/* Member 1 leads and serves with member 2. */
static void
serve(struct world *world)
{
	alone_lead(world);
	answer(world, 2, 1);
	world_apply(world, world_member(world, 1), 1);
	assert_true(alone_view(world).is_serving);
	alone_forget(world);
}

static uint64_t
sequence_sent(const struct world *world)
{
	const struct paxos_message *heartbeat = NULL;

	for (uint32_t i = 0; i < world->packet_count; i++) {
		if (world->packets[i].type == MESSAGE_HEARTBEAT)
			heartbeat = &world->packets[i];
	}
	return heartbeat == NULL ? 0 : heartbeat->sequence;
}

static void
a_read_is_confirmed_by_a_heartbeat_sent_after_it(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t read, before;

	serve(&world);
	world.now_ms += 50;
	world_tick(&world, world_member(&world, 1));
	before = sequence_sent(&world);
	read = world_read(&world, world_member(&world, 1));
	answer(&world, 2, before);
	assert_false(world.reads[read].is_answered);
	answer(&world, 2, before + 1);
	assert_true(world.reads[read].is_answered);
	assert_int_equal(world.reads[read].error, SYNOD_OK);
	assert_int_equal(world.reads[read].index, 1);
	world_fini(&world);
}

static void
a_later_heartbeat_confirms_a_lost_one(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t read;

	serve(&world);
	read = world_read(&world, world_member(&world, 1));
	world.now_ms += 50;
	world_tick(&world, world_member(&world, 1));
	answer(&world, 2, sequence_sent(&world));
	assert_true(world.reads[read].is_answered);
	world_fini(&world);
}

static void
reads_that_come_during_two_rounds_share_the_next(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t last;

	serve(&world);
	for (int i = 0; i < 10; i++)
		world_read(&world, world_member(&world, 1));
	last = sequence_sent(&world);
	assert_int_equal(world.packet_count, 4); /* two rounds to two voters */
	answer(&world, 2, last - 1);
	assert_true(world.reads[0].is_answered);
	assert_false(world.reads[1].is_answered);
	assert_int_equal(sequence_sent(&world), last + 1);
	answer(&world, 2, last);
	assert_true(world.reads[1].is_answered);
	assert_false(world.reads[2].is_answered);
	answer(&world, 2, last + 1);
	for (int i = 2; i < 10; i++)
		assert_true(world.reads[i].is_answered);
	world_fini(&world);
}

static void
stepping_down_fails_every_read(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t first, second;

	serve(&world);
	first = world_read(&world, world_member(&world, 1));
	for (int i = 0; i < 3; i++)
		second = world_read(&world, world_member(&world, 1));
	world_step(&world, world_member(&world, 1),
	           &(struct paxos_event){.type = EVENT_STALLED, .stalled = {.journal_ms = 900}});
	assert_int_equal(world.reads[first].error, SYNOD_RETRY);
	assert_int_equal(world.reads[second].error, SYNOD_RETRY);
	world_fini(&world);
}

static void
a_follower_takes_only_the_answer_to_its_own_nonce(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	struct paxos_message granted = {.type = MESSAGE_READ_INDEX_ANSWER,
	                                .from = 3,
	                                .ballot = {1, 1, 3},
	                                .chosen = 9,
	                                .flags = MESSAGE_GRANTED};
	const struct paxos_message *asked;
	uint64_t read;

	alone_receive(
		&world,
		(struct paxos_message){
			.type = MESSAGE_HEARTBEAT, .from = 3, .ballot = {1, 1, 3}, .sequence = 1},
		0);
	read = world_read(&world, world_member(&world, 1));
	asked = alone_sent(&world, MESSAGE_READ_INDEX, 3);
	assert_non_null(asked);
	granted.sequence = asked->sequence + 1;
	alone_receive(&world, granted, 0);
	assert_false(world.reads[read].is_answered);
	granted.sequence = asked->sequence;
	granted.ballot.round = 2; /* of another leadership */
	alone_receive(&world, granted, 0);
	assert_false(world.reads[read].is_answered);
	granted.ballot.round = 1;
	alone_receive(&world, granted, 0);
	assert_true(world.reads[read].is_answered);
	assert_int_equal(world.reads[read].index, 9);
	world_fini(&world);
}

static void
without_a_leader_a_read_is_refused_at_once(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t read = world_read(&world, world_member(&world, 1));

	assert_true(world.reads[read].is_answered);
	assert_int_equal(world.reads[read].error, SYNOD_RETRY);
	world_fini(&world);
}

static void
a_leader_that_does_not_answer_is_given_up(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t read;

	alone_receive(
		&world,
		(struct paxos_message){
			.type = MESSAGE_HEARTBEAT, .from = 3, .ballot = {1, 1, 3}, .sequence = 1},
		0);
	read = world_read(&world, world_member(&world, 1));
	assert_true(paxos_deadline(world_member(&world, 1)->paxos) <= world.now_ms + 500);
	world.now_ms += 500;
	world_tick(&world, world_member(&world, 1));
	assert_int_equal(world.reads[read].error, SYNOD_RETRY);
	world_fini(&world);
}

static void
a_member_that_does_not_lead_tells_no_index(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 3, .ballot = {1, 1, 3}}, 0);
	alone_receive(
		&world,
		(struct paxos_message){
			.type = MESSAGE_READ_INDEX, .from = 2, .ballot = {1, 1, 1}, .sequence = 5},
		0);
	assert_int_equal(alone_sent(&world, MESSAGE_READ_INDEX_ANSWER, 2)->flags, 0);
	world_fini(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_is_confirmed_by_a_heartbeat_sent_after_it),
		cmocka_unit_test(a_later_heartbeat_confirms_a_lost_one),
		cmocka_unit_test(reads_that_come_during_two_rounds_share_the_next),
		cmocka_unit_test(stepping_down_fails_every_read),
		cmocka_unit_test(a_follower_takes_only_the_answer_to_its_own_nonce),
		cmocka_unit_test(without_a_leader_a_read_is_refused_at_once),
		cmocka_unit_test(a_leader_that_does_not_answer_is_given_up),
		cmocka_unit_test(a_member_that_does_not_lead_tells_no_index),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/reads", tests, NULL, NULL);
}
