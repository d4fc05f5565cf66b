/* The machine's own file system behind the disk operations. */
#include "server/storage/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "shared/check.h"
#include "shared/error.h"

#define ZEROES_SIZE (256u << 10)

struct real_file {
	struct disk_file base;
	int descriptor;
	char path[]; /* for messages */
};

static _Thread_local char last_failure[320];

static struct real_file *
real(struct disk_file *file)
{
	return (struct real_file *)file;
}

/* Remember what failed in words, and return the code for NUMBER, an errno. */
static int
failure(const char *operation, const char *path, int number)
{
	snprintf(last_failure, sizeof last_failure, "%s %s: %s", operation, path, strerror(number));
	switch (number) {
	case ENOENT: return SYNOD_NOT_FOUND;
	case EEXIST: return SYNOD_EXISTS;
	case EDQUOT:
	case EFBIG:
	case ENOSPC: return SYNOD_NO_SPACE;
	default: return SYNOD_IO;
	}
}

const char *
disk_real_why(void)
{
	return last_failure;
}

static const char *
real_why(struct disk *disk)
{
	(void)disk;
	return last_failure;
}

static int
real_make_directory(struct disk *disk, const char *path)
{
	struct stat status;

	(void)disk;
	if (mkdir(path, 0700) == 0)
		return SYNOD_OK;
	if (errno != EEXIST)
		return failure("mkdir", path, errno);
	if (stat(path, &status) != 0)
		return failure("stat", path, errno);
	return S_ISDIR(status.st_mode) ? SYNOD_OK : failure("mkdir", path, ENOTDIR);
}

static int
real_sync_directory(struct disk *disk, const char *path)
{
	int error = SYNOD_OK;
	int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)disk;
	if (descriptor < 0)
		return failure("open", path, errno);
	if (fsync(descriptor) != 0)
		error = failure("fsync", path, errno);
	close(descriptor);
	return error;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Read all names of DIRECTORY, in no order; the caller frees them even after a failure. */
static int
read_names(DIR *directory, const char *path, char ***names, size_t *count)
{
	size_t capacity = 0;

	for (;;) {
		errno = 0;
		struct dirent *entry = readdir(directory);
		if (!entry)
			return errno ? failure("readdir", path, errno) : SYNOD_OK;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (*count == capacity) {
			capacity = capacity ? 2 * capacity : 64;
			*names = check_realloc(*names, capacity * sizeof **names);
		}
		(*names)[(*count)++] = check_strdup(entry->d_name);
	}
}

static int
real_list(struct disk *disk, const char *path, void (*each)(void *context, const char *name),
          void *context)
{
	char **names = NULL;
	size_t count = 0;
	DIR *directory = opendir(path);

	(void)disk;
	if (!directory)
		return failure("opendir", path, errno);
	int error = read_names(directory, path, &names, &count);
	closedir(directory);
	if (count > 0)
		qsort(names, count, sizeof *names, compare_names);
	for (size_t i = 0; i < count; i++) {
		if (error == SYNOD_OK)
			each(context, names[i]);
		free(names[i]);
	}
	free(names);
	return error;
}

static int
real_rename(struct disk *disk, const char *from, const char *to)
{
	(void)disk;
	return rename(from, to) == 0 ? SYNOD_OK : failure("rename", from, errno);
}

static int
real_remove(struct disk *disk, const char *path)
{
	(void)disk;
	return unlink(path) == 0 ? SYNOD_OK : failure("unlink", path, errno);
}

static int
real_free_bytes(struct disk *disk, const char *path, uint64_t *bytes)
{
	struct statvfs status;

	(void)disk;
	if (statvfs(path, &status) != 0)
		return failure("statvfs", path, errno);
	*bytes = (uint64_t)status.f_bavail * status.f_frsize;
	return SYNOD_OK;
}

