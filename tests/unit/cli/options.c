/* Options before and after the command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/options.h"

#define ALLOWED                                                                                    \
	(OPTIONS_GLOBAL | OPTION_BIT(IF_VERSION) | OPTION_BIT(SIZE) | OPTION_BIT(RECURSIVE) |      \
	 OPTION_BIT(TAG) | OPTION_BIT(META) | OPTION_BIT(ALL))

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
keeps_each_text_of_an_option_that_may_be_repeated(void **state)
{
	char text[] = "resolve web --tag a --meta x=1 --tag b --all";
	const char *texts[OPTION_REPEAT_MAX];
	struct line line;

	(void)state;
	parse(&line, text, false);
	assert_int_equal(line.first, 8);
	assert_true(line.options.given[OPTION_ALL]);
	assert_int_equal(options_list(&line.options, OPTION_TAG, texts), 2);
	assert_string_equal(texts[0], "a");
	assert_string_equal(texts[1], "b");
	assert_int_equal(options_list(&line.options, OPTION_META, texts), 1);
	assert_string_equal(texts[0], "x=1");
	assert_int_equal(options_list(&line.options, OPTION_HEALTH_CHECK, texts), 0);
}

static void
bounds_how_often_an_option_is_repeated(void **state)
{
	static char command[] = "resolve", tag[] = "--tag", value[] = "x", more[] = "--tag=y";
	char *words[2 * OPTION_REPEAT_MAX + 4] = {command};
	const char *texts[OPTION_REPEAT_MAX];
	static struct options options;
	int count = 1;

	(void)state;
	for (int i = 0; i < OPTION_REPEAT_MAX; i++) {
		words[count++] = tag;
		words[count++] = value;
	}
	assert_int_equal(options_parse(&options, count, words, ALLOWED, false), count);
	assert_int_equal(options_list(&options, OPTION_TAG, texts), OPTION_REPEAT_MAX);
	memset(&options, 0, sizeof options);
	words[count++] = more;
	assert_int_equal(options_parse(&options, count, words, ALLOWED, false), -1);
	assert_string_equal(options.problem, "--tag is given more than 64 times");
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
		cmocka_unit_test(keeps_each_text_of_an_option_that_may_be_repeated),
		cmocka_unit_test(bounds_how_often_an_option_is_repeated),
		cmocka_unit_test(stops_at_the_command_when_asked),
		cmocka_unit_test(takes_everything_after_two_dashes_as_words),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(refuses_an_option_of_another_command),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
