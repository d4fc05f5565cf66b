/* Hosts: clocks, timers, running the actors, crashing and starting processes. */
#include "tests/sim/host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "tests/sim/disk.h"
#include "tests/sim/living.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/workload.h"

#define DEFERRAL_US    20000
#define RESTART_MIN_US 20000
#define STOP_MAX_US    (10 * SECOND_US) /* then it is killed */

/* ---- clock ---- */

uint64_t
host_now_us(struct host *host)
{
	uint64_t passed_us = host->world->now_us - host->local_since_us;
	int64_t drift_us = (int64_t)passed_us * host->rate_ppm / 1000000;

	return (uint64_t)((int64_t)(host->local_base_us + passed_us) + drift_us);
}

void
host_set_rate(struct host *host, int64_t rate_ppm)
{
	host->local_base_us = host_now_us(host);
	host->local_since_us = host->world->now_us;
	host->rate_ppm = rate_ppm;
}

static struct host *
host_of_clock(struct clock *clock)
{
	return (struct host *)((char *)clock - offsetof(struct host, clock));
}

static uint64_t
now_us(struct clock *clock)
{
	return host_now_us(host_of_clock(clock));
}

static uint64_t
wall_ms(struct clock *clock)
{
	struct host *host = host_of_clock(clock);

	return (uint64_t)(INT64_C(1700000000000) + host->wall_offset_ms +
	                  (int64_t)(host_now_us(host) / 1000));
}

static void
draw(struct clock *clock, void *bytes, size_t size)
{
	struct host *host = host_of_clock(clock);
	uint8_t *to = bytes;

	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(random_next(&host->random) >> 32);
}

static const struct clock_ops clock_ops = {now_us, wall_ms, draw};

/* ---- timers ---- */

struct sim_timer {
	struct timer base; /* first */
	struct host *host;
	uint64_t incarnation;
	void (*fire)(void *context);
	void *context;
	uint64_t setting;
	unsigned events;
	bool is_freed;
};

static void
timer_event_done(struct sim_timer *timer)
{
	if (--timer->events == 0 && timer->is_freed)
		free(timer);
}

static void
timer_fires(struct world *world, void *argument, uint64_t setting)
{
	struct sim_timer *timer = argument;
	struct host *host = timer->host;
	bool is_due = !timer->is_freed && setting == timer->setting && host->is_up &&
	              timer->incarnation == host->incarnation;

	if (is_due && host_is_paused(host)) {
		world_schedule(world, host_deferral_us(host), timer_fires, timer, setting);
		return;
	}
	if (is_due) {
		timer->fire(timer->context);
		host_wake(host);
	}
	timer_event_done(timer);
}

struct timer *
host_timer_new(struct transport *transport, void (*fire)(void *context), void *context)
{
	struct sim_timer *timer = check_calloc(1, sizeof *timer);

	timer->base.ops = transport->ops;
	timer->host = (struct host *)transport;
	timer->incarnation = timer->host->incarnation;
	timer->fire = fire;
	timer->context = context;
	return &timer->base;
}

void
host_timer_set(struct timer *base, unsigned delay_ms)
{
	struct sim_timer *timer = (struct sim_timer *)base;
	uint64_t delay_us = delay_ms * UINT64_C(1000);

	delay_us = (uint64_t)((int64_t)delay_us * 1000000 / (1000000 + timer->host->rate_ppm)) + 1;
	timer->events++;
	world_schedule(timer->host->world, delay_us, timer_fires, timer, ++timer->setting);
}

void
host_timer_free(struct timer *base)
{
	struct sim_timer *timer = (struct sim_timer *)base;

	timer->is_freed = true;
	timer->events++;
	timer_event_done(timer);
}

/* ---- running ---- */

bool
host_is_paused(struct host *host)
{
	return host->paused_until_us > host->world->now_us;
}

uint64_t
host_deferral_us(struct host *host)
{
	uint64_t left_us = host->paused_until_us - host->world->now_us;

	return left_us < DEFERRAL_US ? left_us : DEFERRAL_US;
}

static void finish_stop(struct host *host);
static void run_recorder(struct world *world, void *argument, uint64_t incarnation);
static void run_executor(struct world *world, void *argument, uint64_t incarnation);

