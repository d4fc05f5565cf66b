/* Lines of cells, printed as aligned columns. */
#ifndef CLIENT_CLI_TABLE_H
#define CLIENT_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 20

struct table_column {
	const char *title;
	bool is_number; /* aligned to the right */
};

struct table {
	const struct table_column *columns;
	size_t column_count;
	char **cells; /* row after row; owned */
	size_t cell_count;
	size_t capacity;
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count);
void table_fini(struct table *table);

/* Append the next cell of the current row: a formatted text, not empty. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fill the rest of the current row: TEXT in its next cell, then nothing. */
void table_end_row(struct table *table, const char *text);

/* Print the titles (between BOLD and PLAIN, both maybe "") and every row.  The last column is not
 * padded. */
void table_print(const struct table *table, FILE *out, const char *bold, const char *plain);

#endif
