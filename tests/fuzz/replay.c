/*
 * Feed saved inputs to a fuzz target: each argument is a file, or a directory of
 * files.  Linked in the place of libFuzzer, so that any compiler can replay.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned input_count;

static void
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat status;

	CHECK(file);
	CHECK(fstat(fileno(file), &status) == 0);

	/* Exactly as large as the input, so that a sanitizer sees a read beyond its end. */
	size_t size = (size_t)status.st_size;
	uint8_t *bytes = check_malloc(size ? size : 1);

	CHECK(fread(bytes, 1, size, file) == size);
	fclose(file);
	/* Said before it runs: after a crash, the log ends with the culprit. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, size);
	input_count++;
	free(bytes);
}

static int
is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
replay(const char *path)
{
	struct dirent **entries;
	struct stat status;

	if (stat(path, &status) != 0)
		return; /* a target without saved inputs */
	if (!S_ISDIR(status.st_mode)) {
		replay_file(path);
		return;
	}
	int count = scandir(path, &entries, is_input, alphasort);

	CHECK(count >= 0);
	for (int i = 0; i < count; i++) {
		char file[4096];

		snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
		replay_file(file);
		free(entries[i]);
	}
	free(entries);
}

int
main(int argc, char **argv)
{
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u inputs\n", input_count + 1);
	return 0;
}
