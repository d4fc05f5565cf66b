/* A slate from within: what its rules (rules.c) and its zones (zones.c) know of each other. */
#ifndef CLIENT_DISCOVERY_SLATE_H
#define CLIENT_DISCOVERY_SLATE_H

#include "client/discovery/alias.h"
#include "client/discovery/balance.h"
#include "client/discovery/ring.h"

/* A target, and beside it what picking reads: two fit into a line of the cache. */
struct entry {
	struct target *target;
	struct health *health;
	uint64_t warm_ms; /* when its slow start is over */
	uint32_t weight;
	uint32_t tag; /* of the target's key */
};

/* Entries among which a rule chooses. */
struct group {
	struct entry *entries;
	size_t count;
	struct alias_column *columns; /* of WEIGHTED */
	struct ring *ring;            /* of HASH, as the rest */
	double bound;                 /* times all in use, times the weight: as many may one have */
	atomic_uint_fast64_t *in_use;
};

/* How much of the picks stay in the own zone: changes as breakers do. */
struct zone_share {
	size_t zone_count;
	atomic_uint keep;                   /* of 2^32; KEEP_ALL: all */
	atomic_uint_fast64_t recount_at_ms; /* NOT_DUE: all breakers were closed */
};

#define KEEP_ALL UINT32_MAX
#define NOT_DUE  UINT64_MAX

struct slate {
	struct balance_options *options;
	size_t count;
	struct entry *entries;    /* own, spill, and the rest */
	struct group own;         /* everything, where zones do not matter */
	struct group spill;       /* with zones */
	struct zone_share *share; /* NULL: zones do not matter */
};

/* One pick on its way. */
struct picking {
	const struct slate *slate;
	const struct synod_pick_options *options;
	struct chance *chance;
	uint64_t now_ms;
	uint32_t avoid_tag;
	bool avoids;
	uint64_t key_low; /* of HASH */
	uint64_t key_high;
};

/* xorshift64* (S. Vigna, 2016). */
static inline uint64_t
chance_next(struct chance *chance)
{
	uint64_t x = chance->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	chance->random = x;
	return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* One of COUNT from 32 random bits, without a division (D. Lemire, 2019). */
static inline size_t
scale(uint32_t random, size_t count)
{
	return (size_t)((uint64_t)random * count >> 32);
}

/* ---- what a pick asks of an entry (balance.c) ---- */

/* Is it the one that is to be avoided? */
bool entry_is_avoided(const struct picking *picking, const struct entry *entry);

/* Could it take the call: not avoided, breaker and bulkhead let it? */
bool entry_can_take(const struct picking *picking, const struct entry *entry);

/* ---- the rules ---- */

/* What GROUP needs for the rule of OPTIONS.  False when memory ran out. */
bool group_prepare(struct group *group, const struct balance_options *options);
void group_fini(struct group *group);

/* The one that the rule chooses, which may turn out unable; NULL: it knows of none. */
struct entry *group_draw(const struct group *group, struct picking *picking);

/* ---- zones ---- */

bool zones_matter(const struct balance_options *options);
bool zone_is_own(const struct balance_options *options, const struct target *target);

/* Put the entries in order, and find out who gets what.  False when memory ran out. */
bool zones_split(struct slate *slate);

/* Does the pick stay in the own zone?  RANDOM: 32 random bits. */
bool zones_keep(const struct slate *slate, uint32_t random, uint64_t now_ms);

/* A breaker that is not closed was seen: the share may be wrong. */
void zones_doubt(const struct slate *slate, uint64_t now_ms);

#endif
