/* Reads values from arguments, files and standard input. */
#include "client/cli/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/memory.h"

/* Far above what a node can hold, so that the limit stays the servers' to state; it only keeps an
 * endless pipe from filling the memory. */
#define STREAM_SIZE_MAX (64u << 20)

int
value_read_stream(const struct cli *cli, FILE *file, const char *name, struct value *value)
{
	size_t capacity = 0;

	*value = (struct value){0};
	do {
		if (value->size == capacity) {
			capacity = capacity ? capacity * 2 : 8192;
			value->bytes = must_resize(value->bytes, capacity, 1);
		}
		value->size += fread(value->bytes + value->size, 1, capacity - value->size, file);
		if (value->size > STREAM_SIZE_MAX) {
			free(value->bytes);
			return cli_fail(cli, name, SYNOD_TOO_LARGE, NULL);
		}
	} while (!feof(file) && !ferror(file));
	if (ferror(file)) {
		free(value->bytes);
		return cli_fail_system(name, errno);
	}
	return 0;
}

static int
value_read_file(const struct cli *cli, const char *name, struct value *value)
{
	FILE *file = fopen(name, "rb");
	int code;

	if (!file)
		return cli_fail_system(name, errno);
	code = value_read_stream(cli, file, name, value);
	fclose(file);
	return code;
}

int
value_read(const struct cli *cli, const char *word, enum value_default none, struct value *value)
{
	const char *file = cli->options.text[OPTION_FILE];
	bool is_absent = cli->options.given[OPTION_NO_DATA];

	*value = (struct value){0};
	if ((word != NULL) + (file != NULL) + is_absent > 1)
		return cli_usage(cli, "give only one of VALUE, --file and --no-data");
	if (file && strcmp(file, "-") != 0)
		return value_read_file(cli, file, value);
	if (word && strcmp(word, "-") != 0) {
		*value = (struct value){must_copy(word), strlen(word)};
		return 0;
	}
	if (is_absent || (!word && !file && none == VALUE_ABSENT))
		return 0;
	if (!word && !file && isatty(STDIN_FILENO))
		return cli_usage(cli, "VALUE is missing; '-' reads standard input");
	return value_read_stream(cli, stdin, "standard input", value);
}