static int
real_open(struct disk *disk, const char *path, unsigned flags, struct disk_file **file)
{
	int mode = (flags & DISK_READ_ONLY) ? O_RDONLY : O_RDWR;

	if (flags & DISK_CREATE)
		mode |= O_CREAT;
	if (flags & DISK_EXCLUSIVE)
		mode |= O_EXCL;
	int descriptor = open(path, mode | O_CLOEXEC, 0600);
	if (descriptor < 0)
		return failure("open", path, errno);

	size_t path_size = strlen(path) + 1;
	struct real_file *opened = check_malloc(sizeof *opened + path_size);
	opened->base.ops = disk->ops;
	opened->descriptor = descriptor;
	memcpy(opened->path, path, path_size);
	*file = &opened->base;
	return SYNOD_OK;
}

static int
real_close(struct disk_file *file)
{
	int error = SYNOD_OK;

	if (close(real(file)->descriptor) != 0)
		error = failure("close", real(file)->path, errno);
	free(file);
	return error;
}

static int
real_lock(struct disk *disk, const char *path, struct disk_file **lock)
{
	int error = real_open(disk, path, DISK_CREATE, lock);

	if (error != SYNOD_OK)
		return error;
	if (flock(real(*lock)->descriptor, LOCK_EX | LOCK_NB) == 0)
		return SYNOD_OK;
	int number = errno;
	error = failure("flock", path, number);
	if (number == EWOULDBLOCK)
		error = SYNOD_LOCKED;
	real_close(*lock);
	*lock = NULL;
	return error;
}

static int
real_size(struct disk_file *file, uint64_t *size)
{
	struct stat status;

	if (fstat(real(file)->descriptor, &status) != 0)
		return failure("fstat", real(file)->path, errno);
	*size = (uint64_t)status.st_size;
	return SYNOD_OK;
}

static int
real_read(struct disk_file *file, uint64_t offset, void *bytes, size_t size)
{
	uint8_t *at = bytes;

	while (size > 0) {
		ssize_t got = pread(real(file)->descriptor, at, size, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failure("read", real(file)->path, errno);
		if (got == 0) {
			snprintf(last_failure, sizeof last_failure, "read %s: beyond its end",
			         real(file)->path);
			return SYNOD_IO;
		}
		at += got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return SYNOD_OK;
}

static int
real_write(struct disk_file *file, uint64_t offset, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size > 0) {
		ssize_t put = pwrite(real(file)->descriptor, at, size, (off_t)offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return failure("write", real(file)->path, errno);
		at += put;
		offset += (uint64_t)put;
		size -= (size_t)put;
	}
	return SYNOD_OK;
}

static int
real_allocate(struct disk_file *file, uint64_t size)
{
	static const uint8_t zeroes[ZEROES_SIZE];
	uint64_t at = 0;
	int error = real_size(file, &at);

	while (error == SYNOD_OK && at < size) {
		size_t step = size - at < ZEROES_SIZE ? (size_t)(size - at) : ZEROES_SIZE;
		error = real_write(file, at, zeroes, step);
		at += step;
	}
	return error;
}

static int
real_reserve(struct disk_file *file, uint64_t size)
{
	int number = posix_fallocate(real(file)->descriptor, 0, (off_t)size);

	return number == 0 ? SYNOD_OK : failure("fallocate", real(file)->path, number);
}

static int
real_truncate(struct disk_file *file, uint64_t size)
{
	if (ftruncate(real(file)->descriptor, (off_t)size) != 0)
		return failure("truncate", real(file)->path, errno);
	return SYNOD_OK;
}

static int
real_sync(struct disk_file *file)
{
	if (fdatasync(real(file)->descriptor) == 0)
		return SYNOD_OK;
	/* Even ENOSPC: what was written is in doubt, and a second attempt would prove nothing. */
	failure("fdatasync", real(file)->path, errno);
	return SYNOD_IO;
}

struct disk *
disk_real(void)
{
	static const struct disk_ops ops = {
		.make_directory = real_make_directory,
		.sync_directory = real_sync_directory,
		.list = real_list,
		.rename = real_rename,
		.remove = real_remove,
		.free_bytes = real_free_bytes,
		.lock = real_lock,
		.open = real_open,
		.why = real_why,
		.close = real_close,
		.size = real_size,
		.read = real_read,
		.write = real_write,
		.allocate = real_allocate,
		.reserve = real_reserve,
		.truncate = real_truncate,
		.sync = real_sync,
	};
	static struct disk disk = {.ops = &ops};

	return &disk;
}
