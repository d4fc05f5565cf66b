/* Memory for a command that cannot go on without it. */
#ifndef CLIENT_CLI_MEMORY_H
#define CLIENT_CLI_MEMORY_H

#include <stddef.h>

/* POINTER, unless it is NULL: then the program ends with a message. */
void *must(void *pointer);

void *must_calloc(size_t count, size_t size);
void *must_resize(void *memory, size_t count, size_t size);
char *must_copy(const char *text);

/* A formatted text, to be freed. */
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
