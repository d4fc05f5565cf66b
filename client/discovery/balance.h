/*
 * Balancing: which instance gets the next call.
 *
 * A target is an instance as one resolver knows it: its record, and what the
 * resolver has seen of it.  What it has seen (struct health) outlives changes of
 * the record.  A slate is an immutable choice of targets, made anew whenever the
 * instances change, with whatever its rule needs to pick quickly: picking neither
 * blocks nor allocates.
 *
 * Time and chance come from the caller, so that every rule can be tested.
 */
#ifndef CLIENT_DISCOVERY_BALANCE_H
#define CLIENT_DISCOVERY_BALANCE_H

#include "client/discovery/breaker.h"
#include "client/discovery/record.h"

/* What a resolver knows of the instance of one id, for as long as it is there. */
struct health {
	atomic_uint references;
	atomic_uint in_use; /* picks that are not done */
	uint64_t since_ms;  /* when it became usable: of the slow start */
	struct breaker breaker;
};

struct health *health_new(uint64_t now_ms); /* NULL when memory ran out */
void health_retain(struct health *health);
void health_release(struct health *health); /* accepts NULL */

struct target {
	atomic_uint references;
	struct record *record;
	struct health *health;
	uint64_t key; /* XXH3 of the id */
};

/* Retains both. */
struct target *target_new(struct record *record, struct health *health);
void target_retain(struct target *target);
void target_release(struct target *target); /* accepts NULL */

struct balance_options {
	enum synod_balance balance;
	const char *zone;                     /* NULL: zones do not matter */
	struct synod_breaker_options breaker; /* completed */
	unsigned concurrent_max;
	unsigned load_percent;
	unsigned slow_start_ms;
};

struct slate;

/*
 * A slate of TARGETS (COUNT pointers; retained), in the order of their ids.  INSTANCE_COUNT: all
 * there are, of which these are usable.  OPTIONS must outlive it.  NULL when memory ran out.
 * At most a millisecond for 10,000 targets: what takes longer (the ring of SYNOD_HASH) is made from
 * the last slate, PREVIOUS (may be NULL), of which most is still true.
 */
struct slate *slate_new(const struct balance_options *options, struct target *const *targets,
                        size_t count, const struct slate *previous);
void slate_free(struct slate *slate); /* accepts NULL */
size_t slate_count(const struct slate *slate);

/* Of the thread that picks. */
struct chance {
	uint64_t random; /* of a xorshift or the like; not 0 */
	uint64_t turn;   /* of the round robin */
};

/*
 * Pick: *TARGET is in use (health->in_use) and retained.  OPTIONS may be NULL.  SYNOD_OK, NOT_FOUND
 * (an empty slate), BUSY (breakers, bulkheads).
 */
int slate_pick(const struct slate *slate, const struct synod_pick_options *options,
               struct chance *chance, uint64_t now_ms, struct target **target);

/* The opposite: not in use any more, outcome told, released.  Returns whether the breaker changed.
 */
bool target_done(struct target *target, const struct balance_options *options,
                 enum synod_outcome outcome, uint64_t now_ms);

#endif
