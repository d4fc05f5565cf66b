/* The value of a node, from wherever the command line says. */
#ifndef CLIENT_CLI_VALUE_H
#define CLIENT_CLI_VALUE_H

#include <stdio.h>

#include "client/cli/cli.h"

struct value {
	char *bytes; /* owned; NULL: absent */
	size_t size;
};

enum value_default {
	VALUE_ABSENT,    /* without a word the node has no data */
	VALUE_FROM_PIPE, /* without a word read standard input, unless that is a terminal */
};

/* Fill VALUE from --file, from WORD ("-": standard input; NULL: none given), or as NONE says.
 * Returns 0, or an exit code after an error message. */
int value_read(const struct cli *cli, const char *word, enum value_default none,
               struct value *value);

/* All of FILE, which errors call NAME.  Refuses more than any node can hold. */
int value_read_stream(const struct cli *cli, FILE *file, const char *name, struct value *value);

#endif
