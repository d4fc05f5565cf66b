/*
 * bench lock: hand-offs of one lock among many contenders, each with a connection of
 * its own that acquires and releases without pause.
 *
 * Each holder checks that it is alone and that its token is larger than all before:
 * a bench that measured a broken lock would be worth nothing.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "client/cli/bench_fleet.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"

struct lock_bench {
	struct cli *cli;
	const char *prefix;
	char *path;
	struct fleet fleet;
	atomic_bool is_over;
	_Atomic unsigned holders;
	_Atomic uint64_t last_token;
	_Atomic uint64_t handoffs;
	_Atomic uint64_t violations;
	_Atomic int error;
	struct countdown ended;
};

struct contender {
	struct lock_bench *bench;
	struct synod *synod;
};

static void contend(struct contender *contender);

static void
on_acquired(void *context, struct synod_lock *lock, int error)
{
	struct contender *contender = context;
	struct lock_bench *bench = contender->bench;
	uint64_t token = synod_lock_token(lock);

	if (error) {
		synod_lock_release(lock, 0);
		countdown_tick(&bench->ended, error);
		return;
	}
	if (atomic_fetch_add(&bench->holders, 1) > 0 ||
	    atomic_exchange(&bench->last_token, token) >= token)
		atomic_fetch_add(&bench->violations, 1);
	atomic_fetch_add(&bench->handoffs, 1);
	atomic_fetch_sub(&bench->holders, 1);
	synod_lock_release(lock, 0);
	if (atomic_load(&bench->is_over))
		countdown_tick(&bench->ended, SYNOD_OK);
	else
		contend(contender);
}

static void
contend(struct contender *contender)
{
	struct synod_lock_options options = {.on_acquired = on_acquired, .context = contender};
	struct synod_lock *lock;
	int error = synod_lock_acquire(contender->synod, contender->bench->path, &options, &lock);

	if (error)
		countdown_tick(&contender->bench->ended, error);
}

static void
report(const struct lock_bench *bench, uint64_t handoffs, double seconds)
{
	if (bench->cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "kind", "lock");
		json_add_number(json, "contenders", bench->fleet.count);
		json_add_number(json, "handoffs", handoffs);
		json_add_real(json, "seconds", seconds);
		json_add_real(json, "handoffs_per_second", (double)handoffs / seconds);
		json_print(json);
		return;
	}
	printf("%zu contenders: %.0f hand-offs per second\n", bench->fleet.count,
	       (double)handoffs / seconds);
}

static int
run(struct lock_bench *bench, struct contender *contenders)
{
	uint64_t seconds_ms = bench_number(bench->cli, OPTION_SECONDS, 5000);
	uint64_t warmup_ms = bench_number(bench->cli, OPTION_WARMUP, 1000);
	uint64_t start_ns, before, handoffs;
	double seconds;
	int error = fleet_open_sessions(&bench->fleet);

	if (error)
		return cli_fail(bench->cli, "opening sessions", error, NULL);
	countdown_set(&bench->ended, bench->fleet.count);
	for (size_t i = 0; i < bench->fleet.count; i++)
		contend(&contenders[i]);
	monotonic_sleep_ms((unsigned)warmup_ms);
	before = atomic_load(&bench->handoffs);
	start_ns = monotonic_ns();
	monotonic_sleep_ms((unsigned)seconds_ms);
	handoffs = atomic_load(&bench->handoffs) - before;
	seconds = (double)(monotonic_ns() - start_ns) / 1e9;
	atomic_store(&bench->is_over, true);
	error = countdown_finish(&bench->ended);
	if (error)
		return cli_fail(bench->cli, bench->path, error, NULL);
	if (atomic_load(&bench->violations) > 0) {
		cli_warn(bench->path, "the lock was held twice, or a token did not grow");
		return EXIT_ERROR;
	}
	report(bench, handoffs, seconds);
	return 0;
}

int
bench_lock(struct cli *cli)
{
	struct lock_bench bench = {.cli = cli};
	size_t count = bench_number(cli, OPTION_CONNECTIONS, 16);
	struct contender *contenders;
	int code = bench_prefix(cli, &bench.prefix);

	if (code == 0)
		code = fleet_open(&bench.fleet, cli, count);
	if (code)
		return code;
	bench.path = must_format("%s/lock", bench.prefix);
	countdown_init(&bench.ended);
	contenders = must_calloc(count, sizeof *contenders);
	for (size_t i = 0; i < count; i++)
		contenders[i] = (struct contender){&bench, bench.fleet.handles[i]};
	code = run(&bench, contenders);
	fleet_close(&bench.fleet);
	countdown_fini(&bench.ended);
	free(contenders);
	free(bench.path);
	return code;
}
