/* What a seed decides: sizes, limits, and which faults there are. */
#ifndef TESTS_SIM_OPTIONS_H
#define TESTS_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct options {
#define OPTION(name, least, text) uint64_t name;
#include "tests/sim/options.def"
#undef OPTION
};

struct option_info {
	const char *name;
	uint64_t least;
	const char *text;
};

#define OPTION_COUNT (sizeof(struct options) / sizeof(uint64_t))

extern const struct option_info option_infos[OPTION_COUNT];

void options_draw(struct options *options, uint64_t seed);
/* After that: more loss than the ensemble can survive. */
void options_draw_beyond(struct options *options, uint64_t seed);

/* The option of index I, to read or write. */
uint64_t *options_at(struct options *options, unsigned i);

/* "NAME=NUMBER"; false if there is no such option. */
bool options_set(struct options *options, const char *setting);

/* As "NAME=NUMBER NAME=NUMBER ...", without those that are zero. */
void options_print(const struct options *options, FILE *out);

#endif
