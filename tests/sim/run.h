/* One seed: make a world, let it go wrong, heal it, and hold it to its promises. */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include "tests/sim/world.h"

struct run_result {
	bool has_failed;
	char checker[32];
	char failure[FAILURE_SIZE];
	uint64_t trace_hash;
	uint64_t virtual_us;
	struct statistics statistics;
};

/* With REPORT, a failure is told on standard output with the last lines of each member. */
void run_seed(uint64_t seed, const struct options *options, bool is_tracing, bool report,
              struct run_result *result);

/* The world that is running; NULL: none. */
struct world *run_world(void);

#endif
