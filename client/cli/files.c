/* Reads files for import, and knows which names nodes can have. */
#include "client/cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/memory.h"
#include "shared/utf8.h"

#define NAME_SIZE_MAX 255

/* The servers judge paths; what is judged here is only what would make a whole directory below it
 * impossible, so that it is reported once and not for each file in it. */
const char *
files_name_problem(const char *name)
{
	const uint8_t *bytes = (const uint8_t *)name;
	size_t size = strlen(name);

	if (size > NAME_SIZE_MAX)
		return "the name is longer than 255 bytes";
	if (!utf8_is_valid((struct slice){bytes, size}))
		return "the name is not UTF-8";
	for (size_t i = 0; i < size; i++) {
		bool is_c1 = bytes[i] == 0xc2 && bytes[i + 1] < 0xa0;

		if (bytes[i] < 0x20 || bytes[i] == 0x7f || is_c1)
			return "the name has a control character";
	}
	return NULL;
}

char *
files_join(const char *parent, const char *name)
{
	return must_format("%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
}

/* Read to the end, or until there is more than a node can hold.  The size that the system tells is
 * only a first guess: files grow, and those of /proc say 0. */
static enum files_read
read_all(int fd, size_t guess, uint8_t **bytes, size_t *size)
{
	size_t capacity = guess < 4096 ? 4096 : guess + 1;

	*bytes = must_resize(NULL, capacity, 1);
	for (;;) {
		ssize_t count = read(fd, *bytes + *size, capacity - *size);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return FILES_FAILED;
		*size += (size_t)count;
		if (*size > FILES_DATA_SIZE_MAX)
			return FILES_TOO_LARGE;
		if (count == 0)
			return FILES_READ;
		if (*size == capacity) {
			capacity *= 2;
			*bytes = must_resize(*bytes, capacity, 1);
		}
	}
}

static enum files_read
read_open_file(int fd, uint8_t **bytes, size_t *size)
{
	struct stat stat;
	enum files_read outcome;

	if (fstat(fd, &stat) != 0)
		return FILES_FAILED;
	if (!S_ISREG(stat.st_mode))
		return FILES_NOT_REGULAR;
	if (stat.st_size > (off_t)FILES_DATA_SIZE_MAX)
		return FILES_TOO_LARGE;
	outcome = read_all(fd, (size_t)stat.st_size, bytes, size);
	if (outcome != FILES_READ) {
		int saved = errno;

		free(*bytes);
		*bytes = NULL;
		*size = 0;
		errno = saved;
	}
	return outcome;
}

enum files_read
files_read(const char *name, int follow, uint8_t **bytes, size_t *size)
{
	/* O_NONBLOCK: what was a file may be a pipe by now. */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
	enum files_read outcome;
	int saved;

	*bytes = NULL;
	*size = 0;
	if (fd < 0)
		return errno == ENOENT ? FILES_MISSING
		                       : (errno == ELOOP ? FILES_NOT_REGULAR : FILES_FAILED);
	outcome = read_open_file(fd, bytes, size);
	saved = errno;
	close(fd);
	errno = saved;
	return outcome;
}