static uint64_t
latency_us(struct host *host, uint64_t most_us, uint64_t until_us, uint64_t slow_us)
{
	struct world *world = host->world;
	uint64_t latency = random_below(&world->process_random, most_us + 1);

	if (world->now_us < until_us)
		latency += random_below(&world->process_random, slow_us + 1);
	return latency;
}

static void
wake_recorder(struct host *host)
{
	if (host->is_recorder_due)
		return;
	host->is_recorder_due = true;
	world_schedule(host->world,
	               latency_us(host, host->world->options.sync_us, host->slow_disk_until_us,
	                          host->slow_disk_us),
	               run_recorder, host, host->incarnation);
}

static void
wake_executor(struct host *host)
{
	if (host->is_executor_due)
		return;
	host->is_executor_due = true;
	world_schedule(host->world,
	               latency_us(host, host->world->options.apply_us, host->slow_executor_until_us,
	                          host->slow_executor_us),
	               run_executor, host, host->incarnation);
}

/* False: not now, or never again. */
static bool
may_run(struct world *world, struct host *host, uint64_t incarnation, event_function *again)
{
	if (!host->is_up || host->incarnation != incarnation)
		return false;
	if (host_is_paused(host)) {
		world_schedule(world, host_deferral_us(host), again, host, incarnation);
		return false;
	}
	world->running = host;
	return true;
}

static void
run_strand(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;

	if (!may_run(world, host, incarnation, run_strand))
		return;
	host->is_strand_due = false;
	if (!host->is_member) {
		if (living_is(host))
			living_run(host);
		else
			workload_run(host);
		world->running = NULL;
		return;
	}
	actor_run(host->member->actor);
	world->running = NULL;
	oracle_on_run(world->oracle, host);
	if (host->is_stopping && member_is_closed(host->member)) {
		finish_stop(host);
		return;
	}
	wake_recorder(host);
	wake_executor(host);
}

static void
run_recorder(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;

	if (!may_run(world, host, incarnation, run_recorder))
		return;
	host->is_recorder_due = false;
	if (recorder_run(host->member->recorder))
		host_wake(host);
	world->running = NULL;
}

static void
run_executor(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;

	if (!may_run(world, host, incarnation, run_executor))
		return;
	host->is_executor_due = false;
	if (executor_run(host->member->executor)) {
		host_wake(host);
		oracle_on_executor_run(world->oracle, host);
	}
	world->running = NULL;
}

void
host_wake(struct host *host)
{
	struct world *world = host->world;

	if (host->is_strand_due || !host->is_up)
		return;
	host->is_strand_due = true;
	world_schedule(world, random_below(&world->process_random, 30), run_strand, host,
	               host->incarnation);
}

void
host_pause(struct host *host, uint64_t us)
{
	host->paused_until_us = host->world->now_us + us;
}

/* ---- crashing ---- */

_Noreturn void
host_escape(struct host *host, enum escape_kind kind)
{
	CHECK(host->world->running == host);

	host->world->escape_kind = kind;
	siglongjmp(host->world->escape, 1);
}

/* What may be put back one day. */
static void
keep_image(struct host *host)
{
	struct world *world = host->world;

	if (!host->is_member || (world->options.f_database == 0 && world->options.f_restore == 0))
		return;
	if (random_below(&world->fault_random, 4) == 0)
		sim_disk_keep(host->disk);
}

void
host_crash(struct host *host, bool is_power)
{
	struct world *world = host->world;

	if (host->is_up) {
		network_crash(world->network, host, is_power);
		host->is_up = false;
	}
	if (host->disk)
		sim_disk_crash(host->disk, is_power);
	keep_image(host);
	host->is_powered = !is_power;
	host->incarnation++;
	host->member = NULL; /* abandoned: nothing of it may run any more */
	host->handle = NULL;
	host->is_strand_due = host->is_recorder_due = host->is_executor_due = false;
	host->is_stopping = false;
	host->paused_until_us = 0;
	if (living_is(host))
		living_on_crash(host);
	else if (!host->is_member)
		workload_on_crash(host);
	world->running = NULL;
}

static void
start_event(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;

	(void)world;
	if (!host->is_up && host->incarnation == incarnation && !host->is_quarantined)
		host_start(host);
}

static void
restart_in(struct host *host, uint64_t us)
{
	world_schedule(host->world, us, start_event, host, host->incarnation);
}

/* ---- stopping ---- */

