/* A line on the terminal that says how far long work has come. */
#ifndef CLIENT_CLI_PROGRESS_H
#define CLIENT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/cli.h"

struct progress {
	bool is_shown; /* standard error is a terminal, and nobody asked for quiet */
	uint64_t start_ns;
	uint64_t next_ns;
};

void progress_start(struct progress *progress, const struct cli *cli);

/* Show COUNT WHAT ("nodes") and their rate, at most a few times a second. */
void progress_show(struct progress *progress, uint64_t count, const char *what);

/* Clear the line. */
void progress_end(struct progress *progress);

/* Seconds since the start. */
double progress_seconds(const struct progress *progress);

#endif
