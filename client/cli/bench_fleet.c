/* Many handles at once: opened, given sessions, and closed. */
#include "client/cli/bench_fleet.h"

#include <stdlib.h>
#include <time.h>

#include "client/cli/memory.h"
#include "client/cli/monotonic.h"

/* synod_close() waits for an answer: as many are closed at a time. */
#define CLOSERS 64

/* ---- countdowns ---- */

void
countdown_init(struct countdown *countdown)
{
	pthread_condattr_t attributes;

	*countdown = (struct countdown){0};
	pthread_mutex_init(&countdown->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&countdown->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

void
countdown_fini(struct countdown *countdown)
{
	pthread_cond_destroy(&countdown->changed);
	pthread_mutex_destroy(&countdown->mutex);
}

void
countdown_set(struct countdown *countdown, size_t left)
{
	pthread_mutex_lock(&countdown->mutex);
	countdown->left = left;
	countdown->error = SYNOD_OK;
	pthread_mutex_unlock(&countdown->mutex);
}

void
countdown_tick(struct countdown *countdown, int error)
{
	pthread_mutex_lock(&countdown->mutex);
	if (countdown->error == SYNOD_OK)
		countdown->error = error;
	if (countdown->left > 0)
		countdown->left--;
	if (countdown->left == 0 || error != SYNOD_OK)
		pthread_cond_signal(&countdown->changed);
	pthread_mutex_unlock(&countdown->mutex);
}

int
countdown_wait(struct countdown *countdown, uint64_t timeout_ms)
{
	uint64_t end_ns = monotonic_ns() + timeout_ms * NANOSECONDS_PER_MS;
	struct timespec deadline = {
		.tv_sec = (time_t)(end_ns / NANOSECONDS_PER_SECOND),
		.tv_nsec = (long)(end_ns % NANOSECONDS_PER_SECOND),
	};
	int late = 0;
	int error;

	pthread_mutex_lock(&countdown->mutex);
	while (countdown->left > 0 && countdown->error == SYNOD_OK && late == 0)
		late = pthread_cond_timedwait(&countdown->changed, &countdown->mutex, &deadline);
	error = countdown->error == SYNOD_OK && countdown->left > 0 ? SYNOD_TIMEOUT
	                                                            : countdown->error;
	pthread_mutex_unlock(&countdown->mutex);
	return error;
}

int
countdown_finish(struct countdown *countdown)
{
	int error;

	pthread_mutex_lock(&countdown->mutex);
	while (countdown->left > 0)
		pthread_cond_wait(&countdown->changed, &countdown->mutex);
	error = countdown->error;
	pthread_mutex_unlock(&countdown->mutex);
	return error;
}

/* ---- the fleet ---- */

int
fleet_open(struct fleet *fleet, struct cli *cli, size_t count)
{
	struct synod_options options = cli_synod_options(cli);

	*fleet = (struct fleet){.cli = cli};
	if (count == 0 || count > FLEET_MAX)
		return cli_usage(cli, "--connections is 1 to %d here", FLEET_MAX);
	fleet->handles = must_calloc(count, sizeof *fleet->handles);
	for (size_t i = 0; i < count; i++) {
		int error = synod_open(&options, &fleet->handles[i]);

		if (error)
			return cli_fail(cli, cli_endpoints(cli), error, NULL);
		fleet->count++;
	}
	return 0;
}

static void
on_answer(void *context, const struct synod_result *result)
{
	countdown_tick(context, result->error == SYNOD_NOT_FOUND ? SYNOD_OK : result->error);
}

int
fleet_open_sessions(struct fleet *fleet)
{
	struct countdown countdown;
	struct synod_write_options options = {.call = {on_answer, &countdown, 0}};
	int error = SYNOD_OK;

	countdown_init(&countdown);
	countdown_set(&countdown, fleet->count);
	for (size_t i = 0; i < fleet->count; i++) {
		error = synod_delete(fleet->handles[i], "/bench/no such node", &options, NULL);
		if (error)
			countdown_tick(&countdown, error);
	}
	error = countdown_finish(&countdown); /* every call ends, by its own time if need be */
	countdown_fini(&countdown);
	return error;
}

struct closer {
	struct fleet *fleet;
	size_t first;
};

static void *
close_some(void *context)
{
	const struct closer *closer = context;

	for (size_t i = closer->first; i < closer->fleet->count; i += CLOSERS)
		synod_close(closer->fleet->handles[i]);
	return NULL;
}

void
fleet_close(struct fleet *fleet)
{
	struct closer closers[CLOSERS];
	pthread_t threads[CLOSERS];
	bool has_started[CLOSERS];

	for (size_t i = 0; i < CLOSERS; i++) {
		closers[i] = (struct closer){fleet, i};
		has_started[i] = pthread_create(&threads[i], NULL, close_some, &closers[i]) == 0;
		if (!has_started[i])
			close_some(&closers[i]);
	}
	for (size_t i = 0; i < CLOSERS; i++) {
		if (has_started[i])
			pthread_join(threads[i], NULL);
	}
	free(fleet->handles);
	*fleet = (struct fleet){0};
}

/* ---- times ---- */

static int
compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

struct times
times_of(uint64_t *ns, size_t count)
{
	struct times times = {0};

	if (count == 0)
		return times;
	qsort(ns, count, sizeof *ns, compare_times);
	times.median_ms = (double)ns[count / 2] / 1e6;
	times.max_ms = (double)ns[count - 1] / 1e6;
	return times;
}
