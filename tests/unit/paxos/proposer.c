/* The proposer: whose log is adopted, what is sent to whom, what is taken. */
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
promise(struct world *world, member_id from, struct ballot accepted, uint64_t previous,
        uint32_t count, uint64_t length)
{
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_PROMISE,
	                                     .from = from,
	                                     .ballot = {1, 1, 1},
	                                     .accepted = accepted,
	                                     .previous = previous,
	                                     .length = length},
	              count);
}

static void
accepted(struct world *world, member_id from, uint64_t length)
{
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_ACCEPTED,
	                                     .from = from,
	                                     .ballot = {1, 1, 1},
	                                     .length = length},
	              0);
}

/* Member 1 leads and serves; slot 1 is chosen. */
static void
serve(struct world *world)
{
	alone_lead(world);
	accepted(world, 2, 1);
	world_apply(world, world_member(world, 1), 1);
	assert_true(alone_view(world).is_serving);
	alone_forget(world);
}

static void
adopts_the_longest_log_of_the_highest_ballot(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_stand(&world);
	promise(&world, 3, (struct ballot){0, 9, 3}, 0, 2, 2);
	assert_int_equal(alone_view(&world).role, ROLE_LEADER);
	assert_int_equal(alone_view(&world).length, 3);
	assert_int_equal(paxos_entry(world_member(&world, 1)->paxos, 2)->bytes[0], 2);
	assert_int_equal(paxos_entry(world_member(&world, 1)->paxos, 3)->kind, ENTRY_LEADER_START);
	world_fini(&world);
}

static void
waits_for_every_page_of_a_promise(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_stand(&world);
	promise(&world, 3, (struct ballot){0, 9, 3}, 2, 1, 3); /* the first page is missing */
	assert_int_equal(alone_view(&world).role, ROLE_CANDIDATE);
	promise(&world, 3, (struct ballot){0, 9, 3}, 0, 2, 3);
	assert_int_equal(alone_view(&world).role, ROLE_CANDIDATE);
	promise(&world, 3, (struct ballot){0, 9, 3}, 2, 1, 3);
	assert_int_equal(alone_view(&world).role, ROLE_LEADER);
	assert_int_equal(alone_view(&world).length, 4);
	world_fini(&world);
}

static void
counts_each_promise_once(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	struct world five;

	world_init(&five, 5, &options, 1);
	world_start(&five, world_member(&five, 1));
	five.now_ms = paxos_deadline(world_member(&five, 1)->paxos);
	world_tick(&five, world_member(&five, 1));
	for (member_id from = 2; from <= 3; from++)
		alone_receive(&five,
		              (struct paxos_message){.type = MESSAGE_PREVOTE_ANSWER,
		                                     .from = from,
		                                     .ballot = {1, 1, 1},
		                                     .flags = MESSAGE_GRANTED},
		              0);
	alone_persist(&five);
	promise(&five, 2, BALLOT_NONE, 0, 0, 0);
	promise(&five, 2, BALLOT_NONE, 0, 0, 0);
	assert_int_equal(alone_view(&five).role, ROLE_CANDIDATE);
	promise(&five, 3, BALLOT_NONE, 0, 0, 0);
	assert_int_equal(alone_view(&five).role, ROLE_LEADER);
	world_fini(&five);
	world_fini(&world);
}

static void
replaces_a_promisers_log_only_from_where_it_may_diverge(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	alone_stand(&world);
	promise(&world, 3, (struct ballot){0, 9, 3}, 0, 4, 4);
	/* The adopted log is member 3's own: only LEADER_START is new to it. */
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT_SYNC, 3)->base, 4);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT_SYNC, 3)->entry_count, 1);
	/* Member 2 comes late, with a log of another ballot of which it knows one value chosen. */
	alone_receive(&world,
	              (struct paxos_message){.type = MESSAGE_PROMISE,
	                                     .from = 2,
	                                     .ballot = {1, 1, 1},
	                                     .accepted = {0, 8, 2},
	                                     .length = 3,
	                                     .chosen = 1,
	                                     .flags = MESSAGE_LAST},
	              0);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT_SYNC, 2)->base, 1);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT_SYNC, 2)->entry_count, 4);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT_SYNC, 2)->length, 5);
	world_fini(&world);
}

static void
yields_to_members_that_are_too_far_ahead(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	struct world small;
	struct paxos_options few = {.cache_entries = 3};

	alone_begin(&small, &few);
	alone_stand(&small);
	promise(&small, 2, (struct ballot){0, 9, 2}, 0, 0, 100);
	assert_int_equal(alone_view(&small).role, ROLE_CANDIDATE); /* member 3 is left */
	promise(&small, 3, (struct ballot){0, 9, 2}, 0, 0, 100);
	assert_int_equal(alone_view(&small).role, ROLE_FOLLOWER);
	world_fini(&small);
	world_fini(&world);
}

