/* Finds the command, runs it, and reports errors the same way for all of them. */
#include "client/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/escape.h"
#include "client/cli/memory.h"
#include "client/cli/suggest.h"
#include "shared/error.h"

const struct command commands[] = {
#define COMMAND(name, function, usage, options, least, most, help, details, examples)              \
	{name, function, usage, options, least, most, help, details, examples},
#include "client/cli/commands.def"
#undef COMMAND
	{.name = NULL},
};

const char *const command_names[] = {
#define COMMAND(name, function, usage, options, least, most, help, details, examples) name,
#include "client/cli/commands.def"
#undef COMMAND
	NULL,
};

static const struct command *
command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

/* ---- errors ---- */

int
cli_usage(const struct cli *cli, const char *format, ...)
{
	const char *name = cli->command ? cli->command->name : NULL;
	va_list arguments;

	fputs("synod: ", stderr);
	if (name)
		fprintf(stderr, "%s: ", name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" (BAD_ARGUMENT)\n", stderr);
	if (name)
		fprintf(stderr, "  usage: synod %s [OPTION...] %s; see `synod %s --help`\n", name,
		        cli->command->usage, name);
	else
		fputs("  see `synod help`\n", stderr);
	return EXIT_USAGE;
}

int
cli_fail(const struct cli *cli, const char *subject, int error, const struct synod_result *result)
{
	fputs("synod: ", stderr);
	escape_print(stderr, subject, strlen(subject), ESCAPE_LINE);
	fprintf(stderr, ": %s", error_text(error));
	if (result && result->message && result->message[0]) {
		fputs(": ", stderr);
		escape_print(stderr, result->message, strlen(result->message), ESCAPE_LINE);
	}
	fprintf(stderr, " (%s)\n  %s", error_name(error), error_hint(error));
	if (error_exit_code(error) == EXIT_NO_QUORUM)
		fprintf(stderr, "; asked: %s", cli_endpoints(cli));
	fputc('\n', stderr);
	return error_exit_code(error);
}

int
cli_refuse(const char *subject, int error, const char *what, const char *hint)
{
	fputs("synod: ", stderr);
	escape_print(stderr, subject, strlen(subject), ESCAPE_LINE);
	fputs(": ", stderr);
	escape_print(stderr, what, strlen(what), ESCAPE_LINE);
	fprintf(stderr, " (%s)\n  ", error_name(error));
	escape_print(stderr, hint, strlen(hint), ESCAPE_LINE);
	fputc('\n', stderr);
	return error_exit_code(error);
}

int
cli_fail_system(const char *subject, int system_error)
{
	fputs("synod: ", stderr);
	escape_print(stderr, subject, strlen(subject), ESCAPE_LINE);
	fprintf(stderr, ": %s (%s)\n", strerror(system_error), strerrorname_np(system_error));
	return EXIT_ERROR;
}

void
cli_warn(const char *subject, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	size_t size;
	FILE *out = must(open_memstream(&text, &size));

	fputs("synod: ", out);
	escape_print(out, subject, strlen(subject), ESCAPE_LINE);
	fputs(": ", out);
	va_start(arguments, format);
	vfprintf(out, format, arguments);
	va_end(arguments);
	fputc('\n', out);
	fclose(out);
	fputs(must(text), stderr); /* at once: threads and commands that we run write there too */
	free(text);
}

/* ---- colours ---- */

static const char *
sequence(const struct cli *cli, const char *text)
{
	return cli->colors ? text : "";
}

const char *
cli_bold(const struct cli *cli)
{
	return sequence(cli, "\033[1m");
}

const char *
cli_red(const struct cli *cli)
{
	return sequence(cli, "\033[31m");
}

const char *
cli_plain(const struct cli *cli)
{
	return sequence(cli, "\033[0m");
}

static int
cli_set_colors(struct cli *cli)
{
	const char *when = cli->options.text[OPTION_COLOR];
	const char *terminal = getenv("TERM");

	if (!when || strcmp(when, "auto") == 0)
		cli->colors = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal &&
		              strcmp(terminal, "dumb") != 0;
	else if (strcmp(when, "always") == 0)
		cli->colors = true;
	else if (strcmp(when, "never") == 0)
		cli->colors = false;
	else
		return cli_usage(cli, "--color: '%s' is none of auto, always, never", when);
	return 0;
}

/* ---- what commands share ---- */

const char *
cli_endpoints(const struct cli *cli)
{
	const char *endpoints = cli->options.text[OPTION_ENDPOINTS];

	if (!endpoints)
		endpoints = getenv("SYNOD_ENDPOINTS");
	return endpoints && endpoints[0] ? endpoints : "127.0.0.1:7400";
}

struct synod_options
cli_synod_options(const struct cli *cli)
{
	return (struct synod_options){
		.endpoints = cli_endpoints(cli),
		.call_timeout_ms = (unsigned)cli->options.number[OPTION_TIMEOUT],
	};
}

int
cli_open(struct cli *cli)
{
	struct synod_options options = cli_synod_options(cli);
	int error = synod_open(&options, &cli->synod);

	return error ? cli_fail(cli, cli_endpoints(cli), error, NULL) : 0;
}

