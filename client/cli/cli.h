/* What every command of `synod` is given and may call. */
#ifndef CLIENT_CLI_CLI_H
#define CLIENT_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/options.h"
#include "client/synod.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_CONFLICT = 4,
	EXIT_NO_QUORUM = 7,
};

struct cli {
	const struct command *command;
	struct options options; /* global ones and the command's */
	char **words;           /* what follows the command and is no option */
	int word_count;
	struct synod *synod; /* after cli_open() */
	bool json;
	bool quiet;
	bool colors; /* of standard output */
};

struct command {
	const char *name;
	int (*run)(struct cli *cli); /* returns the exit code */
	const char *usage;           /* what follows the name */
	option_set options;          /* besides OPTIONS_GLOBAL */
	int words_min;
	int words_max;
	const char *help;     /* one line */
	const char *details;  /* paragraphs, or "" */
	const char *examples; /* one a line */
};

/* The table of commands.def, ended by a row without a name. */
extern const struct command commands[];
extern const char *const command_names[];

/* The whole program: parse, run, and return the exit code. */
int cli_main(int argc, char **argv);

/* Open the handle to the ensemble that the global options name.  Returns 0 or an exit code. */
int cli_open(struct cli *cli);

/* The endpoints that the global options name. */
const char *cli_endpoints(const struct cli *cli);

/* Options of a handle: the endpoints and the timeout. */
struct synod_options cli_synod_options(const struct cli *cli);

/* Report that the command line is wrong, and return EXIT_USAGE. */
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Report that SUBJECT (a path, a file) failed with ERROR, with RESULT's message
 * if it has one (RESULT may be NULL), and return the exit code of ERROR.
 */
int cli_fail(const struct cli *cli, const char *subject, int error,
             const struct synod_result *result);

/* The same with words of our own: WHAT happened, and what to do next. */
int cli_refuse(const char *subject, int error, const char *what, const char *hint);

/* The same for the errno of a system call. */
int cli_fail_system(const char *subject, int system_error);

/* Say on standard error what is the matter with SUBJECT, without ending anything. */
void cli_warn(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fill OPTIONS from --consistency and --at-least.  Returns 0 or EXIT_USAGE. */
int cli_read_options(const struct cli *cli, struct synod_read_options *options);

/* Print a path or name on standard output as it is, unless that is a terminal. */
void cli_print_name(const char *name);

/* Terminal sequences, or "" when colours are off. */
const char *cli_bold(const struct cli *cli);
const char *cli_red(const struct cli *cli);
const char *cli_plain(const struct cli *cli);

/* One function for each row of commands.def. */
#define COMMAND(name, function, usage, options, least, most, help, details, examples)              \
	int function(struct cli *cli);
#include "client/cli/commands.def"
#undef COMMAND

#endif
