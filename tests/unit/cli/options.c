/* Options before and after the command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/options.h"

#define ALLOWED (OPTIONS_GLOBAL | OPTION_BIT(IF_VERSION) | OPTION_BIT(SIZE) | OPTION_BIT(RECURSIVE))

struct line {
	struct options options;
	char *words[16];
	int count;
	int first;
};

/* Parse the words of TEXT, which are separated by single spaces. */
static void
parse(struct line *line, char *text, bool stop_at_word)
{
	memset(line, 0, sizeof *line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		line->words[line->count++] = word;
	line->first =
		options_parse(&line->options, line->count, line->words, ALLOWED, stop_at_word);
}

static void
takes_options_among_the_words(void **state)
{
	char text[] = "set /a --if-version 7 value -r --json";
	struct line line;

	(void)state;
	parse(&line, text, false);
	assert_int_equal(line.first, 5);
	assert_string_equal(line.words[5], "/a");
	assert_string_equal(line.words[6], "value");
	assert_true(line.options.given[OPTION_JSON]);
	assert_true(line.options.given[OPTION_RECURSIVE]);
	assert_false(line.options.given[OPTION_QUIET]);
	assert_int_equal(line.options.number[OPTION_IF_VERSION], 7);
}

static void
stops_at_the_command_when_asked(void **state)
{
	char text[] = "synod -e a:1,b:2 set --json /a";
	struct line line;

	(void)state;
	parse(&line, text, true);
	assert_int_equal(line.first, 3);
	assert_string_equal(line.options.text[OPTION_ENDPOINTS], "a:1,b:2");
	assert_false(line.options.given[OPTION_JSON]);
}

static void
takes_everything_after_two_dashes_as_words(void **state)
{
	char text[] = "set -- /a -5";
	struct line line;

	(void)state;
	parse(&line, text, false);
	assert_int_equal(line.first, 2);
	assert_string_equal(line.words[3], "-5");
}

static void
assert_refused(const char *words, const char *problem)
{
	char text[128];
	struct line line;

	strcpy(text, words);
	parse(&line, text, false);
	assert_int_equal(line.first, -1);
	assert_string_equal(line.options.problem, problem);
}

static void
says_what_is_wrong(void **state)
{
	(void)state;
	assert_refused("set /a --bogus", "unknown or ambiguous option '--bogus'");
	assert_refused("set /a -5",
	               "unknown option '-5'; a value that begins with '-' goes after '--'");
	assert_refused("set /a --if-version", "--if-version needs its VERSION");
	assert_refused("set /a -e", "--endpoints needs its HOST:PORT,...");
	assert_refused("set /a --json=yes", "--json takes no argument");
	assert_refused("set /a --if-version x", "--if-version: 'x' is not a whole number");
	assert_refused("set /a --size 1Q", "--size: '1Q' is not a size such as 256, 64k or 1M");
	assert_refused("set --timeout soon",
	               "--timeout: 'soon' is not a number of seconds such as 5 or 0.5");
}

static void
refuses_an_option_of_another_command(void **state)
{
	(void)state;
	assert_refused("set /a --history f", "unknown or ambiguous option '--history'");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_options_among_the_words),
		cmocka_unit_test(stops_at_the_command_when_asked),
		cmocka_unit_test(takes_everything_after_two_dashes_as_words),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(refuses_an_option_of_another_command),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
