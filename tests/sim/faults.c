/* What goes wrong. */
#include "tests/sim/faults.h"

#include "server/state.h"
#include "shared/error.h"
#include "tests/sim/disk.h"
#include "tests/sim/host.h"
#include "tests/sim/network.h"

/* ---- small helpers ---- */

static uint64_t
outage_us(struct world *world)
{
	uint64_t typical_us = world->options.outage_ms * 1000;

	return typical_us / 4 + random_below(&world->fault_random, typical_us * 2);
}

static struct host *
leader_of(struct world *world)
{
	for (unsigned i = 0; i < world->options.members; i++) {
		const struct host *host = world->hosts[i];

		if (host->is_up && host->member && host->member->view.role == ROLE_LEADER)
			return world->hosts[i];
	}
	return NULL;
}

/* Who leads has more to lose: take it every third time. */
static struct host *
any_member(struct world *world)
{
	struct host *leader = leader_of(world);

	if (leader && random_below(&world->fault_random, 3) == 0)
		return leader;
	return world->hosts[random_below(&world->fault_random, world->options.members)];
}

static struct host *
any_client(struct world *world)
{
	uint64_t clients = world->options.clients;
	uint64_t drawn = random_below(&world->fault_random, clients + world->options.living);

	if (drawn >= clients)
		drawn += CLIENTS_LIMIT - clients;
	return world->hosts[MEMBERS_LIMIT + drawn];
}

static void
restart(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;

	(void)world;
	if (!host->is_up && !host->is_quarantined && host->incarnation == incarnation)
		host_start(host);
}

static void
crash_for(struct host *host, bool is_power, uint64_t us)
{
	if (!host->is_up)
		return;
	host_crash(host, is_power);
	world_schedule(host->world, us, restart, host, host->incarnation);
}

/* ---- the network ---- */

/* Which links, as bits FROM * HOSTS_LIMIT + TO, are given back later in one event each. */
static void
unblock(struct world *world, void *argument, uint64_t link)
{
	(void)argument;
	if (!world->is_quiet)
		network_block(world->network, (unsigned)(link / HOSTS_LIMIT),
		              (unsigned)(link % HOSTS_LIMIT), false);
}

static void
block_for(struct world *world, unsigned from, unsigned to, uint64_t us)
{
	network_block(world->network, from, to, true);
	world_schedule(world, us, unblock, NULL, from * HOSTS_LIMIT + to);
}

static void
partition(struct world *world)
{
	uint64_t sides = random_next(&world->fault_random);
	uint64_t us = outage_us(world);

	world->statistics.partitions++;
	world_trace(world, NULL, "partition %lx for %lu ms",
	            (unsigned long)(sides & ((1u << world->options.members) - 1)),
	            (unsigned long)us / 1000);
	for (unsigned a = 0; a < HOSTS_LIMIT; a++)
		for (unsigned b = 0; b < HOSTS_LIMIT; b++)
			if ((sides >> a & 1) != (sides >> b & 1))
				block_for(world, a, b, us);
}

static void
isolate(struct world *world)
{
	unsigned one = any_member(world)->index;
	uint64_t direction = random_below(&world->fault_random, 3);
	uint64_t us = outage_us(world);

	world->statistics.isolations++;
	world_trace(world, NULL, "m%u is cut off (%lu) for %lu ms", one + 1,
	            (unsigned long)direction, (unsigned long)us / 1000);
	for (unsigned other = 0; other < world->options.members; other++) {
		if (other == one)
			continue;
		if (direction != 1)
			block_for(world, one, other, us);
		if (direction != 2)
			block_for(world, other, one, us);
	}
}

static void
cut_one_way(struct world *world)
{
	unsigned from = any_member(world)->index;
	unsigned to = random_below(&world->fault_random, 4) == 0 ? any_client(world)->index
	                                                         : any_member(world)->index;
	uint64_t us = outage_us(world);

	world->statistics.oneways++;
	world_trace(world, NULL, "%s does not hear m%u for %lu ms", world->hosts[to]->name,
	            from + 1, (unsigned long)us / 1000);
	block_for(world, from, to, us);
}

