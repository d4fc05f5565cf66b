/* Escapes what a terminal must not interpret. */
#include "client/cli/escape.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/memory.h"
#include "shared/utf8.h"

/* The size of the well-formed character at BYTES, 0 if there is none. */
static size_t
character_size(const uint8_t *bytes, size_t size)
{
	for (size_t length = 1; length <= 4 && length <= size; length++) {
		if (utf8_is_valid((struct slice){bytes, length}))
			return length;
	}
	return 0;
}

/* C0 and C1 controls and DEL: a terminal acts on them. */
static bool
is_control(const uint8_t *bytes, size_t length)
{
	if (length == 1)
		return bytes[0] < 0x20 || bytes[0] == 0x7f;
	return length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0;
}

/* Print the character at BYTES and return its size. */
static size_t
print_character(FILE *out, const uint8_t *bytes, size_t size, enum escape_style style)
{
	size_t length = character_size(bytes, size);
	const char *named = NULL;

	if (bytes[0] == '\n')
		named = style == ESCAPE_TEXT ? "\n" : "\\n";
	else if (bytes[0] == '\t')
		named = style == ESCAPE_TEXT ? "\t" : "\\t";
	else if (bytes[0] == '\\')
		named = style == ESCAPE_QUOTED ? "\\\\" : "\\";
	else if (bytes[0] == '"')
		named = style == ESCAPE_QUOTED ? "\\\"" : "\"";
	if (named) {
		fputs(named, out);
		return 1;
	}
	if (length == 0 || is_control(bytes, length)) {
		size_t count = length ? length : 1;

		for (size_t i = 0; i < count; i++)
			fprintf(out, "\\x%02x", bytes[i]);
		return count;
	}
	fwrite(bytes, 1, length, out);
	return length;
}

void
escape_print(FILE *out, const void *data, size_t size, enum escape_style style)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size;)
		i += print_character(out, bytes + i, size - i, style);
}

char *
escape_preview(const void *data, size_t size, size_t width)
{
	const uint8_t *bytes = data;
	char *text = NULL;
	size_t text_size = 0;
	size_t shown = 0;
	FILE *out;

	if (!data)
		return must_copy("-");
	out = must(open_memstream(&text, &text_size));
	fputc('"', out);
	for (size_t i = 0; i < size; shown++) {
		if (shown == width) {
			fputs("\"...", out);
			break;
		}
		i += print_character(out, bytes + i, size - i, ESCAPE_QUOTED);
		if (i >= size)
			fputc('"', out);
	}
	if (size == 0)
		fputc('"', out);
	fclose(out);
	return must(text);
}

bool
is_text(const void *data, size_t size)
{
	return !memchr(data, 0, size) && utf8_is_valid((struct slice){data, size});
}

size_t
character_count(const char *text)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t size = strlen(text);
	size_t count = 0;

	for (size_t i = 0; i < size; count++) {
		size_t length = character_size(bytes + i, size - i);

		i += length ? length : 1;
	}
	return count;
}
