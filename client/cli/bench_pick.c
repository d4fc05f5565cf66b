/* What a resolver does without the ensemble: picks, and the taking in of changes. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench_discovery.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"
#include "client/discovery/resolver.h"

#define PICKS_MS      1000
#define PICKS_AT_ONCE 1000

char *
bench_instance_id(size_t number)
{
	return must_format("i%05zu", number);
}

char *
bench_instance_record(size_t number, unsigned weight)
{
	return must_format("{\"address\":\"10.%zu.%zu.%zu\",\"port\":8080,\"weight\":%u,"
	                   "\"zone\":\"%c\",\"version\":\"1.4.2\",\"tags\":[\"blue\"]}",
	                   number >> 16 & 255, number >> 8 & 255, number & 255, weight,
	                   (int)('a' + number % 3));
}

/* ---- picks ---- */

struct picking {
	struct synod_resolver *resolver;
	const atomic_bool *should_stop;
	pthread_t thread;
	uint64_t count;
	uint64_t ns;
	bool has_failed;
};

static void
pick_often(struct picking *picking, unsigned count)
{
	for (unsigned i = 0; i < count && !picking->has_failed; i++) {
		struct synod_pick pick;

		if (synod_resolver_pick(picking->resolver, NULL, &pick) == SYNOD_OK)
			synod_pick_done(&pick, SYNOD_SUCCEEDED);
		else
			picking->has_failed = true;
	}
	picking->count += count;
}

/* The processor's time that this thread has had: picks never wait, and what other programs take is
 * not theirs. */
static uint64_t
thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static void *
run_picks(void *context)
{
	struct picking *picking = context;
	uint64_t start_ns = thread_ns();

	while (!atomic_load(picking->should_stop) && !picking->has_failed)
		pick_often(picking, PICKS_AT_ONCE);
	picking->ns = thread_ns() - start_ns;
	return NULL;
}

double
bench_picks(struct synod_resolver *resolver, unsigned threads)
{
	struct picking *pickings = must_calloc(threads, sizeof *pickings);
	atomic_bool should_stop = false;
	bool has_failed = false;
	unsigned started = 0;
	double ns = 0;

	for (; started < threads; started++) {
		pickings[started] =
			(struct picking){.resolver = resolver, .should_stop = &should_stop};
		if (pthread_create(&pickings[started].thread, NULL, run_picks, &pickings[started]))
			break;
	}
	monotonic_sleep_ms(PICKS_MS);
	atomic_store(&should_stop, true);
	for (unsigned i = 0; i < started; i++) {
		pthread_join(pickings[i].thread, NULL);
		ns += (double)pickings[i].ns / (double)pickings[i].count / threads;
		has_failed = has_failed || pickings[i].has_failed;
	}
	free(pickings);
	return has_failed || started < threads ? -1 : ns;
}

/* ---- changes ---- */

/* An instance is written to, goes, and comes back, in turn. */
static struct synod_change
change_of(size_t round, const char *path, const char *record, uint64_t revision)
{
	static const enum synod_change_kind kinds[] = {SYNOD_MODIFIED, SYNOD_DELETED,
	                                               SYNOD_CREATED};
	struct synod_change change = {
		.kind = kinds[round % 3], .path = path, .revision = revision, .ordinal = 1};

	if (change.kind != SYNOD_DELETED) {
		change.data = record;
		change.size = strlen(record);
		change.owner = 1;
	}
	return change;
}

static uint64_t
time_change(struct synod_resolver *resolver, const char *path, const char *record, size_t round)
{
	struct synod_resolver_status status;
	struct synod_change change;
	struct synod_event event = {
		.kind = SYNOD_EVENT_CHANGES, .changes = &change, .change_count = 1};
	uint64_t start_ns;

	synod_resolver_status(resolver, &status);
	event.revision = status.revision + 1;
	change = change_of(round, path, record, event.revision);
	start_ns = monotonic_ns();
	resolver_feed_event(resolver, resolver->watch, &event);
	return monotonic_ns() - start_ns;
}

struct spread
bench_changes(struct synod_resolver *resolver, const char *service, size_t instances, size_t count)
{
	uint64_t *ns = must_calloc(count, sizeof *ns);
	uint64_t random = 1;
	size_t number = 0;
	struct spread spread;

	for (size_t round = 0; round < count; round++) {
		char *id, *path, *record;

		if (round % 3 == 0)
			number = bench_random(&random) % instances;
		id = bench_instance_id(number);
		path = must_format(SERVICES_PATH "/%s/%s", service, id);
		record = bench_instance_record(number, 1 + (unsigned)(round % 200));
		ns[round] = time_change(resolver, path, record, round);
		free(record);
		free(path);
		free(id);
	}
	spread = spread_of(ns, count);
	free(ns);
	return spread;
}
