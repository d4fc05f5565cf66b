/* Aligned columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/table.h"

static const struct table_column columns[] = {{"NAME", false}, {"SIZE", true}, {"OWNER", false}};

static void
assert_printed(const struct table *table, const char *wanted)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	table_print(table, out, "<", ">");
	fclose(out);
	assert_string_equal(text, wanted);
	free(text);
}

static void
aligns_text_left_and_numbers_right(void **state)
{
	struct table table;

	(void)state;
	table_init(&table, columns, 3);
	table_add(&table, "a");
	table_add(&table, "%d", 12345);
	table_add(&table, "-");
	table_add(&table, "größer");
	table_add(&table, "%d", 7);
	table_add(&table, "x");
	assert_printed(&table, "<NAME     SIZE  OWNER>\n"
	                       "a       12345  -\n"
	                       "größer      7  x\n");
	table_fini(&table);
}

static void
lets_a_row_that_was_cut_short_run_on(void **state)
{
	struct table table;

	(void)state;
	table_init(&table, columns, 3);
	table_add(&table, "b");
	table_end_row(&table, "cannot be asked: no answer in time");
	table_add(&table, "c");
	table_add(&table, "1");
	table_add(&table, "y");
	assert_printed(&table, "<NAME  SIZE  OWNER>\n"
	                       "b     cannot be asked: no answer in time\n"
	                       "c        1  y\n");
	table_fini(&table);
}

static void
prints_the_titles_of_an_empty_table(void **state)
{
	struct table table;

	(void)state;
	table_init(&table, columns, 3);
	assert_printed(&table, "<NAME  SIZE  OWNER>\n");
	table_fini(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligns_text_left_and_numbers_right),
		cmocka_unit_test(lets_a_row_that_was_cut_short_run_on),
		cmocka_unit_test(prints_the_titles_of_an_empty_table),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
