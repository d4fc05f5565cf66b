/*
 * bench write, read and mixed: a closed loop.
 *
 * Exactly `outstanding` calls are in flight, spread over `connections` handles.
 * Each is a slot; the callback of a slot's call records its time and makes the
 * slot's next call, so that no thread of ours is woken in between.  All paths and
 * the value are made beforehand: the generator shares its processors with the
 * members that it measures.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench.h"
#include "client/cli/histogram.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"
#include "client/cli/pipeline.h"
#include "client/cli/units.h"
#include "shared/error.h"

#define ERRORS_MAX     256
#define CONNECTION_MAX 1024 /* calls in flight that one session may have */
#define PRELOAD_CALLS  256
#define SIZE_MAX_BYTES (1u << 20)

struct load {
	const struct cli *cli;
	const char *kind;
	const char *prefix;
	uint64_t outstanding;
	uint64_t connections;
	uint64_t size_bytes;
	uint64_t nodes;
	uint64_t seconds_ms;
	uint64_t warmup_ms;
	struct synod_read_options read;
	unsigned write_share; /* in 256ths of all calls */
	char *value;
	char **paths;
	uint64_t measure_start_ns;
	uint64_t measure_end_ns;
	struct pipeline running; /* counts the slots that still make calls */
	struct connection *connection;
	_Atomic int refused; /* the first error of a call that was refused at once */
};

/* What the callbacks of one handle touch.  They are never run two at a time, so a cache line
 * boundary between connections is all the separation needed. */
struct connection {
	_Alignas(64) struct load *load;
	struct synod *synod;
	struct histogram histogram;
	uint64_t errors[ERRORS_MAX];
	struct slot *slots;
	size_t slot_count;
};

struct slot {
	struct connection *connection;
	uint64_t start_ns;
	uint64_t random;
	struct synod_write_options write;
	struct synod_read_options read;
};

static void slot_done(void *context, const struct synod_result *result);

/* The slot makes no more calls. */
static void
slot_end(struct slot *slot, int error)
{
	struct load *load = slot->connection->load;
	int none = SYNOD_OK;

	if (error)
		atomic_compare_exchange_strong(&load->refused, &none, error);
	pipeline_leave(&load->running, 0);
}

/* Make the slot's next call. */
static void
slot_call(struct slot *slot, uint64_t now_ns)
{
	struct connection *connection = slot->connection;
	struct load *load = connection->load;
	uint64_t random = bench_random(&slot->random);
	const char *path = load->paths[(random >> 16) % load->nodes];
	int error;

	slot->start_ns = now_ns;
	if ((random & 255) < load->write_share)
		error = synod_set(connection->synod, path, load->value, load->size_bytes,
		                  &slot->write, NULL);
	else
		error = synod_get(connection->synod, path, &slot->read, NULL);
	if (error)
		slot_end(slot, error); /* refused at once: no callback comes */
}

/* An error that every further call would get as well. */
static bool
is_final(int error)
{
	return error == SYNOD_CLOSED || error == SYNOD_NO_MEMORY;
}

static void
slot_done(void *context, const struct synod_result *result)
{
	struct slot *slot = context;
	struct connection *connection = slot->connection;
	struct load *load = connection->load;
	uint64_t now_ns = monotonic_ns();

	if (now_ns >= load->measure_start_ns && now_ns < load->measure_end_ns) {
		if (result->error == SYNOD_OK)
			histogram_record(&connection->histogram, now_ns - slot->start_ns);
		else
			connection->errors[(unsigned)result->error % ERRORS_MAX]++;
	}
	if (now_ns >= load->measure_end_ns)
		slot_end(slot, SYNOD_OK);
	else if (is_final(result->error))
		slot_end(slot, result->error);
	else
		slot_call(slot, now_ns);
}

/* ---- preparation ---- */

static int
load_configure(struct load *load, const char *kind)
{
	const struct cli *cli = load->cli;
	int code = bench_prefix(cli, &load->prefix);

	load->kind = kind;
	load->outstanding = bench_number(cli, OPTION_OUTSTANDING, 64);
	load->connections = bench_number(cli, OPTION_CONNECTIONS, 8);
	load->size_bytes = bench_number(cli, OPTION_SIZE, 256);
	load->nodes = bench_number(cli, OPTION_NODES, 1000);
	load->seconds_ms = bench_number(cli, OPTION_SECONDS, 10000);
	load->warmup_ms = bench_number(cli, OPTION_WARMUP, 1000);
	load->write_share = strcmp(kind, "write") == 0 ? 256 : strcmp(kind, "mixed") == 0 ? 128 : 0;
	if (code == 0)
		code = cli_read_options(cli, &load->read);
	if (code)
		return code;
	if (load->outstanding == 0 || load->connections == 0 || load->nodes == 0)
		return cli_usage(cli, "--outstanding, --connections and --nodes are at least 1");
	/* A connection without a call would measure nothing. */
	if (load->connections > load->outstanding && !cli->options.given[OPTION_CONNECTIONS])
		load->connections = load->outstanding;
	if (load->connections > load->outstanding)
		return cli_usage(cli, "--connections is at most --outstanding");
	if (load->outstanding > load->connections * CONNECTION_MAX)
		return cli_usage(cli, "--outstanding is at most %d for each connection",
		                 CONNECTION_MAX);
	if (load->nodes > 10000000)
		return cli_usage(cli, "--nodes is at most 10,000,000");
	if (load->size_bytes > SIZE_MAX_BYTES)
		return cli_usage(cli, "--size is at most 1M");
	if (load->seconds_ms == 0)
		return cli_usage(cli, "--seconds must be more than 0");
	return 0;
}

