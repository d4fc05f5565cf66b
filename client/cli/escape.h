/* Bytes of unknown content, made safe to show on a terminal and in one line. */
#ifndef CLIENT_CLI_ESCAPE_H
#define CLIENT_CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum escape_style {
	ESCAPE_TEXT,   /* newlines and tabs stay: for a whole value on a terminal */
	ESCAPE_LINE,   /* one line, whatever it holds */
	ESCAPE_QUOTED, /* one line between quotes: quotes and backslashes are escaped too */
};

/* Print DATA with control characters and bytes that are not UTF-8 as \n, \t, \xNN. */
void escape_print(FILE *out, const void *data, size_t size, enum escape_style style);

/* The same as ESCAPE_QUOTED, in quotes, at most WIDTH characters of it and then "...": to be freed
 * by the caller.  "-" without quotes for absent data (NULL). */
char *escape_preview(const void *data, size_t size, size_t width);

/* True if DATA is UTF-8 without a zero byte, so that JSON can carry it as a string. */
bool is_text(const void *data, size_t size);

/* Characters (code points) of UTF-8 TEXT; every byte that is none counts as one. */
size_t character_count(const char *text);

#endif