static void
flap_again(struct world *world, void *argument, uint64_t state)
{
	unsigned left = (unsigned)(state >> 32);
	unsigned from = (unsigned)(state >> 8) & 0xff, to = (unsigned)state & 0xff;

	if (world->is_quiet || left == 0)
		return;
	block_for(world, from, to, 1000 + random_below(&world->fault_random, 100000));
	world_schedule(world, 1000 + random_below(&world->fault_random, 200000), flap_again,
	               argument, (uint64_t)(left - 1) << 32 | from << 8 | to);
}

static void
flap(struct world *world)
{
	unsigned from = any_member(world)->index;
	unsigned to = any_member(world)->index;

	world->statistics.flaps++;
	flap_again(world, NULL, UINT64_C(20) << 32 | from << 8 | to);
}

static void
reset(struct world *world)
{
	struct host *host = any_member(world);

	world->statistics.resets++;
	network_reset(world->network, host->index,
	              random_below(&world->fault_random, 2) ? -1 : (int)any_member(world)->index);
}

/* ---- disks ---- */

static void
slow_disk(struct world *world)
{
	struct host *host = any_member(world);

	world->statistics.slow_disks++;
	host->slow_disk_us = random_below(&world->fault_random, outage_us(world) + 1);
	host->slow_disk_until_us = world->now_us + outage_us(world);
}

static void
slow_executor(struct world *world)
{
	struct host *host = any_member(world);

	world->statistics.slow_namespaces++;
	host->slow_executor_us = random_below(&world->fault_random, outage_us(world) + 1);
	host->slow_executor_until_us = world->now_us + outage_us(world);
}

static void
fail_disk(struct world *world)
{
	struct host *host = any_member(world);

	if (!host->is_up)
		return;
	host->has_disk_fault = true;
	sim_disk_fail_at(host->disk, random_between(&world->fault_random, 1, 60), SYNOD_IO);
}

static void
empty_disk(struct world *world, void *argument, uint64_t number)
{
	struct host *host = argument;

	(void)world;
	(void)number;
	sim_disk_fill(host->disk, UINT64_MAX);
}

static void
fill_disk(struct world *world)
{
	struct host *host = any_member(world);

	world->statistics.full_disks++;
	host->has_disk_fault = true;
	sim_disk_fill(host->disk,
	              random_below(&world->fault_random,
	                           random_below(&world->fault_random, 2) ? 300000 : 20000));
	world_schedule(world, outage_us(world), empty_disk, host, 0);
}

/* What the disk is going to be missed for: at most a minority of the members may lose anything. */
static bool
may_damage(struct world *world, struct host *host)
{
	return !host->is_wiped && !host->is_rotten &&
	       (world->options.beyond > 0 ||
	        world->damaged_count < (world->options.members - 1) / 2);
}

/* HOST has lost something and cannot know. */
static void
forget(struct host *host)
{
	struct world *world = host->world;

	host->may_forget = true;
	if (!world->has_forgotten)
		world->statistics.forgotten++;
	world->has_forgotten = true;
}

/* Has MEMBER been told, and written down, which disk HOST has? */
static bool
knows_disk(const struct host *member, const struct host *host)
{
	return member->is_up && member->member &&
	       member->member->identity.members[host->index].has_disk_id;
}

/* Whoever has not met the old disk takes the new one for the first: see DAMAGE in synodd(8). */
static bool
is_known_to_all(struct world *world, const struct host *host)
{
	for (unsigned i = 0; i < world->options.members; i++) {
		struct host *member = world->hosts[i];

		if (member != host && !knows_disk(member, host))
			return false;
	}
	return true;
}

/* Members on new disks take each other for a new ensemble, unless somebody else is needed who knows
 * better. */
static bool
may_wipe(struct world *world, struct host *host)
{
	bool is_minority = world->wiped_count < (world->options.members - 1) / 2;

	if (!may_damage(world, host))
		return false;
	return world->options.beyond > 1 || (is_minority && is_known_to_all(world, host));
}