int
cli_read_options(const struct cli *cli, struct synod_read_options *options)
{
	const char *kind = cli->options.text[OPTION_CONSISTENCY];

	if (kind && strcmp(kind, "local") == 0)
		options->consistency = SYNOD_LOCAL;
	else if (kind && strcmp(kind, "linearizable") != 0)
		return cli_usage(cli, "--consistency: '%s' is neither linearizable nor local",
		                 kind);
	if (cli->options.given[OPTION_AT_LEAST]) {
		if (kind)
			return cli_usage(cli, "--at-least and --consistency exclude each other");
		options->consistency = SYNOD_AT_LEAST;
		options->at_least = cli->options.number[OPTION_AT_LEAST];
	}
	return 0;
}

void
cli_print_name(const char *name)
{
	if (isatty(STDOUT_FILENO))
		escape_print(stdout, name, strlen(name), ESCAPE_TEXT);
	else
		fputs(name, stdout);
}

/* ---- help ---- */

static void
print_overview(FILE *out)
{
	fputs("usage: synod [OPTION...] COMMAND [ARGUMENT...]\n\n"
	      "Reads and changes the namespace of a Synod ensemble.\n\ncommands:\n",
	      out);
	for (const struct command *command = commands; command->name; command++)
		fprintf(out, "  %-9s %s\n", command->name, command->help);
	fputs("\noptions, before or after the command:\n", out);
	options_print_help(out, OPTIONS_GLOBAL);
	fputs("\nexit codes: 0 done, 1 error, 2 usage, 3 not found, 4 conflict, 5 unknown outcome, "
	      "6 lock lost, 7 no quorum\n`synod COMMAND --help` explains one command, with "
	      "examples.\n",
	      out);
}

static void
print_command_help(const struct command *command)
{
	printf("usage: synod %s [OPTION...] %s\n\n%s\n", command->name, command->usage,
	       command->help);
	if (command->details[0])
		printf("\n%s", command->details);
	puts("\noptions:");
	options_print_help(stdout, command->options | OPTIONS_GLOBAL);
	puts("\nexamples:");
	for (const char *line = command->examples; *line;) {
		int length = (int)strcspn(line, "\n");

		printf("  %.*s\n", length, line);
		line += length + 1;
	}
}

static int
unknown_command(const struct cli *cli, const char *name)
{
	const char *near = suggest(name, command_names);

	if (near)
		return cli_usage(cli, "there is no command '%s'; did you mean '%s'?", name, near);
	return cli_usage(cli, "there is no command '%s'", name);
}

int
command_help(struct cli *cli)
{
	const struct command *command;

	if (cli->word_count == 0) {
		print_overview(stdout);
		return 0;
	}
	command = command_find(cli->words[0]);
	if (!command)
		return unknown_command(cli, cli->words[0]);
	print_command_help(command);
	return 0;
}

int
command_version(struct cli *cli)
{
	if (cli->json)
		printf("{\"version\":\"%s\"}\n", SYNOD_VERSION);
	else
		printf("synod %s\n", SYNOD_VERSION);
	return 0;
}

/* ---- the program ---- */

static int
run_command(struct cli *cli)
{
	const struct command *command = cli->command;

	if (cli_set_colors(cli) != 0)
		return EXIT_USAGE;
	if (cli->options.given[OPTION_VERSION])
		return command_version(cli);
	if (cli->options.given[OPTION_HELP]) {
		print_command_help(command);
		return 0;
	}
	if (cli->options.given[OPTION_TIMEOUT] && cli->options.number[OPTION_TIMEOUT] == 0)
		return cli_usage(cli, "--timeout must be more than 0");
	if (cli->word_count < command->words_min)
		return cli_usage(cli, "an argument is missing");
	if (cli->word_count > command->words_max)
		return cli_usage(cli, "'%s' is one argument too many",
		                 cli->words[command->words_max]);
	return command->run(cli);
}

/* A result that could not be written is no success, whatever the command thought. */
static int
finish_output(int code)
{
	bool failed = ferror(stdout);

	errno = 0;
	if (fflush(stdout) != 0 || failed) {
		cli_fail_system("standard output", errno ? errno : EIO);
		return code ? code : EXIT_ERROR;
	}
	return code;
}

static int
parse_and_run(struct cli *cli, int argc, char **argv)
{
	int first = options_parse(&cli->options, argc, argv, OPTIONS_GLOBAL, true);

	if (first < 0)
		return cli_usage(cli, "%s", cli->options.problem);
	cli->json = cli->options.given[OPTION_JSON];
	if (first == argc) {
		if (cli->options.given[OPTION_VERSION])
			return command_version(cli);
		print_overview(cli->options.given[OPTION_HELP] ? stdout : stderr);
		return cli->options.given[OPTION_HELP] ? EXIT_DONE : EXIT_USAGE;
	}
	cli->command = command_find(argv[first]);
	if (!cli->command)
		return unknown_command(cli, argv[first]);
	argc -= first;
	argv += first;
	first = options_parse(&cli->options, argc, argv, OPTIONS_GLOBAL | cli->command->options,
	                      false);
	if (first < 0)
		return cli_usage(cli, "%s", cli->options.problem);
	cli->json = cli->options.given[OPTION_JSON];
	cli->quiet = cli->options.given[OPTION_QUIET];
	cli->words = argv + first;
	cli->word_count = argc - first;
	return run_command(cli);
}

/* What is closed among them would become a connection of the library's, with our messages in it.
 * What cannot be written to still cannot. */
static void
occupy_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int
cli_main(int argc, char **argv)
{
	struct cli cli = {0};
	int code;

	occupy_standard_descriptors();
	setlocale(LC_CTYPE, "");
	code = finish_output(parse_and_run(&cli, argc, argv));
	synod_close(cli.synod);
	return code;
}
