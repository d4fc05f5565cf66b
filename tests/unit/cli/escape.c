/* What may be shown on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/escape.h"

static void
assert_escaped(const char *data, size_t size, enum escape_style style, const char *wanted)
{
	char *text = NULL;
	size_t text_size = 0;
	FILE *out = open_memstream(&text, &text_size);

	assert_non_null(out);
	escape_print(out, data, size, style);
	fclose(out);
	assert_string_equal(text, wanted);
	free(text);
}

static void
leaves_text_alone(void **state)
{
	(void)state;
	assert_escaped("grün → 日本 🙂", strlen("grün → 日本 🙂"), ESCAPE_LINE,
	               "grün → 日本 🙂");
	assert_escaped("a\n\tb\\\"", 6, ESCAPE_TEXT, "a\n\tb\\\"");
}

static void
shows_what_a_terminal_would_act_on(void **state)
{
	(void)state;
	assert_escaped("\033[2J\007\177\r", 7, ESCAPE_TEXT, "\\x1b[2J\\x07\\x7f\\x0d");
	/* U+009B is a control sequence introducer in two bytes of UTF-8. */
	assert_escaped("\xc2\x9b"
	               "2J",
	               4, ESCAPE_TEXT, "\\xc2\\x9b2J");
	assert_escaped("a\0b", 3, ESCAPE_TEXT, "a\\x00b");
}

static void
shows_bytes_that_are_not_utf8(void **state)
{
	(void)state;
	assert_escaped("\xff\xc3(\xc3", 4, ESCAPE_TEXT, "\\xff\\xc3(\\xc3");
	assert_escaped("\xed\xa0\x80", 3, ESCAPE_TEXT, "\\xed\\xa0\\x80");
}

static void
keeps_a_line_one_line(void **state)
{
	(void)state;
	assert_escaped("a\nb\tc\"\\", 7, ESCAPE_LINE, "a\\nb\\tc\"\\");
	assert_escaped("a\nb\tc\"\\", 7, ESCAPE_QUOTED, "a\\nb\\tc\\\"\\\\");
}

static void
assert_preview(const void *data, size_t size, size_t width, const char *wanted)
{
	char *text = escape_preview(data, size, width);

	assert_string_equal(text, wanted);
	free(text);
}

static void
previews_the_beginning(void **state)
{
	(void)state;
	assert_preview("hello", 5, 5, "\"hello\"");
	assert_preview("hello!", 6, 5, "\"hello\"...");
	assert_preview("grün", 5, 4, "\"grün\"");
	assert_preview("", 0, 5, "\"\"");
	assert_preview(NULL, 0, 5, "-");
}

static void
knows_text_from_bytes(void **state)
{
	(void)state;
	assert_true(is_text("", 0));
	assert_true(is_text("a\033", 2));
	assert_false(is_text("a\0", 2));
	assert_false(is_text("\xff", 1));
	assert_int_equal(character_count("grün\xff"), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_text_alone),
		cmocka_unit_test(shows_what_a_terminal_would_act_on),
		cmocka_unit_test(shows_bytes_that_are_not_utf8),
		cmocka_unit_test(keeps_a_line_one_line),
		cmocka_unit_test(previews_the_beginning),
		cmocka_unit_test(knows_text_from_bytes),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
