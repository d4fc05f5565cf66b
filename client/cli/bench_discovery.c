/*
 * bench discovery: how soon an instance is picked, and how soon a resolver knows.
 *
 * A handle registers --nodes instances of one service, with plain writes that are
 * outstanding together.  Then come the picks, resolvers that start with all of them,
 * and changes.  Last, --rounds instances of another service are registered through
 * one member, each seen by a resolver that is connected to another one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/bench_discovery.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"
#include "client/discovery/record.h"

#define SERVICE           "synod-bench"
#define SERVICE_TOLD      "synod-bench-told"
#define FEW               100 /* instances of the first picks */
#define INSTANCES_DEFAULT 10000
#define INSTANCES_MAX     100000
#define ROUNDS_DEFAULT    300
#define ROUNDS_MAX        100000
#define STARTS            11
#define CHANGES           3000
#define PATIENCE_MS       60000

struct picks {
	size_t instances;
	double one_ns;  /* a thread */
	double many_ns; /* as many as processors */
};

struct discovery_bench {
	struct cli *cli;
	size_t instances;
	size_t rounds;
	unsigned threads;
	size_t registered;
	struct picks few;
	struct picks all;
	struct times starts;
	struct spread changes;
	struct spread told;
	bool is_one_member; /* there is no other */
};

static int
compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

struct spread
spread_of(uint64_t *ns, size_t count)
{
	if (count == 0)
		return (struct spread){0};
	qsort(ns, count, sizeof *ns, compare_times);
	return (struct spread){(double)ns[count / 2] / 1e6, (double)ns[count * 99 / 100] / 1e6};
}

static int
fail(const struct discovery_bench *bench, int error)
{
	return cli_fail(bench->cli, SERVICES_PATH "/" SERVICE, error, NULL);
}

/* ---- many instances ---- */

static void
on_put(void *context, const struct synod_result *result)
{
	countdown_tick(context, result->error);
}

static int
put_instance(struct discovery_bench *bench, size_t number, struct countdown *put)
{
	const struct synod_write_options options = {.call = {on_put, put, 0},
	                                            .kind = SYNOD_EPHEMERAL};
	char *id = bench_instance_id(number);
	char *path = must_format(SERVICES_PATH "/" SERVICE "/%s", id);
	char *record = bench_instance_record(number, RECORD_WEIGHT);
	int error;

	do {
		error = synod_put(bench->cli->synod, path, record, strlen(record), &options, NULL);
		if (error == SYNOD_BUSY)
			monotonic_sleep_ms(1);
	} while (error == SYNOD_BUSY);
	free(record);
	free(path);
	free(id);
	return error;
}

/* Until there are COUNT of them. */
static int
register_instances(struct discovery_bench *bench, size_t count)
{
	struct countdown put;
	int error;

	countdown_init(&put);
	countdown_set(&put, count - bench->registered);
	for (; bench->registered < count; bench->registered++) {
		error = put_instance(bench, bench->registered, &put);
		if (error)
			countdown_tick(&put, error);
	}
	error = countdown_finish(&put);
	countdown_fini(&put);
	return error;
}

static int
make_service(struct discovery_bench *bench)
{
	const struct synod_write_options options = {.kind = SYNOD_SERVICE, .make_parents = true};
	int error =
		synod_create(bench->cli->synod, SERVICES_PATH "/" SERVICE, NULL, 0, &options, NULL);

	return error == SYNOD_EXISTS ? SYNOD_OK : error;
}

static int
open_resolver(struct synod *synod, size_t count, struct synod_resolver **resolver)
{
	int error = synod_resolver_open(synod, SERVICE, NULL, resolver);

	if (error)
		return error;
	error = synod_resolver_wait(*resolver, count, PATIENCE_MS);
	if (error)
		synod_resolver_close(*resolver);
	return error;
}

static int
measure_picks(struct discovery_bench *bench, size_t count, struct picks *picks)
{
	struct synod_resolver *resolver;
	int error = register_instances(bench, count);

	if (error == SYNOD_OK)
		error = open_resolver(bench->cli->synod, count, &resolver);
	if (error)
		return fail(bench, error);
	picks->instances = count;
	picks->one_ns = bench_picks(resolver, 1);
	picks->many_ns = bench_picks(resolver, bench->threads);
	if (bench->registered == bench->instances)
		bench->changes = bench_changes(resolver, SERVICE, count, CHANGES);
	synod_resolver_close(resolver);
	if (picks->one_ns < 0 || picks->many_ns < 0)
		return fail(bench, SYNOD_NOT_FOUND);
	return 0;
}

