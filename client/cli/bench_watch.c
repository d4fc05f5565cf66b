/*
 * bench watch: how soon the last of many watchers is told.
 *
 * --connections handles watch --nodes nodes, each one of them.  In each round every
 * node is written once, all at a time; the round's time is from the first write
 * until the last watcher has been told.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/bench_fleet.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"

#define ROUNDS_DEFAULT 20
#define ROUNDS_MAX     100000
#define TOLD_MS        60000

struct watch_bench {
	struct cli *cli;
	const char *prefix;
	size_t watchers;
	size_t nodes;
	size_t rounds;
	struct fleet fleet;
	struct synod_watch **watches;
	char **paths;
	struct countdown told;
	uint64_t *times_ns;
};

static void
on_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct watch_bench *bench = context;

	(void)watch;
	if (event->kind == SYNOD_EVENT_END)
		countdown_tick(&bench->told, event->error);
	else if (event->kind == SYNOD_EVENT_STATE || event->kind == SYNOD_EVENT_CHANGES)
		countdown_tick(&bench->told, SYNOD_OK);
}

static int
fail(const struct watch_bench *bench, int error)
{
	return cli_fail(bench->cli, bench->prefix, error, NULL);
}

static int
make_nodes(struct watch_bench *bench)
{
	struct synod_write_options options = {.make_parents = true};

	bench->paths = must_calloc(bench->nodes, sizeof *bench->paths);
	for (size_t i = 0; i < bench->nodes; i++) {
		int error;

		bench->paths[i] = must_format("%s/watched/%zu", bench->prefix, i);
		error = synod_put(bench->cli->synod, bench->paths[i], "0", 1, &options, NULL);
		if (error)
			return fail(bench, error);
	}
	return 0;
}

/* Every watcher has the present state before the first round. */
static int
open_watches(struct watch_bench *bench)
{
	struct synod_watch_options options = {
		.initial = true,
		.with_data = true,
		.on_event = on_event,
		.context = bench,
	};
	int code = fleet_open(&bench->fleet, bench->cli, bench->watchers);
	int error;

	bench->watches = must_calloc(bench->watchers, sizeof(struct synod_watch *));
	countdown_set(&bench->told, bench->watchers);
	for (size_t i = 0; i < bench->watchers && code == 0; i++) {
		error = synod_watch_open(bench->fleet.handles[i], bench->paths[i % bench->nodes],
		                         &options, &bench->watches[i]);
		if (error)
			code = fail(bench, error);
	}
	if (code)
		return code;
	error = countdown_wait(&bench->told, TOLD_MS);
	return error ? fail(bench, error) : 0;
}

static void
on_written(void *context, const struct synod_result *result)
{
	struct watch_bench *bench = context;

	if (result->error)
		countdown_tick(&bench->told, result->error);
}

static int
run_round(struct watch_bench *bench, size_t round)
{
	struct synod_write_options options = {.call = {on_written, bench, 0}};
	uint64_t start_ns;
	int error = SYNOD_OK;

	/* With more watchers than nodes all are told; with fewer, those that watch a node. */
	countdown_set(&bench->told, bench->watchers);
	start_ns = monotonic_ns();
	for (size_t i = 0; i < bench->nodes && error == SYNOD_OK; i++)
		error = synod_set(bench->cli->synod, bench->paths[i], &round, sizeof round,
		                  &options, NULL);
	if (error == SYNOD_OK)
		error = countdown_wait(&bench->told, TOLD_MS);
	bench->times_ns[round] = monotonic_ns() - start_ns;
	return error ? fail(bench, error) : 0;
}

static void
report(const struct watch_bench *bench)
{
	struct times times = times_of(bench->times_ns, bench->rounds);

	if (bench->cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "kind", "watch");
		json_add_number(json, "watchers", bench->watchers);
		json_add_number(json, "nodes", bench->nodes);
		json_add_number(json, "rounds", bench->rounds);
		json_add_real(json, "last_told_ms_median", times.median_ms);
		json_add_real(json, "last_told_ms_max", times.max_ms);
		json_print(json);
		return;
	}
	printf("%zu watchers of %zu nodes, %zu rounds: the last is told after %.2f ms (median), "
	       "%.2f ms (max)\n",
	       bench->watchers, bench->nodes, bench->rounds, times.median_ms, times.max_ms);
}

static void
finish(struct watch_bench *bench)
{
	for (size_t i = 0; bench->watches && i < bench->watchers; i++)
		synod_watch_close(bench->watches[i]);
	fleet_close(&bench->fleet);
	for (size_t i = 0; bench->paths && i < bench->nodes; i++)
		free(bench->paths[i]);
	free(bench->watches);
	free(bench->paths);
	free(bench->times_ns);
	countdown_fini(&bench->told);
}

int
bench_watch(struct cli *cli)
{
	struct watch_bench bench = {
		.cli = cli,
		.watchers = bench_number(cli, OPTION_CONNECTIONS, 1000),
		.nodes = bench_number(cli, OPTION_NODES, 1),
		.rounds = bench_number(cli, OPTION_ROUNDS, ROUNDS_DEFAULT),
	};
	int code = bench_prefix(cli, &bench.prefix);

	if (code == 0 && (bench.nodes == 0 || bench.nodes > bench.watchers))
		code = cli_usage(cli, "--nodes is 1 to --connections here");
	if (code == 0 && (bench.rounds == 0 || bench.rounds > ROUNDS_MAX))
		code = cli_usage(cli, "--rounds is 1 to %d", ROUNDS_MAX);
	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	countdown_init(&bench.told);
	bench.times_ns = must_calloc(bench.rounds, sizeof *bench.times_ns);
	code = make_nodes(&bench);
	if (code == 0)
		code = open_watches(&bench);
	for (size_t round = 0; round < bench.rounds && code == 0; round++)
		code = run_round(&bench, round);
	if (code == 0)
		report(&bench);
	finish(&bench);
	return code;
}
