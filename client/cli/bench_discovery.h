/* The parts of `synod bench discovery` that measure what a resolver does without the ensemble. */
#ifndef CLIENT_CLI_BENCH_DISCOVERY_H
#define CLIENT_CLI_BENCH_DISCOVERY_H

#include "client/cli/bench_fleet.h"
#include "client/discovery.h"

/* Of COUNT times, which are sorted: the median and the 99th percentile. */
struct spread {
	double median_ms;
	double p99_ms;
};
struct spread spread_of(uint64_t *ns, size_t count);

/* How much of the processor's time a pick and its end take, in each of THREADS threads at a time,
 * in nanoseconds; -1 if that cannot be measured. */
double bench_picks(struct synod_resolver *resolver, unsigned threads);

/* How long RESOLVER takes from an event's arrival until it is picked from: COUNT changes of some of
 * its INSTANCES, which are told to it as its watch would. */
struct spread bench_changes(struct synod_resolver *resolver, const char *service, size_t instances,
                            size_t count);

/* The name and the record of instance NUMBER, to be freed. */
char *bench_instance_id(size_t number);
char *bench_instance_record(size_t number, unsigned weight);

#endif
