/* The acceptor: what is promised, accepted and answered, and when. */
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

static const struct ballot low = {1, 1, 2}, middle = {1, 2, 3}, high = {1, 3, 2};

static void
prepare(struct world *world, struct ballot ballot)
{
	alone_receive(world,
	              (struct paxos_message){
			      .type = MESSAGE_PREPARE, .from = ballot.member, .ballot = ballot},
	              0);
}

/* COUNT entries after PREVIOUS, of an adopted log that ends at TARGET. */
static void
sync_page(struct world *world, struct ballot ballot, uint64_t previous, uint32_t count,
          uint64_t target, uint64_t chosen)
{
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_ACCEPT_SYNC,
	                                     .from = ballot.member,
	                                     .ballot = ballot,
	                                     .length = target,
	                                     .previous = previous,
	                                     .chosen = chosen},
	              count);
}

static void
accept(struct world *world, struct ballot ballot, uint64_t previous, uint32_t count,
       uint64_t chosen)
{
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_ACCEPT,
	                                     .from = ballot.member,
	                                     .ballot = ballot,
	                                     .previous = previous,
	                                     .chosen = chosen},
	              count);
}

/* Slots 1 to 3 are accepted at BALLOT and durable. */
static void
accept_three(struct world *world, struct ballot ballot)
{
	prepare(world, ballot);
	alone_persist(world);
	sync_page(world, ballot, 0, 3, 3, 0);
	alone_persist(world);
	alone_forget(world);
}

static void
refuses_a_ballot_not_above_its_promise(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	prepare(&world, middle);
	alone_persist(&world);
	assert_non_null(alone_sent(&world, MESSAGE_PROMISE, 3));
	alone_forget(&world);
	prepare(&world, low);
	assert_null(alone_sent(&world, MESSAGE_PROMISE, 2));
	assert_non_null(alone_sent(&world, MESSAGE_REFUSE, 2));
	assert_true(ballot_equal(alone_sent(&world, MESSAGE_REFUSE, 2)->accepted, middle));
	assert_true(ballot_equal(alone_view(&world).ballot, middle));
	world_fini(&world);
}

static void
promises_the_same_ballot_again_when_asked_again(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	prepare(&world, middle);
	alone_persist(&world);
	alone_forget(&world);
	prepare(&world, middle);
	assert_non_null(alone_sent(&world, MESSAGE_PROMISE, 3));
	world_fini(&world);
}

static void
promises_only_when_the_promise_is_durable(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	prepare(&world, low);
	assert_null(alone_sent(&world, MESSAGE_PROMISE, 2));
	prepare(&world, high);
	alone_persist(&world);
	assert_non_null(alone_sent(&world, MESSAGE_PROMISE, 2));
	assert_true(ballot_equal(alone_sent(&world, MESSAGE_PROMISE, 2)->ballot, high));
	assert_int_equal(world.packet_count, 1); /* nothing for the overtaken one */
	world_fini(&world);
}

static void
sends_the_suffix_that_the_candidate_lacks(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	const struct paxos_message *promise;

	accept_three(&world, low);
	world.now_ms += 300; /* the leader has fallen silent */
	alone_receive(&world,
	              (struct paxos_message){.type = MESSAGE_PREPARE,
	                                     .from = 3,
	                                     .ballot = middle,
	                                     .accepted = low,
	                                     .length = 1},
	              0);
	alone_persist(&world);
	promise = alone_sent(&world, MESSAGE_PROMISE, 3);
	assert_non_null(promise);
	assert_int_equal(promise->length, 3);
	assert_int_equal(promise->previous, 1);
	assert_int_equal(promise->entry_count, 2);
	assert_int_equal(promise->entries[1]->bytes[0], 3);
	assert_true(promise->flags & MESSAGE_LAST);
	world_fini(&world);
}

static void
sends_no_suffix_to_a_candidate_of_a_higher_accepted_ballot(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	const struct paxos_message *promise;

	accept_three(&world, low);
	world.now_ms += 300;
	alone_receive(&world,
	              (struct paxos_message){.type = MESSAGE_PREPARE,
	                                     .from = 3,
	                                     .ballot = {1, 9, 3},
	                                     .accepted = middle,
	                                     .length = 1},
	              0);
	alone_persist(&world);
	promise = alone_sent(&world, MESSAGE_PROMISE, 3);
	assert_non_null(promise);
	assert_int_equal(promise->entry_count, 0);
	assert_true(promise->flags & MESSAGE_LAST);
	world_fini(&world);
}

static void
reports_accepted_only_when_durable(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	prepare(&world, low);
	alone_persist(&world);
	sync_page(&world, low, 0, 2, 2, 0);
	assert_null(alone_sent(&world, MESSAGE_ACCEPTED, 2));
	alone_persist(&world);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPTED, 2)->length, 2);
	alone_forget(&world);
	accept(&world, low, 2, 1, 0);
	accept(&world, low, 3, 1, 0);
	world_persist(&world, world_member(&world, 1), 1);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPTED, 2)->length, 3);
	world_fini(&world);
}

static void
takes_nothing_at_a_ballot_that_it_has_not_promised(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	accept(&world, low, 0, 1, 0);
	sync_page(&world, low, 0, 1, 1, 0);
	assert_int_equal(alone_view(&world).length, 0);
	prepare(&world, high);
	alone_persist(&world);
	alone_forget(&world);
	sync_page(&world, middle, 0, 1, 1, 0);
	assert_int_equal(alone_view(&world).length, 0);
	assert_non_null(alone_sent(&world, MESSAGE_REFUSE, 3));
	world_fini(&world);
}

