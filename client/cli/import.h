/* The two things done with every entry of a directory tree: store it, or compare it. */
#ifndef CLIENT_CLI_IMPORT_H
#define CLIENT_CLI_IMPORT_H

#include <stdatomic.h>

#include "client/cli/cli.h"
#include "client/cli/pipeline.h"
#include "client/cli/progress.h"

struct import {
	struct cli *cli;
	struct synod_read_options read;
	bool compares;
	bool follows;
	struct pipeline pipeline;
	struct progress progress;

	/* Counted by callbacks. */
	atomic_uint_fast64_t nodes;
	atomic_uint_fast64_t bytes;
	atomic_uint_fast64_t bad_paths; /* too deep or too long */
	atomic_uint_fast64_t refused;   /* for another reason */
	atomic_uint_fast64_t differences;
	atomic_uint_fast64_t revision; /* the last one seen */
	atomic_int stop_error;         /* no further call would end better */

	/* Counted by the walk. */
	uint64_t links;
	uint64_t specials;
	uint64_t large;
	uint64_t bad_names;
	uint64_t unreadable;
	uint64_t named; /* problems printed */
};

/* A directory entry on its way; the functions below take it over. */
struct import_entry {
	char *path;     /* of its node */
	uint8_t *bytes; /* NULL: no data */
	size_t size;
	char **names; /* of a directory: everything in it, sorted; to compare */
	size_t name_count;
	bool is_directory;
	bool is_top; /* its parents may be missing */
};

void import_store(struct import *import, struct import_entry *entry);
void import_compare(struct import *import, struct import_entry *entry);

#endif
