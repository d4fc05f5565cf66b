/*
 * Random schedules: three to five cores, a network that loses, repeats and reorders, disks that
 * forget what was not synced, crashes, partitions, clocks that jump; then everything is
 * healed and the ensemble must make progress.  The invariants are judged at every step
 * by tests/support/world.c.
 *
 *     SEEDS=100000 ensemble     more schedules
 *     SEED=4711 ensemble        this one only, with a trace on stderr
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/support/world.h"

#define SEEDS_DEFAULT 1500
#define PACKETS_MAX   400 /* the network's buffers end somewhere */

/* How likely each misfortune is, per thousand actions; different for every seed. */
struct weather {
	unsigned drop, repeat, reorder;
	unsigned crash, restart;
	unsigned cut, mend;
	unsigned deliver, persist, apply, load;
	unsigned propose, read, tick, oddity;
	unsigned tick_ms;
	unsigned pause;
	unsigned paused[WORLD_MEMBERS_MAX]; /* stands still for so many more actions */
	bool is_cut[WORLD_MEMBERS_MAX][WORLD_MEMBERS_MAX]; /* [from][to] */
};

static uint64_t current_seed;

/* CHECK aborts; the seed must be known then. */
static void
tell_seed(int number)
{
	char text[96];
	int size = snprintf(text, sizeof(text), "replay: SEED=%" PRIu64 " (then: signal %d)\n",
	                    current_seed, number);

	if (write(STDERR_FILENO, text, (size_t)size) < 0)
		_exit(2);
	signal(number, SIG_DFL);
	raise(number);
}

static unsigned
pick(struct world *world, unsigned from, unsigned to)
{
	return from + (unsigned)world_random(world, to - from + 1);
}

static bool
chance(struct world *world, unsigned per_thousand)
{
	return world_random(world, 1000) < per_thousand;
}

/* Often calm, sometimes wild: extremes reach corners that averages do not. */
static unsigned
intensity(struct world *world, unsigned most)
{
	return chance(world, 400) ? 0 : pick(world, 0, most);
}

static void
make_weather(struct world *world, struct weather *weather)
{
	memset(weather, 0, sizeof(*weather));
	weather->drop = intensity(world, 200);
	weather->repeat = intensity(world, 150);
	weather->reorder = intensity(world, 500);
	weather->crash = intensity(world, 8);
	weather->restart = pick(world, 5, 60);
	weather->cut = intensity(world, 12);
	weather->mend = pick(world, 2, 30);
	weather->deliver = pick(world, 200, 900);
	weather->persist = pick(world, 30, 400);
	weather->apply = pick(world, 20, 200);
	weather->load = pick(world, 20, 200);
	weather->propose = pick(world, 10, 250);
	weather->read = pick(world, 0, 60);
	weather->tick = pick(world, 40, 300);
	weather->tick_ms = pick(world, 2, 40);
	weather->oddity = intensity(world, 6);
	weather->pause = intensity(world, 10);
}

static void
make_options(struct world *world, struct paxos_options *options)
{
	memset(options, 0, sizeof(*options));
	if (chance(world, 700)) {
		options->window_entries = pick(world, 2, 40);
		options->message_entries = pick(world, 1, 8);
	}
	if (chance(world, 300))
		options->window_bytes = pick(world, 100, 2000);
	if (chance(world, 500))
		options->message_bytes = pick(world, 60, 400);
	if (chance(world, 600))
		options->cache_entries = pick(world, 1, 60);
	if (chance(world, 300))
		options->cache_bytes = pick(world, 100, 4000);
	options->chosen_delay_ms = pick(world, 1, 20);
}

static struct world_member *
any_member(struct world *world)
{
	return &world->members[world_random(world, world->member_count)];
}

