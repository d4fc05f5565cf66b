/*
 * The clients: the real library, each with a handle of its own, getting and
 * setting a few nodes that all of them fight over.
 */
#ifndef TESTS_SIM_WORKLOAD_H
#define TESTS_SIM_WORKLOAD_H

#include "tests/sim/host.h"

struct workload;

struct workload *workload_new(struct world *world);
void workload_free(struct workload *workload);

/* A client's host has started: open a handle, go on with its operations. */
void workload_start(struct host *host);
void workload_on_crash(struct host *host);
/* Run its library's actor. */
void workload_run(struct host *host);

/* Every client has done what it had to do. */
bool workload_is_done(const struct workload *workload);
/* No new operations; those under way may end. */
void workload_stop(struct workload *workload);

/* So many writes are asked for at once when the faults are over; all must succeed. */
#define WORKLOAD_LAST_WRITES 8

/* The last client: write; then ask for the whole history and the state of every node. */
void workload_ask_write(struct world *world);
void workload_ask_reads(struct world *world);
bool workload_is_answered(const struct world *world);

#endif