/* As of a program that starts: with a connection of its own. */
static int
time_start(struct discovery_bench *bench, uint64_t *ns)
{
	struct synod_options options = cli_synod_options(bench->cli);
	struct synod_resolver *resolver;
	uint64_t start_ns = monotonic_ns();
	struct synod *synod;
	int error = synod_open(&options, &synod);

	if (error)
		return error;
	error = open_resolver(synod, bench->instances, &resolver);
	*ns = monotonic_ns() - start_ns;
	if (error == SYNOD_OK)
		synod_resolver_close(resolver);
	synod_close(synod);
	return error;
}

static int
measure_starts(struct discovery_bench *bench)
{
	uint64_t ns[STARTS];

	for (size_t i = 0; i < STARTS; i++) {
		int error = time_start(bench, &ns[i]);

		if (error)
			return fail(bench, error);
	}
	bench->starts = times_of(ns, STARTS);
	return 0;
}

/* ---- from one member to another ---- */

struct told {
	struct synod *registering;
	struct synod *looking;
	struct synod_resolver *resolver;
	struct countdown countdown;
	size_t expected; /* instances: then it has been told */
	uint64_t told_ns;
};

static void
on_change(void *context, struct synod_resolver *resolver)
{
	struct told *told = context;
	struct synod_resolver_status status;
	uint64_t now_ns = monotonic_ns();
	bool is_told;

	synod_resolver_status(resolver, &status);
	pthread_mutex_lock(&told->countdown.mutex);
	is_told = status.revision > 0 && status.instances == told->expected;
	if (is_told)
		told->told_ns = now_ns;
	pthread_mutex_unlock(&told->countdown.mutex);
	if (is_told)
		countdown_tick(&told->countdown, SYNOD_OK);
}

static void
expect(struct told *told, size_t instances)
{
	pthread_mutex_lock(&told->countdown.mutex);
	told->expected = instances;
	told->countdown.left = 1;
	told->countdown.error = SYNOD_OK;
	pthread_mutex_unlock(&told->countdown.mutex);
}

static int
open_at(struct cli *cli, const char *endpoint, struct synod **synod)
{
	struct synod_options options = cli_synod_options(cli);

	options.endpoints = endpoint;
	return synod_open(&options, synod);
}

/* A handle at the first member that answers and one at the last, which may be the same. */
static int
open_both(struct discovery_bench *bench, struct told *told)
{
	const char *first = NULL, *last = NULL;
	struct synod_status *status;
	int error = synod_status(bench->cli->synod, 0, &status);

	if (error)
		return error;
	for (size_t i = 0; i < status->member_count; i++) {
		if (status->members[i].error)
			continue;
		first = first ? first : status->members[i].endpoint;
		last = status->members[i].endpoint;
	}
	bench->is_one_member = first == last;
	error = first ? open_at(bench->cli, first, &told->registering) : SYNOD_NO_QUORUM;
	if (error == SYNOD_OK)
		error = open_at(bench->cli, last, &told->looking);
	synod_status_free(status);
	return error;
}

static int
start_looking(struct told *told)
{
	const struct synod_resolver_options options = {.on_change = on_change, .context = told};
	int error = synod_resolver_open(told->looking, SERVICE_TOLD, &options, &told->resolver);

	return error ? error : synod_resolver_wait(told->resolver, 0, PATIENCE_MS);
}

/* One instance comes, which is measured, and goes again. */
static int
time_told(struct told *told, size_t round, uint64_t *ns)
{
	struct synod_service_options options = {
		.instance = {.address = "127.0.0.1", .port = 1 + (unsigned)(round % 60000)}};
	struct synod_service *registration;
	uint64_t start_ns;
	int error;

	expect(told, 1);
	start_ns = monotonic_ns();
	error = synod_service_register(told->registering, SERVICE_TOLD, &options, &registration);
	if (error)
		return error;
	error = countdown_wait(&told->countdown, PATIENCE_MS);
	*ns = told->told_ns - start_ns;
	expect(told, 0);
	synod_service_deregister(registration, 0);
	return error ? error : countdown_wait(&told->countdown, PATIENCE_MS);
}

