/* Replication: bounds, losses, slow disks, old entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "server/paxos/proposer.h"
#include "tests/unit/paxos/alone.h"

static const struct paxos_options options = {.heartbeat_ms = 50};

/* Member 2 has LENGTH of our log durable, and HELD in memory, as heartbeat SEQUENCE arrives. */
static void
answer(struct world *world, uint64_t sequence, uint64_t length, uint64_t held, uint8_t flags)
{
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_HEARTBEAT_ANSWER,
	                                     .from = 2,
	                                     .ballot = {1, 1, 1},
	                                     .accepted = {1, 1, 1},
	                                     .length = length,
	                                     .previous = held,
	                                     .sequence = sequence,
	                                     .flags = flags},
	              0);
}

/* Member 1 leads and serves with member 2. */
static void
serve(struct world *world)
{
	alone_lead(world);
	answer(world, 1, 1, 1, 0);
	world_apply(world, world_member(world, 1), 1);
	assert_true(alone_view(world).is_serving);
	alone_forget(world);
}

static void
propose(struct world *world, uint32_t count)
{
	int error;

	assert_int_equal(world_propose(world, world_member(world, 1), count, &error), count);
	alone_persist(world);
}

static unsigned
count_sent(const struct world *world, uint8_t type)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < world->packet_count; i++)
		count += world->packets[i].type == type && world->packets[i].to == 2;
	return count;
}

/* One heartbeat; returns its number. */
static uint64_t
beat(struct world *world)
{
	alone_forget(world);
	world->now_ms += 50;
	world_tick(world, world_member(world, 1));
	return alone_sent(world, MESSAGE_HEARTBEAT, 2)->sequence;
}

static void
a_slow_disk_is_not_taken_for_a_lost_message(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t sequence;

	serve(&world);
	propose(&world, 3);
	sequence = beat(&world);
	alone_forget(&world);
	answer(&world, sequence, 1, 4, 0);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 0);
	world_fini(&world);
}

static void
what_was_lost_before_an_answered_heartbeat_is_sent_again(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t sequence;

	serve(&world);
	propose(&world, 3);
	sequence = beat(&world);
	alone_forget(&world);
	answer(&world, sequence, 1, 2, 0);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 1);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT, 2)->previous, 2);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT, 2)->entry_count, 2);
	world_fini(&world);
}

static void
what_was_sent_after_the_heartbeat_may_still_be_under_way(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	uint64_t sequence;

	serve(&world);
	sequence = beat(&world);
	propose(&world, 3);
	alone_forget(&world);
	answer(&world, sequence, 1, 1, 0);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 0);
	world_fini(&world);
}

static void
accepts_under_way_are_bounded_and_go_on_when_some_land(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	serve(&world);
	for (int i = 0; i < 300; i++)
		propose(&world, 1);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), FLIGHTS_MAX);
	alone_forget(&world);
	answer(&world, 1, 11, 257, 0);
	/* Ten have landed; what waits travels together. */
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 1);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT, 2)->entry_count, 44);
	world_fini(&world);
}

static void
a_voter_without_space_is_sent_nothing(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	serve(&world);
	answer(&world, 1, 1, 1, MESSAGE_NO_SPACE);
	propose(&world, 3);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 0);
	answer(&world, 1, 1, 1, 0);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 1);
	world_fini(&world);
}

/* Not while more is on its way, which tells it too. */
static void
a_watched_voter_is_told_at_once_what_is_chosen(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	serve(&world);
	answer(&world, 1, 1, 1, MESSAGE_EAGER);
	propose(&world, 2);
	propose(&world, 1);
	alone_forget(&world);
	answer(&world, 1, 3, 3, MESSAGE_EAGER);
	assert_int_equal(alone_view(&world).chosen, 3);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 0);
	answer(&world, 1, 4, 4, MESSAGE_EAGER);
	assert_int_equal(alone_view(&world).chosen, 4);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 1);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT, 2)->chosen, 4);
	world_fini(&world);
}

static void
an_advance_of_chosen_is_told_in_time(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	serve(&world);
	propose(&world, 3);
	alone_forget(&world);
	answer(&world, 1, 4, 4, 0);
	assert_int_equal(alone_view(&world).chosen, 4);
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 0);
	assert_true(paxos_deadline(world_member(&world, 1)->paxos) <= world.now_ms + 2);
	world.now_ms += 2;
	world_tick(&world, world_member(&world, 1));
	assert_int_equal(count_sent(&world, MESSAGE_ACCEPT), 1);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT, 2)->chosen, 4);
	assert_int_equal(alone_sent(&world, MESSAGE_ACCEPT, 2)->entry_count, 0);
	world_fini(&world);
}

static void
old_entries_come_from_the_journal_one_load_at_a_time(void **state)
{
	struct world world;

	(void)state;
	alone_begin(&world, &options);
	struct world small;
	struct paxos_options few = {.cache_entries = 2, .message_entries = 2};
	struct world_member *self;

	alone_begin(&small, &few);
	self = world_member(&small, 1);
	serve(&small);
	propose(&small, 6);
	answer(&small, 1, 7, 7, 0); /* all chosen, most of it no longer in memory */
	alone_forget(&small);
	alone_receive(&small,
	              (struct paxos_message){.type = MESSAGE_PROMISE,
	                                     .from = 3,
	                                     .ballot = {1, 1, 1},
	                                     .flags = MESSAGE_LAST},
	              0);
	assert_int_equal(self->load_count, 1);
	assert_null(alone_sent(&small, MESSAGE_ACCEPT_SYNC, 3));
	world_load(&small, self, 2);
	assert_int_equal(alone_sent(&small, MESSAGE_ACCEPT_SYNC, 3)->entry_count, 2);
	assert_int_equal(self->load_count, 1); /* the next ones */
	world_load(&small, self, 0);           /* gone: nothing is sent, nothing breaks */
	assert_int_equal(self->load_count, 0);
	world_fini(&small);
	world_fini(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_disk_is_not_taken_for_a_lost_message),
		cmocka_unit_test(what_was_lost_before_an_answered_heartbeat_is_sent_again),
		cmocka_unit_test(what_was_sent_after_the_heartbeat_may_still_be_under_way),
		cmocka_unit_test(accepts_under_way_are_bounded_and_go_on_when_some_land),
		cmocka_unit_test(a_voter_without_space_is_sent_nothing),
		cmocka_unit_test(a_watched_voter_is_told_at_once_what_is_chosen),
		cmocka_unit_test(an_advance_of_chosen_is_told_in_time),
		cmocka_unit_test(old_entries_come_from_the_journal_one_load_at_a_time),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/replicate", tests, NULL, NULL);
}