static void
kill_if_stopping(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;

	if (!host->is_up || host->incarnation != incarnation)
		return;
	world->statistics.stops_killed++;
	world_trace(world, host, "killed: it does not stop");
	host_crash(host, false);
	restart_in(host, host->stopped_us);
}

void
host_stop(struct host *host, uint64_t us)
{
	if (!host->is_up || host->is_stopping || !host->member)
		return;
	host->world->statistics.stops++;
	world_trace(host->world, host, "is told to stop");
	host->is_stopping = true;
	host->stopped_us = us;
	member_begin_stop(host->member);
	host_wake(host);
	world_schedule(host->world, STOP_MAX_US, kill_if_stopping, host, host->incarnation);
}

/* The network is closed: what remains of member_stop(), and the end of the process. */
static void
finish_stop(struct host *host)
{
	struct world *world = host->world;

	world->running = host;
	member_stop(host->member);
	member_free(host->member);
	world->running = NULL;
	world->statistics.stops_finished++;
	world_trace(world, host, "has stopped");
	if (!sim_disk_is_closed(host->disk))
		world_fail(world, "stop", "%s has stopped and left files open", host->name);
	host_crash(host, false);
	restart_in(host, host->stopped_us);
}

/* ---- stopping by itself ---- */

static void
on_fatal(struct host *host)
{
	struct world *world = host->world;

	world->statistics.fatals++;
	log_write(LOG_LEVEL_ERROR, "stopped: %s", host->why);
	if (!host->has_disk_fault && !host->is_rotten)
		world_fail(world, "fatal", "%s stopped itself without a fault: %s", host->name,
		           host->why);
	host_crash(host, false);
	host->has_disk_fault = false;
	sim_disk_heal(host->disk);
	restart_in(host, RESTART_MIN_US + random_below(&world->process_random, SECOND_US));
}

void
host_on_escape(struct world *world)
{
	struct host *host = world->running;

	switch (world->escape_kind) {
	case ESCAPE_POWER:
		world->statistics.power_in_disk++;
		if (!host->member)
			world->statistics.start_crashed++;
		world_trace(world, host, "power lost in a disk operation");
		host_crash(host, true);
		restart_in(host,
		           RESTART_MIN_US + random_below(&world->process_random,
		                                         world->options.outage_ms * 2000 + 1));
		break;
	case ESCAPE_FATAL: on_fatal(host); break;
	default:
		world_fail(world, "check", "%s hit a CHECK or crashed", host ? host->name : "?");
		break;
	}
	world->running = NULL;
}

static void
fatal(void *context, int error, const char *why)
{
	struct host *host = context;

	snprintf(host->why, sizeof host->why, "%s (%s)", why, error_text(error));
	host_escape(host, ESCAPE_FATAL);
}

/* ---- starting ---- */

static void
fill_options(struct host *host, struct member_options *options)
{
	const struct options *drawn = &host->world->options;
	static char clients[MEMBERS_LIMIT][32];

	memset(options, 0, sizeof *options);
	options->disk = sim_disk_table(host->disk);
	options->transport = &host->transport;
	options->clock = &host->clock;
	options->vfs = sim_vfs_name(host);
	options->manual = true;
	options->fatal = fatal;
	options->context = host;
	options->name = host->name;
	options->data = host->directory;
	options->software = "sim";
	options->peer_count = (unsigned)drawn->members;
	for (unsigned i = 0; i < options->peer_count; i++) {
		snprintf(options->peers[i].name, sizeof options->peers[i].name, "m%u", i + 1);
		snprintf(options->peers[i].address, sizeof options->peers[i].address,
		         "10.0.0.%u:%u", i + 1, PEER_PORT);
	}
	snprintf(clients[host->index], sizeof clients[0], "10.0.0.%u:%u", host->index + 1,
	         CLIENT_PORT);
	options->clients = clients[host->index];
	options->heartbeat_ms = (unsigned)drawn->heartbeat_ms;
	options->election_timeout_min_ms = (unsigned)drawn->election_ms;
	options->election_timeout_max_ms = (unsigned)drawn->election_ms * 2;
	options->segment_bytes = drawn->segment_bytes;
	options->space_reserve = 128 << 10;
	options->window_entries = (unsigned)drawn->window;
	options->cache_entries = (unsigned)drawn->cache;
	options->in_flight_max = drawn->in_flight_bits ? 1u << drawn->in_flight_bits : 0;
	options->watch_output_max = drawn->watch_output;
	options->namespace.cache_nodes = (unsigned)drawn->cache_nodes;
	options->namespace.change_count_max = drawn->history_changes;
}

