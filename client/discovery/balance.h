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
 *
 * Passing over.  A target whose breaker does not admit or whose bulkhead is full is
 * passed over: the rule is asked again, a few times; then all are gone through once,
 * from a random place.  One that is to be avoided is taken when no other can be.
 *
 * Slow start.  The weight of a target grows linearly from a tenth to the whole within
 * slow_start_ms.  Rules that compare weights use the grown part (TWO_CHOICES,
 * LEAST_IN_USE); those that do not (ROUND_ROBIN, RANDOM, WEIGHTED) turn a young target
 * down with the probability of the missing part, a few times for one pick, and then
 * take what comes.  HASH has none: a key belongs where it belongs.
 *
 * Ties of TWO_CHOICES and LEAST_IN_USE are broken at random, in proportion to the
 * weights: so weights and slow starts count also while nothing is in use.
 *
 * Zones.  Each zone's callers are taken to make the same load, an even share: 1/Z of
 * the whole, where Z is the number of zones that have targets, and the own one.  The
 * own zone's capacity is its part of the weights of all targets whose breaker is
 * closed: counted for each slate, and again every 100 ms from when a pick meets one
 * that is not until all are.  If that is an even share or more, every pick goes to the
 * own zone.  If it is less, capacity / even share of them go there, and the others, the
 * spill-over, to the zones that have more than an even share (to all other zones if none
 * has), all of them together: by the rule, whatever each has above its share.  When four
 * draws find nobody in the own zone who can take the call, the spill-over is asked, and
 * then anybody.
 *
 * SYNOD_HASH.  Multi-probe consistent hashing (B. Appleton and M. O'Reilly, 2015): each
 * target is one point of a ring; a key is hashed to 21 places, and of the points that
 * follow them, clockwise, the nearest is the key's (a distance counts less for a target
 * of more weight).  When a target comes or goes only its own keys move.  Loads are
 * bounded (V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded
 * Loads", 2016): a target that has load_percent of its part, by weight, of the calls in
 * progress is passed over for the next nearest; when all 21 are, for the next clockwise
 * that is not.  Without a key, a random one.
 *
 * LEAST_IN_USE looks at every target for every pick; all other rules take the same time
 * however many there are.
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
	unsigned load_percent; /* 0: 125 */
	unsigned slow_start_ms;
	/* Calls in progress, of SYNOD_HASH only: in the own zone, and elsewhere.  Begins as 0; a
	 * slate and target_done() count in it, so both get the very same options. */
	atomic_uint_fast64_t in_use[2];
};

struct slate;

/*
 * A slate of TARGETS (COUNT pointers; retained), in the order of their ids.  OPTIONS must outlive
 * it.  NULL when memory ran out.
 */
struct slate *slate_new(struct balance_options *options, struct target *const *targets,
                        size_t count);
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

/* The opposite, of what was picked at BEGUN_MS: not in use any more, outcome told, released.
 * Returns whether the breaker changed. */
bool target_done(struct target *target, struct balance_options *options, enum synod_outcome outcome,
                 uint64_t begun_ms, uint64_t now_ms);

#endif
