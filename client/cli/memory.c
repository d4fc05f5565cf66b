/* Allocates, or ends the program with a message. */
#include "client/cli/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/error.h"

void *
must(void *pointer)
{
	if (!pointer) {
		fprintf(stderr, "synod: %s (NO_MEMORY)\n", error_text(SYNOD_NO_MEMORY));
		exit(error_exit_code(SYNOD_NO_MEMORY));
	}
	return pointer;
}

void *
must_calloc(size_t count, size_t size)
{
	return must(calloc(count ? count : 1, size ? size : 1));
}

void *
must_resize(void *memory, size_t count, size_t size)
{
	return must(reallocarray(memory, count ? count : 1, size));
}

char *
must_copy(const char *text)
{
	return must(strdup(text));
}

char *
must_format(const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	return must(length < 0 ? NULL : text);
}
