/* One seed, from the first start to the last check. */
#include "tests/sim/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/host.h"
#include "tests/sim/living.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/workload.h"

/* Once everything works again, this much has to be enough. */
/* Members look at their free space every now and then; a sync that hung may still hang. */
#define SETTLE_US(world) (2 * SECOND_US + (world)->options.outage_ms * 2500)
#define DRAIN_US         (120 * SECOND_US)
#define PROGRESS_US      (60 * SECOND_US)
#define CONVERGE_US      (60 * SECOND_US)

static struct world *running;

struct world *
run_world(void)
{
	return running;
}

/* ---- signals: CHECK aborts, and the process that did is the culprit ---- */

static void
on_signal(int number)
{
	(void)number;
	if (!running || running->is_over)
		_exit(3);
	running->escape_kind = ESCAPE_ABORT;
	siglongjmp(running->escape, 1);
}

static void
catch_signals(void)
{
	static const int numbers[] = {SIGABRT, SIGSEGV, SIGFPE, SIGBUS};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};

	for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaction(numbers[i], &action, NULL);
}

/* ---- phases ---- */

enum phase {
	PHASE_FAULTS,
	PHASE_DRAIN,
	PHASE_WRITE,
	PHASE_READ,
	PHASE_CONVERGE,
	PHASE_DONE,
};

struct run {
	struct world world;
	enum phase phase;
	uint64_t since_us, until_us;
};

static void
enter(struct run *run, enum phase phase, uint64_t most_us)
{
	run->phase = phase;
	run->since_us = run->world.now_us;
	run->until_us = run->world.now_us + most_us;
}

static void
tell_members(struct world *world, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < world->options.members && used < size; i++) {
		const struct host *host = world->hosts[i];
		const struct member *member = host->member;

		used += (size_t)snprintf(
			text + used, size - used, " m%u %s%s%s", i + 1, host->is_up ? "up" : "down",
			host->is_wiped ? " wiped" : "", host->is_quarantined ? " quarantined" : "");
		if (member && used < size)
			used += (size_t)snprintf(
				text + used, size - used,
				" role=%d ballot=%lu.%lu chosen=%lu applied=%lu length=%lu",
				member->view.role, (unsigned long)member->view.ballot.round,
				(unsigned long)member->view.ballot.member,
				(unsigned long)member->view.chosen,
				(unsigned long)member->view.applied,
				(unsigned long)member->view.length);
	}
}

static void
stuck(struct run *run, const char *what)
{
	char text[1024];

	tell_members(&run->world, text, sizeof text);
	world_fail(&run->world, "progress", "%s within the bound;%s", what, text);
}

static void
check_writes(struct world *world)
{
	const struct history *history = world->history;

	for (size_t i = history->count - WORKLOAD_LAST_WRITES; i < history->count; i++) {
		const struct record *record = history->records[i];

		if (record->outcome != OUTCOME_DONE || record->error != SYNOD_OK)
			world_fail(world, "progress", "a write at the end, with everything up: %s",
			           error_name(record->error));
	}
}

/* What is to be done next; false when the seed is through. */
static bool
advance(struct run *run)
{
	struct world *world = &run->world;
	bool is_late = world->now_us > run->until_us;
	const char *why = NULL;

	if (is_late && world->options.beyond > 0 && run->phase != PHASE_FAULTS) {
		world->statistics.quorums_lost++;
		return false;
	}
	switch (run->phase) {
	case PHASE_FAULTS:
		if (!is_late && !workload_is_done(world->workload))
			return true;
		workload_stop(world->workload);
		living_stop(world->living);
		faults_end(world);
		enter(run, PHASE_DRAIN, DRAIN_US);
		return true;
	case PHASE_DRAIN:
		if (workload_is_done(world->workload) && living_is_idle(world->living) &&
		    world->now_us >= run->since_us + SETTLE_US(world)) {
			workload_ask_write(world);
			enter(run, PHASE_WRITE, PROGRESS_US);
		} else if (is_late) {
			stuck(run, "not every call has ended");
		}
		return true;
	case PHASE_WRITE:
		if (workload_is_answered(world)) {
			check_writes(world);
			workload_ask_reads(world);
			enter(run, PHASE_READ, PROGRESS_US);
		} else if (is_late) {
			stuck(run, "no write was answered");
		}
		return true;
	case PHASE_READ:
		if (workload_is_answered(world))
			enter(run, PHASE_CONVERGE, CONVERGE_US);
		else if (is_late)
			stuck(run, "no read was answered");
		return true;
	case PHASE_CONVERGE:
		if (living_has_settled(world->living, &why) && check_state_is_equal(world))
			return false;
		if (is_late)
			stuck(run, why ? why : "the members did not converge");
		return true;
	default: return false;
	}
}

