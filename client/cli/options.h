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

/* A set of options, one bit each. */
__extension__ typedef unsigned __int128 option_set;

_Static_assert(OPTION_COUNT <= 128, "a set of options is 128 bits");

#define OPTION_BIT(name) ((option_set)1 << OPTION_##name)
#define OPTIONS_GLOBAL                                                                             \
	(OPTION_BIT(ENDPOINTS) | OPTION_BIT(TIMEOUT) | OPTION_BIT(JSON) | OPTION_BIT(COLOR) |      \
	 OPTION_BIT(QUIET) | OPTION_BIT(HELP) | OPTION_BIT(VERSION))

/* How often one LIST may be given, and all of them together. */
#define OPTION_REPEAT_MAX  64
#define OPTIONS_REPEAT_MAX 256

struct options {
	bool given[OPTION_COUNT];
	const char *text[OPTION_COUNT]; /* LIST: the last one */
	uint64_t number[OPTION_COUNT];  /* SECONDS: milliseconds; LIST: how many there are */
	struct {
		enum option_name option;
		const char *text;
	} repeated[OPTIONS_REPEAT_MAX]; /* every LIST, in the order of the command line */
	size_t repeated_count;
	char problem[256]; /* after a failed parse, what is wrong */
};

/*
 * Parse the options of ARGV that are in the set ALLOWED, and add them to
 * OPTIONS.  With STOP_AT_WORD parsing ends before the first word that is no
 * option, otherwise options and words may be mixed (ARGV is reordered).
 *
 * Returns the index of the first word, or -1 with options->problem set.
 */
int options_parse(struct options *options, int argc, char **argv, option_set allowed,
                  bool stop_at_word);

/* The texts of a LIST (room for OPTION_REPEAT_MAX); returns how many there are. */
size_t options_list(const struct options *options, enum option_name option, const char **texts);

/* Print one line of help for each option of the set. */
void options_print_help(FILE *out, option_set allowed);

#endif
