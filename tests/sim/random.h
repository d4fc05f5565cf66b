/* Chance from a seed: SplitMix64 (Steele, Lea and Flood, OOPSLA'14), one stream per purpose. */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t
random_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t
random_next(struct random *random)
{
	return random_mix(random->state += UINT64_C(0x9e3779b97f4a7c15));
}

/* A stream of its own for PURPOSE, so that drawing more for one leaves the others as they are. */
static inline struct random
random_for(uint64_t seed, uint64_t purpose)
{
	return (struct random){random_mix(seed ^ random_mix(purpose + 1))};
}

/* 0 .. BOUND-1; 0 for a bound of 0. */
static inline uint64_t
random_below(struct random *random, uint64_t bound)
{
	return bound ? random_next(random) % bound : 0;
}

static inline uint64_t
random_between(struct random *random, uint64_t least, uint64_t most)
{
	return least + random_below(random, most - least + 1);
}

/* True PER_MILLION times in a million. */
static inline bool
random_chance(struct random *random, uint64_t per_million)
{
	return per_million > 0 && random_below(random, 1000000) < per_million;
}

#endif