static void
cut_links(struct world *world, struct weather *weather)
{
	unsigned victim = (unsigned)world_random(world, world->member_count);
	unsigned kind = (unsigned)world_random(world, 4);

	for (unsigned i = 0; i < world->member_count; i++) {
		if (kind == 0 || kind == 1)
			weather->is_cut[victim][i] = true; /* deaf, or dumb, or both */
		if (kind == 0 || kind == 2)
			weather->is_cut[i][victim] = true;
		if (kind == 3 && chance(world, 500)) /* not even transitive */
			weather->is_cut[victim][i] = weather->is_cut[i][victim] = true;
	}
}

static void
move_packet(struct world *world, struct weather *weather)
{
	uint32_t index = 0;
	const struct paxos_message *packet;

	if (world->packet_count == 0)
		return;
	if (chance(world, weather->reorder))
		index = (uint32_t)world_random(world, world->packet_count);
	while (index < world->packet_count && weather->paused[world->packets[index].to - 1] > 0)
		index++;
	if (index == world->packet_count) /* all of them are for members that stand still */
		index = 0;
	packet = &world->packets[index];
	if (weather->is_cut[packet->from - 1][packet->to - 1] || chance(world, weather->drop))
		world_drop(world, index);
	else if (weather->paused[packet->to - 1] == 0)
		world_deliver(world, index, chance(world, weather->repeat));
	while (world->packet_count > PACKETS_MAX)
		world_drop(world, (uint32_t)world_random(world, world->packet_count));
}

/* Things that a shell tells its core now and then. */
static void
something_odd(struct world *world, struct world_member *member)
{
	struct paxos_event event = {.type = EVENT_TICK};

	switch (world_random(world, 4)) {
	case 0:
		event.type = EVENT_TRANSFER;
		event.transfer = world_random(world, world->member_count + 1);
		break;
	case 1:
		event.type = EVENT_STALLED;
		event.stalled.journal_ms = pick(world, 0, 1000);
		break;
	case 2:
		event.type = EVENT_NO_SPACE;
		event.no_space = true;
		break;
	default:
		event.type = EVENT_NO_SPACE;
		event.no_space = false;
		break;
	}
	world_step(world, member, &event);
}

static void
act_on(struct world *world, struct weather *weather, struct world_member *member)
{
	int error;

	if (member->paxos == NULL) {
		if (chance(world, weather->restart))
			world_start(world, member);
		return;
	}
	if (weather->paused[member->id - 1] > 0) {
		/* What wakes it is a client, before its own clock does. */
		if (--weather->paused[member->id - 1] == 0)
			world_read(world, member);
		return;
	}
	if (chance(world, weather->pause))
		weather->paused[member->id - 1] = pick(world, 1, 150);
	if (chance(world, weather->crash)) {
		world_crash(world, member);
		return;
	}
	if (chance(world, weather->persist))
		world_persist(world, member, pick(world, 1, 6));
	if (chance(world, weather->apply))
		world_apply(world, member, pick(world, 1, 30));
	if (chance(world, weather->load) && member->load_count > 0)
		world_load(world, member, pick(world, 0, 5));
	if (chance(world, weather->propose))
		world_propose(world, member, pick(world, 1, 6), &error);
	if (chance(world, weather->read))
		world_read(world, member);
	if (chance(world, weather->oddity))
		something_odd(world, member);
	/* A late tick is a member that was paused. */
	if (paxos_deadline(member->paxos) <= world->now_ms && chance(world, 800))
		world_tick(world, member);
}

static void
storm(struct world *world, struct weather *weather, unsigned actions)
{
	for (unsigned i = 0; i < actions; i++) {
		if (chance(world, weather->deliver))
			move_packet(world, weather);
		act_on(world, weather, any_member(world));
		if (chance(world, weather->tick))
			world->now_ms += world_random(world, weather->tick_ms);
		if (chance(world, weather->cut))
			cut_links(world, weather);
		if (chance(world, weather->mend))
			memset(weather->is_cut, 0, sizeof(weather->is_cut));
	}
}

