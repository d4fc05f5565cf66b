/*
 * Small-scope exhaustive search: three real cores, a few values, ballots and crashes, and every
 * order in which messages arrive (or do not), writes become durable and deadlines come.
 *
 *     synod-exhaustive                     the scopes of level "quick"
 *     synod-exhaustive --level default     more; night: all
 *     synod-exhaustive --scope crash       one of them
 *     synod-exhaustive --seconds 30        at most so long for each scope
 *     synod-exhaustive --list
 *
 * A message that never arrives is lost; so every prefix of a history in which some have not arrived
 * yet is one with losses, and losses need no action of their own.  A member that crashes is back at
 * once; one that does nothing is as good as down.
 *
 * The first broken promise ends it with the shortest way there.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/exhaustive_message.h"
#include "tests/sim/exhaustive_search.h"

#define NONE   0
#define ONE    1
#define TWO    3
#define SECOND 2
#define ALL    7

static const struct scope scopes[] = {
#define SCOPE(name_, level_, settled_, candidates_, elections_, crashes_, values_, heartbeats_,    \
              reads_, duplicates_, has_heartbeats_, is_disk_slow_, page_, tail_, purpose_)         \
	{                                                                                          \
		.name = #name_,                                                                    \
		.purpose = purpose_,                                                               \
		.level = level_,                                                                   \
		.is_settled = settled_,                                                            \
		.candidates = candidates_,                                                         \
		.elections = elections_,                                                           \
		.crashes = crashes_,                                                               \
		.values = values_,                                                                 \
		.heartbeats = heartbeats_,                                                         \
		.reads = reads_,                                                                   \
		.duplicates = duplicates_,                                                         \
		.has_heartbeats = has_heartbeats_,                                                 \
		.is_disk_slow = is_disk_slow_,                                                     \
		.page = page_,                                                                     \
		.tail = tail_,                                                                     \
	},
#include "tests/sim/exhaustive.def"
#undef SCOPE
};

#define SCOPE_COUNT (sizeof(scopes) / sizeof(scopes[0]))

static const char *const levels[] = {"quick", "default", "night"};

static int
level_number(const char *level)
{
	for (int i = 0; i < 3; i++) {
		if (strcmp(levels[i], level) == 0)
			return i;
	}
	fprintf(stderr, "no such level: %s (quick, default, night)\n", level);
	exit(2);
}

/* CHECK and the judge abort: say how it came to that. */
static void
on_abort(int number)
{
	signal(number, SIG_DFL);
	search_explain();
	fflush(stderr);
	_exit(1);
}

static void
list(void)
{
	for (size_t i = 0; i < SCOPE_COUNT; i++)
		printf("%-10s %-8s %s\n", scopes[i].name, scopes[i].level, scopes[i].purpose);
}

static void
report(const struct scope *scope, const struct search_result *result)
{
	uint32_t states;
	uint64_t steps;

	member_count(&states, &steps);
	printf("%-10s %9" PRIu32 " states %10" PRIu64
	       " transitions, depth %2u, %u chosen, %6" PRIu32 " member states, %5" PRIu32
	       " messages, %7" PRIu64 " core steps, %5.1f s%s\n",
	       scope->name, result->states, result->transitions, result->depth, result->chosen_max,
	       states, message_count(), steps, result->seconds,
	       result->is_complete ? "" : "  (incomplete: a limit was met)");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"level", required_argument, NULL, 'l'},   {"scope", required_argument, NULL, 's'},
		{"seconds", required_argument, NULL, 't'}, {"states", required_argument, NULL, 'n'},
		{"list", no_argument, NULL, 'L'},          {NULL, 0, NULL, 0},
	};
	struct search_limits limits = {.seconds = 30, .states = 60000000};
	const char *only = NULL;
	int level = 0, option;
	unsigned run = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'l': level = level_number(optarg); break;
		case 's': only = optarg; break;
		case 't': limits.seconds = strtod(optarg, NULL); break;
		case 'n': limits.states = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'L': list(); return 0;
		default: return 2;
		}
	}
	signal(SIGABRT, on_abort);
	for (size_t i = 0; i < SCOPE_COUNT; i++) {
		const struct scope *scope = &scopes[i];
		struct search_result result;

		if (only != NULL ? strcmp(only, scope->name) != 0
		                 : level_number(scope->level) > level)
			continue;
		result = search_scope(scope, &limits);
		report(scope, &result);
		run++;
	}
	if (run == 0)
		fprintf(stderr, "no such scope\n");
	return run == 0 ? 2 : 0;
}