static void
load_make_input(struct load *load)
{
	load->value = must_calloc(1, load->size_bytes + 1);
	for (uint64_t i = 0; i < load->size_bytes; i++)
		load->value[i] = (char)('a' + i % 26);
	load->paths = must_calloc(load->nodes, sizeof *load->paths);
	for (uint64_t i = 0; i < load->nodes; i++)
		load->paths[i] = must_format("%s/%06" PRIu64, load->prefix, i);
}

static int
load_open(struct load *load)
{
	struct synod_options options = cli_synod_options(load->cli);

	load->connection = must(aligned_alloc(64, load->connections * sizeof *load->connection));
	memset(load->connection, 0, load->connections * sizeof *load->connection);
	for (uint64_t i = 0; i < load->connections; i++) {
		struct connection *connection = &load->connection[i];
		int error = synod_open(&options, &connection->synod);

		if (error)
			return cli_fail(load->cli, cli_endpoints(load->cli), error, NULL);
		connection->load = load;
		connection->slot_count = load->outstanding / load->connections +
		                         (i < load->outstanding % load->connections);
		connection->slots = must_calloc(connection->slot_count, sizeof(struct slot));
	}
	return 0;
}

/* Puts and gets made before measuring: the first error is what the user must hear of. */
struct preload {
	struct pipeline pipeline;
	_Atomic int error;
};

static void
preload_done(void *context, const struct synod_result *result)
{
	struct preload *preload = context;
	int none = SYNOD_OK;

	if (result->error)
		atomic_compare_exchange_strong(&preload->error, &none, result->error);
	pipeline_leave(&preload->pipeline, 0);
}

/* Create or replace every node. */
static int
load_create_nodes(struct load *load)
{
	struct preload preload = {.error = SYNOD_OK};
	struct synod_write_options options = {
		.call = {.done = preload_done, .context = &preload},
		.make_parents = true,
	};
	int error;

	pipeline_init(&preload.pipeline, PRELOAD_CALLS, SIZE_MAX);
	for (uint64_t i = 0; i < load->nodes && preload.error == SYNOD_OK; i++) {
		struct synod *synod = load->connection[i % load->connections].synod;

		pipeline_enter(&preload.pipeline, 0);
		error = synod_put(synod, load->paths[i], load->value, load->size_bytes, &options,
		                  NULL);
		if (error)
			preload_done(&preload, &(struct synod_result){.error = error});
	}
	pipeline_drain(&preload.pipeline);
	pipeline_fini(&preload.pipeline);
	error = preload.error;
	return error ? cli_fail(load->cli, load->prefix, error, NULL) : 0;
}

/* ---- the run ---- */

static void
slot_start(struct slot *slot, struct connection *connection, uint64_t number)
{
	struct load *load = connection->load;

	slot->connection = connection;
	slot->random = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	slot->read = load->read;
	slot->write.call = (struct synod_call){.done = slot_done, .context = slot};
	slot->read.call = slot->write.call;
	pipeline_enter(&load->running, 0);
	slot_call(slot, monotonic_ns());
}

static void
load_run(struct load *load)
{
	uint64_t number = 0;

	pipeline_init(&load->running, SIZE_MAX, SIZE_MAX);
	load->measure_start_ns = monotonic_ns() + load->warmup_ms * NANOSECONDS_PER_MS;
	load->measure_end_ns = load->measure_start_ns + load->seconds_ms * NANOSECONDS_PER_MS;
	for (uint64_t i = 0; i < load->connections; i++) {
		struct connection *connection = &load->connection[i];

		for (size_t j = 0; j < connection->slot_count; j++)
			slot_start(&connection->slots[j], connection, number++);
	}
	pipeline_drain(&load->running);
	pipeline_fini(&load->running);
}

/* ---- the report ---- */

