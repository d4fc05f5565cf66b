/* The options of a command line, parsed with getopt_long from the table in options.def. */
#ifndef CLIENT_CLI_OPTIONS_H
#define CLIENT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum option_name {
#define OPTION(name, letter, word, kind, argument, help) OPTION_##name,
#include "client/cli/options.def"
#undef OPTION
	OPTION_COUNT
};

_Static_assert(OPTION_COUNT <= 64, "a set of options is 64 bits");

#define OPTION_BIT(name) (UINT64_C(1) << OPTION_##name)
#define OPTIONS_GLOBAL                                                                             \
	(OPTION_BIT(ENDPOINTS) | OPTION_BIT(TIMEOUT) | OPTION_BIT(JSON) | OPTION_BIT(COLOR) |      \
	 OPTION_BIT(QUIET) | OPTION_BIT(HELP) | OPTION_BIT(VERSION))

struct options {
	bool given[OPTION_COUNT];
	const char *text[OPTION_COUNT];
	uint64_t number[OPTION_COUNT]; /* SECONDS: milliseconds */
	char problem[256];             /* after a failed parse, what is wrong */
};

/*
 * Parse the options of ARGV that are in the set ALLOWED, and add them to
 * OPTIONS.  With STOP_AT_WORD parsing ends before the first word that is no
 * option, otherwise options and words may be mixed (ARGV is reordered).
 *
 * Returns the index of the first word, or -1 with options->problem set.
 */
int options_parse(struct options *options, int argc, char **argv, uint64_t allowed,
                  bool stop_at_word);

/* Print one line of help for each option of the set. */
void options_print_help(FILE *out, uint64_t allowed);

#endif