static void
asks_again_for_what_is_missing_once(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	accept_three(&world, low);
	accept(&world, low, 5, 1, 0);
	accept(&world, low, 6, 1, 0);
	assert_int_equal(alone_view(&world).length, 3);
	assert_int_equal(alone_sent(&world, MESSAGE_RESYNC, 2)->length, 3);
	assert_int_equal(world.packet_count, 1);
	world.now_ms += 60;
	accept(&world, low, 7, 1, 0);
	assert_int_equal(world.packet_count, 2);
	world_fini(&world);
}

static void
an_old_accept_cuts_nothing(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	accept_three(&world, low);
	accept(&world, low, 0, 2, 0);
	assert_int_equal(alone_view(&world).length, 3);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPTED, 2)->length, 3);
	accept(&world, low, 1, 4, 0); /* two known, two new */
	assert_int_equal(alone_view(&world).length, 5);
	world_fini(&world);
}

static void
is_not_accepted_before_all_of_the_adopted_log_is_there(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	prepare(&world, low);
	alone_persist(&world);
	sync_page(&world, low, 0, 2, 4, 0);
	alone_persist(&world);
	assert_true(ballot_is_none(alone_view(&world).accepted));
	assert_int_equal(alone_view(&world).length, 0);
	assert_int_equal(alone_sent(&world, MESSAGE_RESYNC, 2)->length, 2);
	sync_page(&world, low, 2, 2, 4, 0);
	assert_true(ballot_equal(alone_view(&world).accepted, low));
	assert_int_equal(alone_view(&world).length, 4);
	world_fini(&world);
}

static void
keeps_its_own_votes_until_chosen_values_reach_beyond_them(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	accept_three(&world, low);
	world.now_ms += 300;
	prepare(&world, middle);
	alone_persist(&world);
	sync_page(&world, middle, 0, 2, 9, 9);
	assert_int_equal(alone_view(&world).length,
	                 3); /* two chosen values would cut a third vote */
	sync_page(&world, middle, 2, 2, 9, 9);
	assert_int_equal(alone_view(&world).length, 4);
	assert_true(ballot_equal(alone_view(&world).accepted, low)); /* learned, not accepted */
	alone_persist(&world);
	assert_null(alone_sent(&world, MESSAGE_ACCEPTED, 3));
	world_fini(&world);
}

static void
does_not_take_chosen_from_another_ballot(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	accept_three(&world, low);
	world.now_ms += 300;
	prepare(&world, middle);
	alone_persist(&world);
	alone_receive(&world,
	              (struct paxos_message){.type = MESSAGE_HEARTBEAT,
	                                     .from = 3,
	                                     .ballot = middle,
	                                     .chosen = 3,
	                                     .sequence = 1},
	              0);
	assert_int_equal(alone_view(&world).chosen, 0);
	world_fini(&world);
}

static void
takes_no_entries_without_space(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	accept_three(&world, low);
	world_step(&world, world_member(&world, 1),
	           &(struct paxos_event){.type = EVENT_NO_SPACE, .no_space = true});
	accept(&world, low, 3, 1, 0);
	assert_int_equal(alone_view(&world).length, 3);
	world_step(&world, world_member(&world, 1),
	           &(struct paxos_event){.type = EVENT_NO_SPACE, .no_space = false});
	accept(&world, low, 3, 1, 0);
	assert_int_equal(alone_view(&world).length, 4);
	world_fini(&world);
}

static void
ignores_what_no_voter_of_this_epoch_sends(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 9, .ballot = {1, 1, 9}}, 0);
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 2, .ballot = {2, 1, 2}}, 0);
	alone_receive(
		&world,
		(struct paxos_message){.type = MESSAGE_PREPARE, .from = 2, .ballot = {1, 1, 3}}, 0);
	alone_receive(&world,
	              (struct paxos_message){
			      .type = MESSAGE_PREPARE, .from = 2, .ballot = {1, UINT64_MAX, 2}},
	              0);
	assert_true(ballot_is_none(alone_view(&world).ballot));
	assert_int_equal(world.packet_count, 0);
	world_fini(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_a_ballot_not_above_its_promise),
		cmocka_unit_test(promises_the_same_ballot_again_when_asked_again),
		cmocka_unit_test(promises_only_when_the_promise_is_durable),
		cmocka_unit_test(sends_the_suffix_that_the_candidate_lacks),
		cmocka_unit_test(sends_no_suffix_to_a_candidate_of_a_higher_accepted_ballot),
		cmocka_unit_test(reports_accepted_only_when_durable),
		cmocka_unit_test(takes_nothing_at_a_ballot_that_it_has_not_promised),
		cmocka_unit_test(asks_again_for_what_is_missing_once),
		cmocka_unit_test(an_old_accept_cuts_nothing),
		cmocka_unit_test(is_not_accepted_before_all_of_the_adopted_log_is_there),
		cmocka_unit_test(keeps_its_own_votes_until_chosen_values_reach_beyond_them),
		cmocka_unit_test(does_not_take_chosen_from_another_ballot),
		cmocka_unit_test(takes_no_entries_without_space),
		cmocka_unit_test(ignores_what_no_voter_of_this_epoch_sends),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/acceptor", tests, NULL, NULL);
}
