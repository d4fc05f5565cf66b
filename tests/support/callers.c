/* Callers of a service for system tests. */
#include "tests/support/callers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Between two calls of a thread: the test is about calls that go well, not about many of them. */
#define PAUSE_MS   2
#define ATTEMPT_MS 1000

static const struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(50, 50);

static void
note_pick(struct callers *callers, const char *id, unsigned long begun_ms)
{
	unsigned number = (unsigned)strtoul(id + 1, NULL, 10);

	if (number < callers->count)
		atomic_store(&callers->instances[number].picked_ms, begun_ms);
}

/* One attempt, not at the instance AVOID if it can be helped, which becomes the one that was
 * called. */
static bool
attempt(struct callers *callers, const struct synod_retry *retry, char *avoid, size_t size)
{
	const struct synod_pick_options options = {.avoid = avoid[0] ? avoid : NULL};
	unsigned timeout_ms = synod_retry_remaining_ms(retry);
	unsigned long begun_ms = ensemble_now_ms();
	struct synod_pick pick;
	bool is_good;
	int error;

	atomic_fetch_add(&callers->attempt_count, 1);
	error = synod_resolver_pick(callers->resolver, &options, &pick);
	if (error) {
		atomic_store(&callers->last_pick_error, (unsigned)error);
		atomic_fetch_add(&callers->refused_count, 1);
		return false;
	}
	note_pick(callers, pick.instance->id, begun_ms);
	snprintf(avoid, size, "%s", pick.instance->id);
	if (timeout_ms > ATTEMPT_MS)
		timeout_ms = ATTEMPT_MS;
	is_good = instance_call(pick.instance->address, pick.instance->port, pick.instance->id,
	                        timeout_ms);
	synod_pick_done(&pick, is_good ? SYNOD_SUCCEEDED : SYNOD_FAILED);
	return is_good;
}

static void
call(struct callers *callers)
{
	const struct synod_retry_options options = {.attempts_max = 10,
	                                            .base_ms = 10,
	                                            .delay_max_ms = 500,
	                                            .deadline_ms = 5000,
	                                            .budget = &callers->budget};
	char avoid[64] = "";
	struct synod_retry retry;

	synod_retry_begin(&retry, &options);
	while (!attempt(callers, &retry, avoid, sizeof avoid)) {
		if (!synod_retry_wait(&retry)) {
			atomic_fetch_add(&callers->failed_count, 1);
			break;
		}
	}
	atomic_fetch_add(&callers->call_count, 1);
}

static void *
call_until_stopped(void *context)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000 * 1000};
	struct callers *callers = context;

	while (!atomic_load(&callers->should_stop)) {
		call(callers);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

bool
callers_start(struct callers *callers, struct synod_resolver *resolver, struct instance *instances,
              unsigned count)
{
	*callers = (struct callers){
		.resolver = resolver, .instances = instances, .count = count, .budget = budget};
	for (unsigned i = 0; i < CALLERS; i++) {
		if (pthread_create(&callers->threads[i], NULL, call_until_stopped, callers))
			return false;
	}
	return true;
}

void
callers_stop(struct callers *callers)
{
	atomic_store(&callers->should_stop, true);
	for (unsigned i = 0; i < CALLERS; i++)
		pthread_join(callers->threads[i], NULL);
}
