/* A bound on calls in flight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "client/cli/pipeline.h"

struct worker {
	struct pipeline pipeline;
	atomic_int entered;
	size_t size;
	int rounds;
};

static void *
enter_often(void *context)
{
	struct worker *worker = context;

	for (int i = 0; i < worker->rounds; i++) {
		pipeline_enter(&worker->pipeline, worker->size);
		worker->entered++;
	}
	return NULL;
}

/* Let another thread enter ROUNDS times and leave for it; the most that were ever inside. */
static int
most_inside(size_t calls_max, size_t bytes_max, size_t size, int rounds)
{
	struct worker worker = {.size = size, .rounds = rounds};
	pthread_t thread;
	int left = 0;
	int most = 0;

	pipeline_init(&worker.pipeline, calls_max, bytes_max);
	assert_int_equal(pthread_create(&thread, NULL, enter_often, &worker), 0);
	while (left < rounds) {
		int inside = worker.entered - left;

		if (inside > most)
			most = inside;
		if (inside > 0 && (inside >= (int)calls_max || worker.entered == rounds ||
		                   (size_t)(inside + 1) * size > bytes_max)) {
			pipeline_leave(&worker.pipeline, size);
			left++;
		}
	}
	pthread_join(thread, NULL);
	pipeline_drain(&worker.pipeline);
	pipeline_fini(&worker.pipeline);
	return most;
}

static void
lets_in_no_more_calls_than_allowed(void **state)
{
	(void)state;
	assert_int_equal(most_inside(4, SIZE_MAX, 0, 1000), 4);
}

static void
lets_in_no_more_bytes_than_allowed(void **state)
{
	(void)state;
	assert_int_equal(most_inside(100, 1000, 300, 1000), 3);
}

static void
lets_in_a_call_that_is_too_large_when_it_is_alone(void **state)
{
	(void)state;
	assert_int_equal(most_inside(100, 1000, 5000, 100), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_in_no_more_calls_than_allowed),
		cmocka_unit_test(lets_in_no_more_bytes_than_allowed),
		cmocka_unit_test(lets_in_a_call_that_is_too_large_when_it_is_alone),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
