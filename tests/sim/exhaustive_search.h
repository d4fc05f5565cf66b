/* Breadth first through all that can happen within a scope; each state is visited once. */
#ifndef TESTS_SIM_EXHAUSTIVE_SEARCH_H
#define TESTS_SIM_EXHAUSTIVE_SEARCH_H

#include "tests/sim/exhaustive_member.h"

struct search_limits {
	double seconds;
	uint32_t states;
};

struct search_result {
	uint32_t states;
	uint64_t transitions;
	unsigned depth;   /* of the deepest state */
	bool is_complete; /* nothing within the scope was left out */
	double seconds;
	unsigned chosen_max;
	uint64_t by_kind[ACTION_CRASH + 1];
};

/* Aborts at the first broken promise. */
struct search_result search_scope(const struct scope *scope, const struct search_limits *limits);

/* The way to where the search is now, for whoever has to explain an abort. */
void search_explain(void);

#endif