static int
measure_told(struct discovery_bench *bench)
{
	uint64_t *ns = must_calloc(bench->rounds + 1, sizeof *ns);
	struct told told = {0};
	int error;

	countdown_init(&told.countdown);
	error = open_both(bench, &told);
	if (error == SYNOD_OK)
		error = start_looking(&told);
	/* The first opens the session and makes the service. */
	for (size_t i = 0; i <= bench->rounds && error == SYNOD_OK; i++)
		error = time_told(&told, i, &ns[i == 0 ? bench->rounds : i - 1]);
	synod_resolver_close(told.resolver);
	synod_close(told.looking);
	synod_close(told.registering);
	countdown_fini(&told.countdown);
	bench->told = spread_of(ns, bench->rounds);
	free(ns);
	return error ? fail(bench, error) : 0;
}

/* ---- the report ---- */

static void
report_json(const struct discovery_bench *bench)
{
	cJSON *json = json_object();

	json_add_text(json, "kind", "discovery");
	json_add_number(json, "instances", bench->instances);
	json_add_number(json, "threads", bench->threads);
	json_add_number(json, "few_instances", bench->few.instances);
	json_add_real(json, "few_pick_ns", bench->few.one_ns);
	json_add_real(json, "few_pick_threads_ns", bench->few.many_ns);
	json_add_real(json, "pick_ns", bench->all.one_ns);
	json_add_real(json, "pick_threads_ns", bench->all.many_ns);
	json_add_real(json, "change_ms_median", bench->changes.median_ms);
	json_add_real(json, "change_ms_p99", bench->changes.p99_ms);
	json_add_real(json, "start_ms_median", bench->starts.median_ms);
	json_add_real(json, "start_ms_max", bench->starts.max_ms);
	json_add_number(json, "rounds", bench->rounds);
	json_add_bool(json, "other_member", !bench->is_one_member);
	json_add_real(json, "told_ms_median", bench->told.median_ms);
	json_add_real(json, "told_ms_p99", bench->told.p99_ms);
	json_print(json);
}

static void
report(const struct discovery_bench *bench)
{
	const struct picks *picks[] = {&bench->few, &bench->all};

	if (bench->cli->json) {
		report_json(bench);
		return;
	}
	for (size_t i = 0; i < sizeof picks / sizeof picks[0]; i++)
		printf("pick of %zu instances: %.0f ns, in each of %u threads at a time %.0f ns\n",
		       picks[i]->instances, picks[i]->one_ns, bench->threads, picks[i]->many_ns);
	printf("a change of %zu instances is picked from after %.3f ms (median), %.3f ms (p99)\n",
	       bench->instances, bench->changes.median_ms, bench->changes.p99_ms);
	printf("a resolver of %zu instances starts in %.1f ms (median), %.1f ms (max)\n",
	       bench->instances, bench->starts.median_ms, bench->starts.max_ms);
	printf("registered at one member, known at %s after %.2f ms (median), %.2f ms (p99), "
	       "%zu rounds\n",
	       bench->is_one_member ? "the same" : "another", bench->told.median_ms,
	       bench->told.p99_ms, bench->rounds);
}

int
bench_discovery(struct cli *cli)
{
	struct discovery_bench bench = {
		.cli = cli,
		.instances = bench_number(cli, OPTION_NODES, INSTANCES_DEFAULT),
		.rounds = bench_number(cli, OPTION_ROUNDS, ROUNDS_DEFAULT),
		.threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
	};
	int code = 0, error;

	if (bench.instances <= FEW || bench.instances > INSTANCES_MAX || bench.rounds == 0 ||
	    bench.rounds > ROUNDS_MAX)
		code = cli_usage(cli, "--nodes is %d to %d, --rounds 1 to %d here", FEW + 1,
		                 INSTANCES_MAX, ROUNDS_MAX);
	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	error = make_service(&bench);
	code = error ? fail(&bench, error) : measure_picks(&bench, FEW, &bench.few);
	if (code == 0)
		code = measure_picks(&bench, bench.instances, &bench.all);
	if (code == 0)
		code = measure_starts(&bench);
	if (code == 0)
		code = measure_told(&bench);
	if (code == 0)
		report(&bench);
	return code; /* the instances go with the session */
}
