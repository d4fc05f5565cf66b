/*
 * bench sessions and ephemeral: how soon many sessions are opened and closed, and
 * how soon what they own comes and goes.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/bench_fleet.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"

#define ROUNDS_DEFAULT 5

static double
ms_since(uint64_t start_ns)
{
	return (double)(monotonic_ns() - start_ns) / 1e6;
}

/* ---- sessions ---- */

struct session_times {
	uint64_t *open_ns;
	uint64_t *close_ns;
};

static int
sessions_round(struct cli *cli, size_t count, size_t round, struct session_times *times)
{
	struct fleet fleet;
	uint64_t start_ns = monotonic_ns();
	int code = fleet_open(&fleet, cli, count);
	int error;

	if (code == 0) {
		error = fleet_open_sessions(&fleet);
		code = error ? cli_fail(cli, "opening sessions", error, NULL) : 0;
	}
	times->open_ns[round] = monotonic_ns() - start_ns;
	if (code == 0 && cli->options.given[OPTION_SECONDS])
		monotonic_sleep_ms((unsigned)cli->options.number[OPTION_SECONDS]);
	start_ns = monotonic_ns();
	fleet_close(&fleet);
	times->close_ns[round] = monotonic_ns() - start_ns;
	return code;
}

static void
sessions_report(const struct cli *cli, size_t count, size_t rounds, struct session_times *all)
{
	struct times opened = times_of(all->open_ns, rounds);
	struct times closed = times_of(all->close_ns, rounds);

	if (cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "kind", "sessions");
		json_add_number(json, "sessions", count);
		json_add_number(json, "rounds", rounds);
		json_add_real(json, "opened_ms_median", opened.median_ms);
		json_add_real(json, "opened_ms_max", opened.max_ms);
		json_add_real(json, "closed_ms_median", closed.median_ms);
		json_add_real(json, "closed_ms_max", closed.max_ms);
		json_print(json);
		return;
	}
	printf("%zu sessions, %zu rounds: opened in %.1f ms (median; max %.1f), closed in %.1f ms "
	       "(max %.1f)\n",
	       count, rounds, opened.median_ms, opened.max_ms, closed.median_ms, closed.max_ms);
}

int
bench_sessions(struct cli *cli)
{
	size_t count = bench_number(cli, OPTION_CONNECTIONS, 1000);
	size_t rounds = bench_number(cli, OPTION_ROUNDS, ROUNDS_DEFAULT);
	struct session_times times;
	int code = 0;

	if (rounds == 0 || rounds > 1000)
		return cli_usage(cli, "--rounds is 1 to 1000");
	times.open_ns = must_calloc(rounds, sizeof *times.open_ns);
	times.close_ns = must_calloc(rounds, sizeof *times.close_ns);
	for (size_t round = 0; round < rounds && code == 0; round++)
		code = sessions_round(cli, count, round, &times);
	if (code == 0)
		sessions_report(cli, count, rounds, &times);
	free(times.open_ns);
	free(times.close_ns);
	return code;
}

/* ---- ephemeral ---- */

struct ephemeral_bench {
	struct cli *cli;
	const char *prefix;
	char *parent;
	size_t sessions;
	size_t nodes; /* in all */
	struct fleet fleet;
	struct countdown made;
};

static void
on_made(void *context, const struct synod_result *result)
{
	countdown_tick(context, result->error);
}

static int
make_ephemerals(struct ephemeral_bench *bench)
{
	struct synod_write_options options = {
		.call = {on_made, &bench->made, 0},
		.kind = SYNOD_EPHEMERAL,
	};
	int error = SYNOD_OK;

	countdown_set(&bench->made, bench->nodes);
	for (size_t i = 0; i < bench->nodes; i++) {
		char *path = must_format("%s/%zu", bench->parent, i);

		error = synod_put(bench->fleet.handles[i % bench->sessions], path, "x", 1, &options,
		                  NULL);
		free(path);
		if (error)
			countdown_tick(&bench->made, error);
	}
	error = countdown_finish(&bench->made);
	return error ? cli_fail(bench->cli, bench->parent, error, NULL) : 0;
}

/* After the sessions were closed nothing may be left. */
static int
check_gone(struct ephemeral_bench *bench)
{
	struct synod_result *result = NULL;
	int error = synod_stat(bench->cli->synod, bench->parent, NULL, &result);
	int code = 0;

	if (error)
		code = cli_fail(bench->cli, bench->parent, error, result);
	else if (result->node.stat.children > 0) {
		cli_warn(bench->parent, "%" PRIu64 " ephemeral nodes outlived their sessions",
		         result->node.stat.children);
		code = EXIT_ERROR;
	}
	synod_result_free(result);
	return code;
}

static int
ephemeral_run(struct ephemeral_bench *bench)
{
	struct synod_write_options parents = {.make_parents = true};
	uint64_t start_ns;
	double made_ms, gone_ms;
	int code = 0;
	int error = synod_put(bench->cli->synod, bench->parent, NULL, 0, &parents, NULL);

	if (error)
		return cli_fail(bench->cli, bench->parent, error, NULL);
	code = fleet_open(&bench->fleet, bench->cli, bench->sessions);
	if (code == 0 && (error = fleet_open_sessions(&bench->fleet)) != SYNOD_OK)
		code = cli_fail(bench->cli, "opening sessions", error, NULL);
	start_ns = monotonic_ns();
	if (code == 0)
		code = make_ephemerals(bench);
	made_ms = ms_since(start_ns);
	start_ns = monotonic_ns();
	fleet_close(&bench->fleet);
	if (code == 0)
		code = check_gone(bench);
	gone_ms = ms_since(start_ns);
	if (code)
		return code;
	if (bench->cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "kind", "ephemeral");
		json_add_number(json, "sessions", bench->sessions);
		json_add_number(json, "nodes", bench->nodes);
		json_add_real(json, "made_ms", made_ms);
		json_add_real(json, "gone_ms", gone_ms);
		json_print(json);
	} else {
		printf("%zu ephemeral nodes of %zu sessions: made in %.1f ms, gone %.1f ms after "
		       "closing began\n",
		       bench->nodes, bench->sessions, made_ms, gone_ms);
	}
	return 0;
}

int
bench_ephemeral(struct cli *cli)
{
	struct ephemeral_bench bench = {
		.cli = cli,
		.sessions = bench_number(cli, OPTION_CONNECTIONS, 100),
		.nodes = bench_number(cli, OPTION_NODES, 1000),
	};
	int code = bench_prefix(cli, &bench.prefix);

	if (code == 0 && (bench.nodes == 0 || bench.nodes > 1000000))
		code = cli_usage(cli, "--nodes is 1 to 1000000 here");
	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	bench.parent = must_format("%s/ephemeral", bench.prefix);
	countdown_init(&bench.made);
	code = ephemeral_run(&bench);
	countdown_fini(&bench.made);
	free(bench.parent);
	return code;
}