static void
wipe(struct world *world)
{
	struct host *host = any_member(world);

	if (!may_wipe(world, host))
		return;
	world->damaged_count++;
	if (++world->wiped_count > (world->options.members - 1) / 2)
		forget(host);
	world->statistics.wipes++;
	world_trace(world, host, "loses its disk");
	host_crash(host, true);
	host->is_wiped = true;
	sim_disk_wipe(host->disk);
	world_schedule(world, outage_us(world), restart, host, host->incarnation);
}

static void
rot(struct world *world)
{
	struct host *host = any_member(world);

	bool may_forget = world->options.beyond > 1;

	if (!may_damage(world, host) || !sim_disk_rot(host->disk, &world->fault_random, may_forget))
		return;
	if (may_forget)
		forget(host);
	world->damaged_count++;
	world->statistics.rots++;
	world_trace(world, host, "a bit of its disk changes");
	host->is_rotten = true;
}

static void
lose(struct world *world)
{
	struct host *host = any_member(world);

	if (!may_damage(world, host) || !host->was_started)
		return;
	host_crash(host, true);
	if (sim_disk_lose(host->disk, &world->fault_random)) {
		world->damaged_count++;
		world->statistics.lost_files++;
		world_trace(world, host, "loses a part of its disk");
		host->is_rotten = true;
	}
	world_schedule(world, outage_us(world), restart, host, host->incarnation);
}

static void
misdirect(struct world *world)
{
	struct host *host = any_member(world);

	if (!may_damage(world, host))
		return;
	world->damaged_count++;
	if (world->options.beyond > 1)
		forget(host);
	sim_disk_misdirect(host->disk, random_between(&world->fault_random, 1, 20),
	                   world->options.beyond > 1);
}

static void
restore_one(struct world *world, struct host *host)
{
	if (host->is_wiped || host->is_quarantined)
		return;
	host_crash(host, true);
	if (sim_disk_restore(host->disk)) {
		world->statistics.restores++;
		world_trace(world, host, "its disk is as it was before");
		forget(host);
	}
	world_schedule(world, outage_us(world), restart, host, host->incarnation);
}

/* One, or all but one: somebody put back the backup of a whole ensemble. */
static void
restore(struct world *world)
{
	struct host *chosen = any_member(world);
	bool is_all_but_one = random_below(&world->fault_random, 2) == 0;

	if (world->options.beyond < 2)
		return;
	for (unsigned i = 0; i < world->options.members; i++)
		if ((world->hosts[i] == chosen) != is_all_but_one)
			restore_one(world, world->hosts[i]);
}

/* All of it is in the journal as well, so every member's may be damaged.  Half of the time it is
 * stopped in good order first: then all is in the database and nothing in its log. */
static void
damage_database(struct world *world)
{
	struct host *host = any_member(world);

	if (!host->is_up || host->is_wiped)
		return;
	host->has_database_fault = true;
	if (random_below(&world->fault_random, 2) == 0)
		host_stop(host, outage_us(world));
	else
		crash_for(host, false, outage_us(world));
}

/* ---- processes ---- */

static void
pause(struct world *world, struct host *host)
{
	if (host->is_up && !host_is_paused(host))
		host_pause(host, outage_us(world));
}

static void
power_in_disk(struct world *world)
{
	struct host *host = any_member(world);

	sim_disk_crash_at(host->disk, random_between(&world->fault_random, 1, 40));
}

static void
crash_everything(struct world *world)
{
	world->statistics.power_everywhere++;
	for (unsigned i = 0; i < world->options.members; i++)
		if (!world->hosts[i]->is_quarantined)
			crash_for(world->hosts[i], true, outage_us(world));
}

static void
change_rate(struct world *world)
{
	struct host *host =
		random_below(&world->fault_random, 3) == 0 ? any_client(world) : any_member(world);

	uint64_t most_ppm = world->options.clock_ppm ? world->options.clock_ppm : 30000;

	world->statistics.clock_rates++;
	/* The client's margin of a tenth of a timeout allows for a twentieth on each side. */
	host_set_rate(host, (int64_t)random_below(&world->fault_random, 2 * most_ppm) -
	                            (int64_t)most_ppm);
}