/* ---- the world's beginning and end ---- */

static void
start_event(struct world *world, void *argument, uint64_t number)
{
	(void)world;
	(void)number;
	host_start(argument);
}

static void
begin_faults(struct world *world, void *argument, uint64_t number)
{
	(void)argument;
	(void)number;
	faults_begin(world);
}

static void
populate(struct world *world)
{
	world->network = network_new(world);
	world->oracle = oracle_new(world);
	world->history = history_new();
	world->workload = workload_new(world);
	world->host_count = HOSTS_LIMIT;
	world->living = living_new(world);
	for (unsigned i = 0; i < HOSTS_LIMIT; i++) {
		world->hosts[i] = host_new(world, i, i < MEMBERS_LIMIT);
		if (world_uses(world, i))
			world_schedule(world, random_below(&world->process_random, 100000),
			               start_event, world->hosts[i], 0);
	}
	world_schedule(world, random_below(&world->fault_random, 2 * SECOND_US), begin_faults, NULL,
	               0);
}

static void
empty(struct world *world)
{
	for (unsigned i = 0; i < HOSTS_LIMIT; i++)
		host_free(world->hosts[i]);
	living_free(world->living);
	history_free(world->history);
	workload_free(world->workload);
	oracle_free(world->oracle);
	network_free(world->network);
	world_fini(world);
}

static void
go(struct run *run)
{
	struct world *world = &run->world;

	if (sigsetjmp(world->escape, 0) != 0)
		host_on_escape(world);
	while (world_step(world))
		if ((world->statistics.events & 15) == 0 && !advance(run))
			break;
}

static void
tell(struct world *world)
{
	printf("\nseed %lu: broken promise: %s\n  %s\n", (unsigned long)world->seed, world->checker,
	       world->failure);
	for (unsigned i = 0; i < world->options.members; i++) {
		unsigned count = world->line_counts[i];
		unsigned kept = count < HISTORY_LINES ? count : HISTORY_LINES;

		printf("--- last of m%u:\n", i + 1);
		for (unsigned k = count - kept; k < count; k++)
			printf("%s\n", world->lines[i][k % HISTORY_LINES]);
	}
	printf("options: ");
	options_print(&world->options, stdout);
	printf("\nseed %lu: %s: %s\n", (unsigned long)world->seed, world->checker, world->failure);
	fflush(stdout);
}

void
run_seed(uint64_t seed, const struct options *options, bool is_tracing, bool report,
         struct run_result *result)
{
	struct run *run = check_calloc(1, sizeof *run);
	struct world *world = &run->world;

	catch_signals();
	world_init(world, seed, options);
	world->is_tracing = is_tracing;
	running = world;
	sim_vfs_use(world);
	populate(world);
	enter(run, PHASE_FAULTS, options->duration_ms * 1000);
	go(run);
	world->is_over = true;
	if (!world->has_failed)
		oracle_at_end(world->oracle);
	if (!world->has_failed && !world->has_forgotten)
		check_history(world);
	if (!world->has_failed && world->options.living > 0)
		living_check(world->living);
	if (!world->has_failed && !world->has_forgotten && seed % 16 == 0)
		check_search(world);
	if (world->has_failed && report)
		tell(world);
	memset(result, 0, sizeof *result);
	result->has_failed = world->has_failed;
	memcpy(result->checker, world->checker, sizeof result->checker);
	memcpy(result->failure, world->failure, sizeof result->failure);
	result->trace_hash = world->trace_hash;
	result->virtual_us = world->now_us;
	result->statistics = world->statistics;
	empty(world);
	running = NULL;
	free(run);
}
