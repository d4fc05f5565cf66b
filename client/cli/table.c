/* Prints aligned columns. */
#include "client/cli/table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "client/cli/escape.h"
#include "client/cli/memory.h"

void
table_init(struct table *table, const struct table_column *columns, size_t column_count)
{
	*table = (struct table){.columns = columns, .column_count = column_count};
}

void
table_fini(struct table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	free(table->cells);
}

static void
table_add_owned(struct table *table, char *text)
{
	if (table->cell_count == table->capacity) {
		table->capacity = table->capacity ? table->capacity * 2 : 64;
		table->cells = must_resize(table->cells, table->capacity, sizeof *table->cells);
	}
	table->cells[table->cell_count++] = text;
}

void
table_add(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	table_add_owned(table, must(length < 0 ? NULL : text));
}

void
table_end_row(struct table *table, const char *text)
{
	while (table->cell_count % table->column_count != 0) {
		table_add(table, "%s", text);
		text = "";
	}
}

static const char *
cell(const struct table *table, size_t row, size_t column)
{
	return table->cells[row * table->column_count + column];
}

static void
print_cell(FILE *out, const char *text, size_t width, bool is_number, bool is_last)
{
	int padding = (int)(width - character_count(text));

	if (is_number)
		fprintf(out, "%*s", padding, "");
	fputs(text, out);
	if (!is_number && !is_last)
		fprintf(out, "%*s", padding, "");
	if (!is_last)
		fputs("  ", out);
}

/* A long reason in a row that was cut short must not push the columns of all others apart. */
static bool
ends_row(const struct table *table, size_t row, size_t column)
{
	return column + 1 < table->column_count && cell(table, row, column + 1)[0] == '\0';
}

static size_t
column_width(const struct table *table, size_t row_count, size_t column)
{
	size_t width = character_count(table->columns[column].title);

	for (size_t row = 0; row < row_count; row++) {
		size_t count = character_count(cell(table, row, column));

		if (count > width && !ends_row(table, row, column))
			width = count;
	}
	return width;
}

void
table_print(const struct table *table, FILE *out, const char *bold, const char *plain)
{
	size_t widths[TABLE_COLUMNS_MAX];
	size_t count = table->column_count;
	size_t row_count = table->cell_count / count;

	for (size_t i = 0; i < count; i++)
		widths[i] = column_width(table, row_count, i);
	fputs(bold, out);
	for (size_t i = 0; i < count; i++)
		print_cell(out, table->columns[i].title, widths[i], table->columns[i].is_number,
		           i + 1 == count);
	fprintf(out, "%s\n", plain);
	for (size_t row = 0; row < row_count; row++) {
		for (size_t i = 0; i < count; i++) {
			if (ends_row(table, row, i)) {
				fputs(cell(table, row, i), out);
				break;
			}
			print_cell(out, cell(table, row, i), widths[i], table->columns[i].is_number,
			           i + 1 == count);
		}
		fputc('\n', out);
	}
}
