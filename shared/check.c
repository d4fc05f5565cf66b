/* CHECK's last words, and memory that is there or the process stops. */
#include "shared/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void
check_failed(const char *condition, const char *file, int line, const char *function)
{
	fprintf(stderr, "%s:%d: %s: CHECK failed: %s\n", file, line, function, condition);
	fflush(stderr);
	abort();
}

static void *
require_memory(void *memory, unsigned long size_bytes)
{
	if (memory == NULL) {
		fprintf(stderr, "out of memory: %lu bytes wanted\n", size_bytes);
		fflush(stderr);
		abort();
	}
	return memory;
}

/* An empty request still gets an address of its own, so that NULL always means failure. */
static unsigned long
at_least_one(unsigned long value)
{
	return value > 0 ? value : 1;
}

void *
check_malloc(unsigned long size_bytes)
{
	return require_memory(malloc(at_least_one(size_bytes)), size_bytes);
}

void *
check_calloc(unsigned long count, unsigned long size_bytes)
{
	return require_memory(calloc(at_least_one(count), at_least_one(size_bytes)), size_bytes);
}

void *
check_realloc(void *memory, unsigned long size_bytes)
{
	return require_memory(realloc(memory, at_least_one(size_bytes)), size_bytes);
}

char *
check_strdup(const char *text)
{
	size_t size_bytes = strlen(text) + 1;

	return memcpy(check_malloc(size_bytes), text, size_bytes);
}
