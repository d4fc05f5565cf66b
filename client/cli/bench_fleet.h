/* Many handles at once, each with its own connection, for benches of living state. */
#ifndef CLIENT_CLI_BENCH_FLEET_H
#define CLIENT_CLI_BENCH_FLEET_H

#include <pthread.h>

#include "client/cli/bench.h"

#define FLEET_MAX 10000

struct fleet {
	struct cli *cli;
	size_t count;
	struct synod **handles;
};

/* A count of things that still have to happen, and their waiter.  Any thread may tick it down. */
struct countdown {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t left;
	int error; /* the first one told */
};

void countdown_init(struct countdown *countdown);
void countdown_fini(struct countdown *countdown);
void countdown_set(struct countdown *countdown, size_t left);
/* One of them has happened; ERROR is SYNOD_OK if it went well. */
void countdown_tick(struct countdown *countdown, int error);
/* Wait until all have or one has failed, at most TIMEOUT_MS.  Returns the first error, or
 * SYNOD_TIMEOUT. */
int countdown_wait(struct countdown *countdown, uint64_t timeout_ms);
/* Wait until all have.  Returns the first error. */
int countdown_finish(struct countdown *countdown);

/* Open COUNT handles to the ensemble.  Returns 0 or an exit code. */
int fleet_open(struct fleet *fleet, struct cli *cli, size_t count);

/* Open the session of each: one write that changes nothing.  Returns an error. */
int fleet_open_sessions(struct fleet *fleet);

/* Close all handles, many at a time. */
void fleet_close(struct fleet *fleet);

/* The median and the largest of COUNT times, which are sorted. */
struct times {
	double median_ms;
	double max_ms;
};
struct times times_of(uint64_t *ns, size_t count);

#endif
