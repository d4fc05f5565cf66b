/* Parses the options of a command line with getopt_long. */
#include "client/cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/units.h"

enum option_kind {
	KIND_FLAG,
	KIND_TEXT,
	KIND_LIST,
	KIND_COUNT,
	KIND_SIZE,
	KIND_SECONDS,
};

struct option_row {
	char letter;
	const char *word;
	enum option_kind kind;
	const char *argument;
	const char *help;
};

static const struct option_row rows[OPTION_COUNT] = {
#define OPTION(name, letter, word, kind, argument, help)                                           \
	{letter, word, KIND_##kind, argument, help},
#include "client/cli/options.def"
#undef OPTION
};

/* Long options without a letter get these values from getopt_long. */
#define LONG_ONLY_BASE 256

/* What getopt_long wants to know of the options in ALLOWED. */
struct getopt_tables {
	struct option words[OPTION_COUNT + 1];
	char letters[2 * OPTION_COUNT + 3];
};

static void
tables_fill(struct getopt_tables *tables, option_set allowed, bool stop_at_word)
{
	size_t word_count = 0;
	char *letter = tables->letters;

	memset(tables, 0, sizeof *tables);
	if (stop_at_word)
		*letter++ = '+';
	*letter++ = ':'; /* tell a missing argument from an unknown option */
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &rows[i];

		if (!(allowed >> i & 1))
			continue;
		tables->words[word_count++] = (struct option){
			.name = row->word,
			.has_arg = row->argument ? required_argument : no_argument,
			.val = LONG_ONLY_BASE + i,
		};
		if (row->letter) {
			*letter++ = row->letter;
			if (row->argument)
				*letter++ = ':';
		}
	}
}

static int
option_of(int value)
{
	if (value >= LONG_ONLY_BASE)
		return value - LONG_ONLY_BASE;
	for (int i = 0; i < OPTION_COUNT; i++) {
		if (rows[i].letter == value)
			return i;
	}
	return -1;
}

static bool
list_take(struct options *options, int option, const char *argument)
{
	if (options->number[option] == OPTION_REPEAT_MAX ||
	    options->repeated_count == OPTIONS_REPEAT_MAX) {
		snprintf(options->problem, sizeof options->problem,
		         "--%s is given more than %d times", rows[option].word, OPTION_REPEAT_MAX);
		return false;
	}
	options->number[option]++;
	options->repeated[options->repeated_count].option = (enum option_name)option;
	options->repeated[options->repeated_count].text = argument;
	options->repeated_count++;
	return true;
}

static bool
option_take(struct options *options, int option, const char *argument)
{
	const struct option_row *row = &rows[option];
	uint64_t *number = &options->number[option];
	const char *wanted = NULL;

	options->given[option] = true;
	options->text[option] = argument;
	if (row->kind == KIND_LIST)
		return list_take(options, option, argument);
	if (row->kind == KIND_COUNT && !parse_count(argument, number))
		wanted = "a whole number";
	if (row->kind == KIND_SIZE && !parse_size(argument, number))
		wanted = "a size such as 256, 64k or 1M";
	if (row->kind == KIND_SECONDS && !parse_seconds(argument, number))
		wanted = "a number of seconds such as 5 or 0.5";
	if (wanted)
		snprintf(options->problem, sizeof options->problem, "--%s: '%.80s' is not %s",
		         row->word, argument, wanted);
	return wanted == NULL;
}

static void
describe_problem(struct options *options, int value, char **argv)
{
	const char *word = argv[optind > 0 ? optind - 1 : 0];

	if (value == ':') {
		int option = option_of(optopt);

		snprintf(options->problem, sizeof options->problem, "--%s needs its %s",
		         option >= 0 ? rows[option].word : "?",
		         option >= 0 ? rows[option].argument : "argument");
	} else if (optopt >= LONG_ONLY_BASE) {
		snprintf(options->problem, sizeof options->problem, "--%s takes no argument",
		         rows[optopt - LONG_ONLY_BASE].word);
	} else if (optopt) {
		snprintf(options->problem, sizeof options->problem,
		         "unknown option '-%c'; a value that begins with '-' goes after '--'",
		         optopt);
	} else {
		snprintf(options->problem, sizeof options->problem,
		         "unknown or ambiguous option '%.80s'", word);
	}
}

int
options_parse(struct options *options, int argc, char **argv, option_set allowed, bool stop_at_word)
{
	struct getopt_tables tables;
	int value;

	tables_fill(&tables, allowed, stop_at_word);
	opterr = 0;
	optind = 0; /* glibc: start anew, whatever an earlier parse left behind */
	while ((value = getopt_long(argc, argv, tables.letters, tables.words, NULL)) != -1) {
		if (value == '?' || value == ':') {
			describe_problem(options, value, argv);
			return -1;
		}
		if (!option_take(options, option_of(value), optarg))
			return -1;
	}
	return optind;
}

size_t
options_list(const struct options *options, enum option_name option, const char **texts)
{
	size_t count = 0;

	for (size_t i = 0; i < options->repeated_count; i++) {
		if (options->repeated[i].option == option)
			texts[count++] = options->repeated[i].text;
	}
	return count;
}

void
options_print_help(FILE *out, option_set allowed)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &rows[i];
		char left[64];
		int length;

		if (!(allowed >> i & 1))
			continue;
		length = snprintf(left, sizeof left, "  %s%c%c --%s%s%s", row->letter ? "-" : " ",
		                  row->letter ? row->letter : ' ', row->letter ? ',' : ' ',
		                  row->word, row->argument ? " " : "",
		                  row->argument ? row->argument : "");
		if (length > 30)
			fprintf(out, "%s\n%31s%s\n", left, "", row->help);
		else
			fprintf(out, "%-31s%s\n", left, row->help);
	}
}