static void
proposes_in_one_write_and_one_message_for_each(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	int error;

	serve(&world);
	alone_forget(&world);
	assert_int_equal(world_propose(&world, world_member(&world, 1), 5, &error), 5);
	assert_int_equal(error, SYNOD_OK);
	assert_int_equal(world_member(&world, 1)->persist_count, 1);
	assert_int_equal(world.packet_count, 1); /* member 3 has not promised */
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT, 2)->entry_count, 5);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT, 2)->previous, 1);
	world_fini(&world);
}

static void
refuses_proposals_before_it_serves(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	int error;

	assert_int_equal(world_propose(&world, world_member(&world, 1), 1, &error), 0);
	assert_int_equal(error, SYNOD_RETRY);
	alone_lead(&world);
	assert_int_equal(world_propose(&world, world_member(&world, 1), 1, &error), 0);
	assert_int_equal(error, SYNOD_RETRY);
	world_fini(&world);
}

static void
takes_the_first_values_that_the_window_has_room_for(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	struct world small;
	struct paxos_options few = {.window_entries = 3};
	int error;

	alone_begin(&small, &few);
	serve(&small);
	assert_int_equal(world_propose(&small, world_member(&small, 1), 5, &error), 3);
	assert_int_equal(error, SYNOD_BUSY);
	assert_int_equal(small.update.proposed_first, 2);
	assert_int_equal(world_propose(&small, world_member(&small, 1), 1, &error), 0);
	assert_int_equal(error, SYNOD_BUSY);
	world_fini(&small);
	world_fini(&world);
}

static void
does_not_believe_in_more_than_it_has_sent(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	serve(&world);
	accepted(&world, 2, 100);
	assert_int_equal(alone_view(&world).chosen, 1);
	world_fini(&world);
}

static void
steps_down_when_a_voter_has_promised_a_higher_ballot(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	serve(&world);
	alone_receive(&world,
	              (struct paxos_message){.type = MESSAGE_REFUSE,
	                                     .from = 3,
	                                     .ballot = {1, 1, 1},
	                                     .accepted = {1, 7, 2}},
	              0);
	assert_int_equal(alone_view(&world).role, ROLE_FOLLOWER);
	world_fini(&world);
}

/* Among five: a promise that was taken back leaves no quorum, and nothing to adopt. */
static void
a_promiser_that_refuses_later_counts_no_more(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, 5, &options, 1);
	world.is_lied_to = true;
	world_start(&world, world_member(&world, 1));
	alone_stand(&world);
	alone_receive(&world,
	              (struct paxos_message){.type = MESSAGE_PREVOTE_ANSWER,
	                                     .from = 3,
	                                     .ballot = {1, 1, 1},
	                                     .flags = MESSAGE_GRANTED},
	              0);
	alone_persist(&world);
	promise(&world, 2, (struct ballot){0, 9, 3}, 0, 2, 2);
	alone_receive(&world,
	              (struct paxos_message){.type = MESSAGE_REFUSE,
	                                     .from = 2,
	                                     .ballot = {1, 1, 1},
	                                     .accepted = {1, 7, 2}},
	              0);
	promise(&world, 3, BALLOT_NONE, 0, 0, 0);
	assert_int_equal(alone_view(&world).role, ROLE_CANDIDATE);
	promise(&world, 4, BALLOT_NONE, 0, 0, 0);
	assert_int_equal(alone_view(&world).role, ROLE_LEADER);
	world_fini(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adopts_the_longest_log_of_the_highest_ballot),
		cmocka_unit_test(waits_for_every_page_of_a_promise),
		cmocka_unit_test(counts_each_promise_once),
		cmocka_unit_test(replaces_a_promisers_log_only_from_where_it_may_diverge),
		cmocka_unit_test(yields_to_members_that_are_too_far_ahead),
		cmocka_unit_test(proposes_in_one_write_and_one_message_for_each),
		cmocka_unit_test(refuses_proposals_before_it_serves),
		cmocka_unit_test(takes_the_first_values_that_the_window_has_room_for),
		cmocka_unit_test(does_not_believe_in_more_than_it_has_sent),
		cmocka_unit_test(a_promiser_that_refuses_later_counts_no_more),
		cmocka_unit_test(steps_down_when_a_voter_has_promised_a_higher_ballot),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/proposer", tests, NULL, NULL);
}