struct report {
	struct histogram histogram;
	uint64_t errors[ERRORS_MAX];
	uint64_t error_count;
};

static void
report_collect(struct report *report, const struct load *load)
{
	for (uint64_t i = 0; i < load->connections; i++) {
		const struct connection *connection = &load->connection[i];

		histogram_merge(&report->histogram, &connection->histogram);
		for (int error = 0; error < ERRORS_MAX; error++) {
			report->errors[error] += connection->errors[error];
			report->error_count += connection->errors[error];
		}
	}
}

static uint64_t
quantile_us(const struct report *report, double fraction)
{
	return (histogram_quantile(&report->histogram, fraction) + 500) / 1000;
}

static double
per_second(const struct load *load, const struct report *report)
{
	return (double)report->histogram.count * 1000 / (double)load->seconds_ms;
}

static void
report_print_json(const struct load *load, const struct report *report)
{
	cJSON *json = json_object();
	cJSON *by_code = json_object();

	json_add_text(json, "kind", load->kind);
	json_add_real(json, "ops_per_second", per_second(load, report));
	json_add_number(json, "p50_us", quantile_us(report, 0.5));
	json_add_number(json, "p90_us", quantile_us(report, 0.9));
	json_add_number(json, "p99_us", quantile_us(report, 0.99));
	json_add_number(json, "p999_us", quantile_us(report, 0.999));
	json_add_number(json, "max_us", quantile_us(report, 1));
	json_add_number(json, "operations", report->histogram.count);
	json_add_number(json, "errors", report->error_count);
	for (int error = 0; error < ERRORS_MAX; error++) {
		if (report->errors[error])
			json_add_number(by_code, error_name(error), report->errors[error]);
	}
	json_add(json, "errors_by_code", by_code);
	json_add_real(json, "seconds", (double)load->seconds_ms / 1000);
	json_add_number(json, "outstanding", load->outstanding);
	json_add_number(json, "connections", load->connections);
	json_add_number(json, "size_bytes", load->size_bytes);
	json_add_number(json, "nodes", load->nodes);
	json_add_text(json, "consistency",
	              load->read.consistency == SYNOD_LOCAL ? "local" : "linearizable");
	json_print(json);
}

static void
report_print(const struct load *load, const struct report *report)
{
	char text[5][UNIT_TEXT_SIZE];

	printf("%s: %s operations per second\n", load->kind,
	       format_count(text[0], (uint64_t)(per_second(load, report) + 0.5)));
	printf("latency in us: p50 %s  p90 %s  p99 %s  p99.9 %s  max %s\n",
	       format_count(text[0], quantile_us(report, 0.5)),
	       format_count(text[1], quantile_us(report, 0.9)),
	       format_count(text[2], quantile_us(report, 0.99)),
	       format_count(text[3], quantile_us(report, 0.999)),
	       format_count(text[4], quantile_us(report, 1)));
	printf("%s operations in %.1f s; outstanding %s, connections %s, size %s, nodes %s\n",
	       format_count(text[0], report->histogram.count), (double)load->seconds_ms / 1000,
	       format_count(text[1], load->outstanding), format_count(text[2], load->connections),
	       format_size(text[3], load->size_bytes), format_count(text[4], load->nodes));
	for (int error = 0; error < ERRORS_MAX; error++) {
		if (report->errors[error])
			printf("errors: %s %s\n", format_count(text[0], report->errors[error]),
			       error_name(error));
	}
}

static int
load_report(const struct load *load)
{
	struct report *report = must_calloc(1, sizeof *report);
	int code = 0;

	report_collect(report, load);
	if (load->cli->json)
		report_print_json(load, report);
	else
		report_print(load, report);
	if (report->histogram.count == 0) {
		cli_warn("bench", "not one operation succeeded (TIMEOUT)\n  see `synod status`");
		code = EXIT_ERROR;
	}
	if (load->refused)
		code = cli_fail(load->cli, "bench: calls were refused", load->refused, NULL);
	free(report);
	return code;
}

static void
load_close(struct load *load)
{
	for (uint64_t i = 0; load->connection && i < load->connections; i++) {
		synod_close(load->connection[i].synod);
		free(load->connection[i].slots);
	}
	free(load->connection);
	for (uint64_t i = 0; load->paths && i < load->nodes; i++)
		free(load->paths[i]);
	free(load->paths);
	free(load->value);
}

int
bench_load(struct cli *cli, const char *kind)
{
	struct load load = {.cli = cli};
	int code = load_configure(&load, kind);

	if (code)
		return code;
	load_make_input(&load);
	code = load_open(&load);
	if (code == 0)
		code = load_create_nodes(&load);
	if (code == 0) {
		load_run(&load);
		code = load_report(&load);
	}
	load_close(&load);
	return code;
}
