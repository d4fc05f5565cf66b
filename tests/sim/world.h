/*
 * The world: virtual time, and everything that happens in it in one order.
 *
 * Events lie in a heap ordered by (time, number).  Every choice comes from a
 * stream of random numbers derived from the seed, so the same seed is the same
 * world.  A hash over every event and every choice worth naming stands for the
 * trace: two runs of one seed must end with the same hash.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <setjmp.h>
#include <stddef.h>

#include "tests/sim/options.h"
#include "tests/sim/random.h"

#define MEMBERS_LIMIT 7
#define CLIENTS_LIMIT 17 /* the last one asks at the end */
#define LIVING_LIMIT  6
#define HOSTS_LIMIT   (MEMBERS_LIMIT + CLIENTS_LIMIT + LIVING_LIMIT)
#define SECOND_US     UINT64_C(1000000)

struct world;
struct host;

typedef void event_function(struct world *world, void *argument, uint64_t number);

struct happening {
	uint64_t at_us;
	uint64_t sequence;
	event_function *happen;
	void *argument;
	uint64_t number;
};

struct statistics {
#define STATISTIC(name, text) uint64_t name;
#include "tests/sim/statistics.def"
#undef STATISTIC
};

#define FAILURE_SIZE  2048
#define HISTORY_LINES 40
#define LINE_SIZE     200

struct world {
	uint64_t seed;
	struct options options;
	uint64_t now_us;
	uint64_t sequence;
	struct happening *heap;
	size_t heap_count, heap_capacity;
	uint64_t trace_hash;
	bool is_tracing;
	bool is_quiet; /* faults are over */
	bool is_over;

	struct random network_random;
	struct random disk_random;
	struct random process_random;
	struct random fault_random;
	struct random workload_random;

	struct host *hosts[HOSTS_LIMIT]; /* members, clients, living clients */
	unsigned host_count;
	struct network *network;
	struct oracle *oracle;
	struct history *history;
	struct workload *workload;
	struct living *living;
	unsigned damaged_count; /* disks that have lost what was synced */
	unsigned wiped_count;   /* of these, all of it */
	bool has_forgotten;     /* some of them so that nobody can know */

	/* Where to go when the process that runs is to vanish. */
	sigjmp_buf escape;
	struct host *running;
	int escape_kind;

	bool has_failed;
	char checker[32];
	char failure[FAILURE_SIZE];
	/* The last transitions of each member. */
	char lines[MEMBERS_LIMIT][HISTORY_LINES][LINE_SIZE];
	unsigned line_counts[MEMBERS_LIMIT];
	struct statistics statistics;
};

void world_init(struct world *world, uint64_t seed, const struct options *options);
void world_fini(struct world *world);

void world_schedule(struct world *world, uint64_t delay_us, event_function *happen, void *argument,
                    uint64_t number);

/* One event; false when nothing is left or a promise is broken. */
bool world_step(struct world *world);

/* A promise is broken: the first one counts. */
void world_fail(struct world *world, const char *checker, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Does the seed use the host of this index (but the one that asks at the end)? */
bool world_uses(const struct world *world, unsigned index);
/* Clocks are off by more than anybody is told to count with. */
bool world_has_wild_clocks(const struct world *world);

/* Mix a fact into the hash of the trace. */
void world_note(struct world *world, uint64_t fact);
/* A line of the trace about HOST (NULL: about the world), kept among its last ones. */
void world_trace(struct world *world, const struct host *host, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