static void
damage_database(struct host *host)
{
	struct world *world = host->world;

	host->has_database_fault = false;
	if (!sim_disk_rot_database(host->disk, &world->fault_random))
		return;
	world->statistics.databases_damaged++;
	world_trace(world, host, "its database is damaged");
	host->is_database_bad = true;
}

/* The operator does as the message says. */
static void
rebuild_database(struct host *host)
{
	struct world *world = host->world;

	host->is_database_bad = false;
	world->statistics.databases_rebuilt++;
	world_trace(world, host, "the operator removes the database");
	host_crash(host, false);
	sim_disk_remove_database(host->disk);
	restart_in(host, SECOND_US);
}

static void
on_refused_start(struct host *host, int error, const char *why)
{
	struct world *world = host->world;

	world->statistics.start_refused++;
	world_trace(world, host, "does not start: %s: %s", error_text(error), why);
	snprintf(host->why, sizeof host->why, "%s", why);
	if (host->is_database_bad && strstr(why, "move it and its -wal away")) {
		rebuild_database(host);
		return;
	}
	if (host->is_rotten) {
		world->statistics.rots_quarantined++;
		host->is_quarantined = true;
		host_crash(host, false);
		return;
	}
	if (!host->has_disk_fault)
		world_fail(world, "start", "%s does not start, though its disk is whole: %s: %s",
		           host->name, error_text(error), why);
	host_crash(host, false);
	host->has_disk_fault = false;
	sim_disk_heal(host->disk);
	restart_in(host, SECOND_US);
}

static void
start_member(struct host *host)
{
	struct world *world = host->world;
	struct member_options options;
	char why[MEMBER_WHY_SIZE] = "";
	int error;

	if (host->has_database_fault)
		damage_database(host);
	fill_options(host, &options);
	world->statistics.starts++;
	if (host->was_started)
		world->statistics.recoveries++;
	host->was_started = true;
	world->running = host;
	error = member_new(&options, &host->member, why);
	world->running = NULL;
	if (error) {
		on_refused_start(host, error, why);
		return;
	}
	world_trace(world, host,
	            "started: promised=%lu.%lu accepted=%lu.%lu length=%lu applied=%lu",
	            (unsigned long)host->member->view.ballot.round,
	            (unsigned long)host->member->view.ballot.member,
	            (unsigned long)host->member->view.accepted.round,
	            (unsigned long)host->member->view.accepted.member,
	            (unsigned long)host->member->view.length, (unsigned long)host->member->applied);
	oracle_on_start(world->oracle, host);
}

void
host_start(struct host *host)
{
	host->incarnation++;
	host->is_up = true;
	host->is_powered = true;
	host->is_strand_due = host->is_recorder_due = host->is_executor_due = false;
	/* The monotonic clock begins anew with every boot. */
	host->local_base_us = SECOND_US + random_below(&host->world->process_random, SECOND_US);
	host->local_since_us = host->world->now_us;
	if (host->is_member)
		start_member(host);
	else if (living_is(host))
		living_start(host);
	else
		workload_start(host);
	host_wake(host);
	if (host->is_member && host->is_up) {
		wake_recorder(host);
		wake_executor(host);
	}
}

struct host *
host_new(struct world *world, unsigned index, bool is_member)
{
	struct host *host = check_calloc(1, sizeof *host);

	host->transport.ops = &network_transport_ops;
	host->clock.ops = &clock_ops;
	host->world = world;
	host->index = index;
	host->is_member = is_member;
	host->random = random_for(world->seed, 1000 + index);
	if (is_member)
		snprintf(host->name, sizeof host->name, "m%u", index + 1);
	else if (living_is(host))
		snprintf(host->name, sizeof host->name, "l%u",
		         index - MEMBERS_LIMIT - CLIENTS_LIMIT + 1);
	else
		snprintf(host->name, sizeof host->name, "c%u", index - MEMBERS_LIMIT + 1);
	snprintf(host->directory, sizeof host->directory, "/%s", host->name);
	if (is_member)
		host->disk = sim_disk_new(host, random_next(&world->disk_random));
	return host;
}

void
host_free(struct host *host)
{
	if (!host)
		return;
	if (host->is_up)
		host_crash(host, false);
	if (host->disk)
		sim_disk_free(host->disk);
	free(host);
}