static void
heal(struct world *world)
{
	for (unsigned i = 0; i < world->member_count; i++) {
		struct world_member *member = &world->members[i];

		if (member->paxos == NULL)
			world_start(world, member);
		world_step(world, member,
		           &(struct paxos_event){.type = EVENT_NO_SPACE, .no_space = false});
	}
}

static bool
has_leader(struct world *world)
{
	return world_leader(world) != NULL;
}

/* Everybody has applied everything that was proposed. */
static bool
is_even(struct world *world)
{
	struct world_member *leader = world_leader(world);
	struct paxos_view view;

	if (leader == NULL)
		return false;
	paxos_view(leader->paxos, &view);
	for (unsigned i = 0; i < world->member_count; i++) {
		if (world->members[i].applied != view.length)
			return false;
	}
	return view.length == world->chosen_length;
}

static bool
are_reads_answered(struct world *world)
{
	for (uint32_t i = world->read_count - world->member_count; i < world->read_count; i++) {
		if (!world->reads[i].is_answered)
			return false;
	}
	return true;
}

/* After the storm: a leader, a new value on every member, a read from every member. */
static void
require_progress(struct world *world)
{
	uint64_t before = world->chosen_length;
	int error = SYNOD_RETRY;

	for (unsigned attempt = 0; error != SYNOD_OK; attempt++) {
		CHECK(attempt < 100);
		CHECK(world_run(world, 30000, has_leader));
		world_propose(world, world_leader(world), 1, &error);
		world_run(world, 10, NULL);
	}
	CHECK(world_run(world, 30000, is_even));
	CHECK(world->chosen_length > before);
	for (unsigned i = 0; i < world->member_count; i++)
		world_read(world, &world->members[i]);
	CHECK(world_run(world, 10000, are_reads_answered));
	for (uint32_t i = world->read_count - world->member_count; i < world->read_count; i++)
		CHECK(world->reads[i].error == SYNOD_OK);
}

static uint64_t
run_schedule(uint64_t seed, bool is_tracing)
{
	static const unsigned sizes[] = {1, 2, 3, 3, 3, 3, 4, 5, 5};
	struct world world;
	struct weather weather;
	struct paxos_options options;
	uint64_t chosen;

	current_seed = seed;
	memset(&world, 0, sizeof(world));
	world.random = seed;
	make_options(&world, &options);
	world_init(&world, sizes[world_random(&world, sizeof(sizes) / sizeof(sizes[0]))], &options,
	           world.random);
	world.is_tracing = is_tracing;
	if (chance(&world, 500))
		world.tail_max = pick(&world, 0, 20);
	for (unsigned round = 0; round < 2; round++) {
		make_weather(&world, &weather);
		for (unsigned i = 0; i < world.member_count; i++) {
			if (world.members[i].paxos == NULL)
				world_start(&world, &world.members[i]);
		}
		if (chance(&world, 700))
			world_run(&world, 1000, has_leader);
		storm(&world, &weather, pick(&world, 100, 2500));
		heal(&world);
		require_progress(&world);
	}
	chosen = world.chosen_length;
	world_fini(&world);
	return chosen;
}

static void
keeps_every_promise_under_random_schedules(void **state)
{
	const char *one = getenv("SEED"), *many = getenv("SEEDS");
	uint64_t seeds = many != NULL ? strtoull(many, NULL, 10) : SEEDS_DEFAULT;
	uint64_t chosen = 0;

	(void)state;
	if (one != NULL) {
		run_schedule(strtoull(one, NULL, 10), true);
		return;
	}
	for (uint64_t seed = 1; seed <= seeds; seed++)
		chosen += run_schedule(seed, false);
	/* A test that chooses nothing would prove nothing. */
	assert_true(chosen > 20 * seeds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_every_promise_under_random_schedules),
	};

	if (getenv("SEEDS") == NULL)
		alarm(120);
	signal(SIGABRT, tell_seed);
	signal(SIGALRM, tell_seed);
	return cmocka_run_group_tests_name("paxos/ensemble", tests, NULL, NULL);
}
