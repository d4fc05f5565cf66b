/* The parts of `synod bench`. */
#ifndef CLIENT_CLI_BENCH_H
#define CLIENT_CLI_BENCH_H

#include "client/cli/cli.h"

/* Each runs one kind of bench to its end and returns the exit code. */
int bench_load(struct cli *cli, const char *kind);
int bench_history(struct cli *cli);
int bench_gap(struct cli *cli);
int bench_gap_check(struct cli *cli);
int bench_watch(struct cli *cli);
int bench_sessions(struct cli *cli);
int bench_ephemeral(struct cli *cli);
int bench_lock(struct cli *cli);
int bench_list(struct cli *cli);
int bench_discovery(struct cli *cli);

/* The number given with OPTION, or VALUE when it was not given. */
uint64_t bench_number(const struct cli *cli, enum option_name option, uint64_t value);

/* --prefix, or "/bench".  Returns 0 or EXIT_USAGE. */
int bench_prefix(const struct cli *cli, const char **prefix);

/* A random number; STATE is not 0. */
static inline uint64_t
bench_random(uint64_t *state)
{
	/* xorshift64* (Vigna): a few instructions, good enough to choose nodes. */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

#endif