static void
jump(struct world *world)
{
	world->statistics.wall_jumps++;
	any_member(world)->wall_offset_ms +=
		(int64_t)random_below(&world->fault_random, 7200000) - 3600000;
}

/* ---- which ---- */

static void
kill_member(struct world *world)
{
	world->statistics.kills++;
	crash_for(any_member(world), false, outage_us(world));
}

static void
cut_power(struct world *world)
{
	world->statistics.power_cuts++;
	crash_for(any_member(world), true, outage_us(world));
}

static void
stop_member(struct world *world)
{
	struct host *host = any_member(world);

	host_stop(host, outage_us(world));
}

static void
pause_member(struct world *world)
{
	world->statistics.pauses++;
	pause(world, any_member(world));
}

static void
kill_client(struct world *world)
{
	world->statistics.client_crashes++;
	crash_for(any_client(world), random_below(&world->fault_random, 2) == 0, outage_us(world));
}

static void
pause_client(struct world *world)
{
	world->statistics.client_pauses++;
	pause(world, any_client(world));
}

static void
one_fault(struct world *world)
{
	const struct options *o = &world->options;
	const struct {
		uint64_t weight;
		void (*happen)(struct world *world);
	} faults[] = {
		{o->f_kill, kill_member},
		{o->f_power, cut_power},
		{o->f_power_in_disk, power_in_disk},
		{o->f_pause, pause_member},
		{o->f_partition, partition},
		{o->f_isolate, isolate},
		{o->f_oneway, cut_one_way},
		{o->f_flap, flap},
		{o->f_reset, reset},
		{o->f_slow_disk, slow_disk},
		{o->f_slow_namespace, slow_executor},
		{o->f_io_error, fail_disk},
		{o->f_full, fill_disk},
		{o->f_wipe, wipe},
		{o->f_rot, rot},
		{o->f_clock_rate, change_rate},
		{o->f_wall_jump, jump},
		{o->f_client_crash, kill_client},
		{o->f_client_pause, pause_client},
		{o->f_everything, crash_everything},
		{o->f_stop, stop_member},
		{o->f_lose, lose},
		{o->f_misdirect, misdirect},
		{o->f_restore, restore},
		{o->f_database, damage_database},
	};
	const unsigned count = sizeof faults / sizeof *faults;
	uint64_t sum = 0, drawn;

	for (unsigned i = 0; i < count; i++)
		sum += faults[i].weight;
	if (sum == 0)
		return;
	drawn = random_below(&world->fault_random, sum);
	for (unsigned i = 0; i < count; i++) {
		if (drawn < faults[i].weight) {
			faults[i].happen(world);
			return;
		}
		drawn -= faults[i].weight;
	}
}

static void
next_fault(struct world *world, void *argument, uint64_t number)
{
	if (world->is_quiet)
		return;
	if (number > 0)
		one_fault(world);
	world_schedule(world,
	               random_below(&world->fault_random, world->options.fault_every_ms * 2000 + 1),
	               next_fault, argument, number + 1);
}

void
faults_begin(struct world *world)
{
	next_fault(world, NULL, 0);
}

static void
start_if_down(struct world *world, void *argument, uint64_t number)
{
	struct host *host = argument;

	(void)number;
	if (!host->is_up && !host->is_quarantined)
		host_start(host);
	(void)world;
}

void
faults_end(struct world *world)
{
	world->is_quiet = true;
	world_trace(world, NULL, "the faults end");
	network_unblock_all(world->network);
	for (unsigned i = 0; i < world->host_count; i++) {
		struct host *host = world->hosts[i];

		if (!world_uses(world, i))
			continue;
		host_set_rate(host, 0);
		host->slow_disk_until_us = host->slow_executor_until_us = 0;
		if (host->disk)
			sim_disk_heal(host->disk);
		if (host->paused_until_us > world->now_us)
			host->paused_until_us = world->now_us + 1000;
		world_schedule(world, 1000, start_if_down, host, 0);
	}
}
