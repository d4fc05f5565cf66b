/*
 * Callers of a service for system tests: threads that pick an instance, call it, tell
 * the outcome and retry within a budget and a deadline, as a careful program would.
 *
 * Everything that goes wrong is counted, to be judged by the test's main thread.
 */
#ifndef TESTS_SUPPORT_CALLERS_H
#define TESTS_SUPPORT_CALLERS_H

#include <pthread.h>

#include "client/discovery.h"
#include "tests/support/instances.h"

#define CALLERS 4

struct callers {
	struct synod_resolver *resolver;
	struct instance *instances; /* by number: "i07" is the seventh from 0 */
	unsigned count;
	struct synod_retry_budget budget;
	pthread_t threads[CALLERS];
	atomic_bool should_stop;
	atomic_uint call_count;
	atomic_uint attempt_count;
	atomic_uint refused_count; /* attempts for which there was nobody to pick */
	atomic_uint failed_count;  /* calls that no retry mended */
	atomic_uint last_pick_error;
};

bool callers_start(struct callers *callers, struct synod_resolver *resolver,
                   struct instance *instances, unsigned count);
void callers_stop(struct callers *callers);

#endif
