/* Elections: timeouts, pre-votes, stickiness, stepping down. */
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
heartbeat(struct world *world, struct ballot ballot)
{
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_HEARTBEAT,
	                                     .from = ballot.member,
	                                     .ballot = ballot,
	                                     .sequence = 1},
	              0);
}

static void
prevote(struct world *world, struct ballot ballot)
{
	alone_forget(world);
	alone_receive(world,
	              (struct paxos_message){
			      .type = MESSAGE_PREVOTE, .from = ballot.member, .ballot = ballot},
	              0);
}

static bool
is_granted(const struct world *world, member_id to)
{
	return (alone_sent(world, MESSAGE_PREVOTE_ANSWER, to)->flags & MESSAGE_GRANTED) != 0;
}

static void
grants_a_prevote_only_while_no_leader_is_heard(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	prevote(&world, (struct ballot){1, 1, 2});
	assert_true(is_granted(&world, 2));
	assert_true(ballot_is_none(alone_view(&world).ballot)); /* asking changes nothing */
	heartbeat(&world, (struct ballot){1, 1, 3});
	prevote(&world, (struct ballot){1, 2, 2});
	assert_false(is_granted(&world, 2));
	world.now_ms += 250;
	prevote(&world, (struct ballot){1, 2, 2});
	assert_true(is_granted(&world, 2));
	world_fini(&world);
}

static void
grants_no_prevote_below_its_promise(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 3, .ballot = {1, 5, 3}}, 0);
	prevote(&world, (struct ballot){1, 5, 2});
	assert_false(is_granted(&world, 2));
	assert_true(ballot_equal(alone_sent(&world, MESSAGE_PREVOTE_ANSWER, 2)->accepted,
	                         (struct ballot){1, 5, 3}));
	prevote(&world, (struct ballot){1, 6, 2});
	assert_true(is_granted(&world, 2));
	world_fini(&world);
}

static void
ignores_prepare_while_a_leader_is_heard_but_not_a_transfer(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	heartbeat(&world, (struct ballot){1, 1, 3});
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 2, .ballot = {1, 2, 2}}, 0);
	assert_true(ballot_is_none(alone_view(&world).ballot));
	alone_receive(&world,
	              (struct paxos_message){.type = MESSAGE_PREPARE,
	                                     .from = 2,
	                                     .ballot = {1, 2, 2},
	                                     .flags = MESSAGE_BY_TRANSFER},
	              0);
	assert_true(ballot_equal(alone_view(&world).ballot, (struct ballot){1, 2, 2}));
	world_fini(&world);
}

static void
promises_the_leader_that_it_hears(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	heartbeat(&world, (struct ballot){1, 1, 3});
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 3, .ballot = {1, 1, 3}}, 0);
	assert_true(ballot_equal(alone_view(&world).ballot, (struct ballot){1, 1, 3}));
	world_fini(&world);
}

static void
answers_no_heartbeat_below_its_promise(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 3, .ballot = {1, 5, 3}}, 0);
	heartbeat(&world, (struct ballot){1, 4, 2});
	assert_null(alone_sent(&world, MESSAGE_HEARTBEAT_ANSWER, 2));
	assert_non_null(alone_sent(&world, MESSAGE_REFUSE, 2));
	world_fini(&world);
}

static void
asks_for_prevotes_when_no_leader_is_heard(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t deadline;

	heartbeat(&world, (struct ballot){1, 1, 3});
	deadline = paxos_deadline(world_member(&world, 1)->paxos);
	assert_in_range(deadline, world.now_ms + 250, world.now_ms + 500);
	world.now_ms = deadline;
	world_tick(&world, world_member(&world, 1));
	assert_non_null(alone_sent(&world, MESSAGE_PREVOTE, 2));
	assert_non_null(alone_sent(&world, MESSAGE_PREVOTE, 3));
	assert_int_equal(alone_view(&world).role, ROLE_FOLLOWER);
	assert_int_equal(alone_view(&world).leader, 0);
	world_fini(&world);
}

static void
tries_soon_after_its_start(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	assert_in_range(paxos_deadline(world_member(&world, 1)->paxos), world.now_ms,
	                world.now_ms + 125);
	world_fini(&world);
}

static void
picks_a_round_above_any_that_it_has_seen(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 3, .ballot = {1, 41, 3}},
		0);
	world.now_ms = paxos_deadline(world_member(&world, 1)->paxos);
	world_tick(&world, world_member(&world, 1));
	assert_int_equal(alone_sent(&world, MESSAGE_PREVOTE, 2)->ballot.round, 42);
	world_fini(&world);
}

static void
a_leader_without_a_quorum_steps_down(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_lead(&world);
	for (unsigned ms = 0; ms < 499; ms++) {
		world.now_ms++;
		world_tick(&world, world_member(&world, 1));
	}
	assert_int_equal(alone_view(&world).role, ROLE_LEADER);
	world.now_ms++;
	world_tick(&world, world_member(&world, 1));
	assert_int_equal(alone_view(&world).role, ROLE_FOLLOWER);
	world_fini(&world);
}

static void
a_leader_sends_heartbeats_and_repeats_prepare_to_the_silent(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_lead(&world);
	alone_forget(&world);
	world.now_ms += 50;
	assert_true(paxos_deadline(world_member(&world, 1)->paxos) <= world.now_ms);
	world_tick(&world, world_member(&world, 1));
	assert_non_null(alone_sent(&world, MESSAGE_HEARTBEAT, 2));
	assert_non_null(alone_sent(&world, MESSAGE_HEARTBEAT, 3));
	assert_non_null(alone_sent(&world, MESSAGE_PREPARE, 3));
	assert_null(alone_sent(&world, MESSAGE_PREPARE, 2));
	world_fini(&world);
}

static void
a_stalled_leader_steps_down_only_beyond_the_timeout(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	struct paxos_event event = {.type = EVENT_STALLED, .stalled = {.namespace_ms = 499}};

	alone_lead(&world);
	world_step(&world, world_member(&world, 1), &event);
	assert_int_equal(alone_view(&world).role, ROLE_LEADER);
	event.stalled.namespace_ms = 500;
	world_step(&world, world_member(&world, 1), &event);
	assert_int_equal(alone_view(&world).role, ROLE_FOLLOWER);
	world_fini(&world);
}

static void
a_candidate_gives_up_at_its_deadline(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_stand(&world);
	assert_int_equal(alone_view(&world).role, ROLE_CANDIDATE);
	world.now_ms += 500;
	world_tick(&world, world_member(&world, 1));
	assert_int_equal(alone_view(&world).role, ROLE_FOLLOWER);
	world_fini(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants_a_prevote_only_while_no_leader_is_heard),
		cmocka_unit_test(grants_no_prevote_below_its_promise),
		cmocka_unit_test(ignores_prepare_while_a_leader_is_heard_but_not_a_transfer),
		cmocka_unit_test(promises_the_leader_that_it_hears),
		cmocka_unit_test(answers_no_heartbeat_below_its_promise),
		cmocka_unit_test(asks_for_prevotes_when_no_leader_is_heard),
		cmocka_unit_test(tries_soon_after_its_start),
		cmocka_unit_test(picks_a_round_above_any_that_it_has_seen),
		cmocka_unit_test(a_leader_without_a_quorum_steps_down),
		cmocka_unit_test(a_leader_sends_heartbeats_and_repeats_prepare_to_the_silent),
		cmocka_unit_test(a_stalled_leader_steps_down_only_beyond_the_timeout),
		cmocka_unit_test(a_candidate_gives_up_at_its_deadline),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/election", tests, NULL, NULL);
}
