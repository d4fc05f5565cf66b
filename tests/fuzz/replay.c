/*
 * Feeds saved inputs to a fuzz target, without a fuzzer: every file named on the
 * command line, and every file in the directories named there.
 *
 * Linked in place of libFuzzer's main, so that any compiler can replay the corpus.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned replayed;

static int
complain(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return -1;
}

/* In memory of exactly its size, so that the sanitizer sees every read beyond it. */
static int
replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	size_t got;

	if (file == NULL)
		return complain(path);
	bytes = malloc(size > 0 ? size : 1);
	if (bytes == NULL) {
		fclose(file);
		return complain(path);
	}
	got = fread(bytes, 1, size, file);
	fclose(file);
	if (got == size) {
		LLVMFuzzerTestOneInput(bytes, size);
		replayed++;
	}
	free(bytes);
	return got == size ? 0 : complain(path);
}

static int replay(const char *path);

static int
replay_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);
	int status = 0;

	if (count < 0)
		return complain(path);
	for (int i = 0; i < count; i++) {
		char child[4096];

		snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && replay(child) != 0)
			status = -1;
		free(entries[i]);
	}
	free(entries);
	return status;
}

static int
replay(const char *path)
{
	struct stat facts;

	if (stat(path, &facts) != 0)
		return complain(path);
	if (S_ISDIR(facts.st_mode))
		return replay_directory(path);
	return replay_file(path, (size_t)facts.st_size);
}

int
main(int argc, char **argv)
{
	int status = EXIT_SUCCESS;

	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) != 0)
			status = EXIT_FAILURE;
	}
	printf("%s: %u inputs\n", argv[0], replayed);
	/* A corpus that was not found must not look like one that passed. */
	return replayed > 0 ? status : EXIT_FAILURE;
}
