/* A disk in memory that fails on demand: its operations and its faults. */
#include "tests/support/disk_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/support/disk_memory_state.h"

static struct memory_disk *
memory(struct disk *disk)
{
	return (struct memory_disk *)disk;
}

static struct memory_file *
opened(struct disk_file *file)
{
	return (struct memory_file *)file;
}

static int
failure(struct memory_disk *disk, const char *operation, const char *path, int error)
{
	snprintf(disk->why, sizeof disk->why, "%s %s: %s", operation, path, error_text(error));
	return error;
}

static uint64_t
used_bytes(const struct memory_disk *disk)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < disk->visible.count; i++)
		bytes += disk->visible.names[i].inode->visible.size;
	return bytes;
}

static uint64_t
unused_bytes(const struct memory_disk *disk)
{
	uint64_t used = used_bytes(disk);

	return disk->capacity > used ? disk->capacity - used : 0;
}

/* ---- faults ---- */

enum fate {
	FATE_DONE,
	FATE_FAILED,  /* *ERROR says how; nothing was done */
	FATE_UNKNOWN, /* done, and *ERROR is returned all the same */
};

/* Count one change, and decide what becomes of it. */
static enum fate
next_fate(struct memory_disk *disk, int *error)
{
	disk->operations++;
	*error = SYNOD_IO;
	if (disk->power_off_at != 0 && disk->operations > disk->power_off_at)
		return FATE_FAILED;
	if (disk->power_off_at != 0 && disk->operations == disk->power_off_at)
		return memory_draw(disk, 2) == 0 ? FATE_UNKNOWN : FATE_FAILED;
	if (disk->operations == disk->fail_at) {
		*error = disk->fail_error;
		return FATE_FAILED;
	}
	*error = SYNOD_OK;
	return FATE_DONE;
}

/* A change to the names; FATE as above, with the failure told. */
static enum fate
disk_fate(struct memory_disk *disk, const char *operation, const char *path, int *error)
{
	enum fate fate = next_fate(disk, error);

	if (fate != FATE_DONE)
		failure(disk, operation, path, *error);
	return fate;
}

/* ---- the operations on the disk ---- */

static int
memory_make_directory(struct disk *base, const char *path)
{
	struct memory_disk *disk = memory(base);
	int error;

	if (memory_directory_exists(&disk->visible, path))
		return SYNOD_OK;
	if (disk_fate(disk, "mkdir", path, &error) == FATE_FAILED)
		return error;
	char *parent = memory_directory_of(path);
	bool has_parent = memory_directory_exists(&disk->visible, parent);
	free(parent);
	if (!has_parent)
		return failure(disk, "mkdir", path, SYNOD_NOT_FOUND);
	memory_change_names(disk, NULL, path, memory_inode_new(disk, true));
	return error;
}

static int
memory_sync_directory(struct disk *base, const char *path)
{
	struct memory_disk *disk = memory(base);
	int error;

	if (!memory_directory_exists(&disk->visible, path))
		return failure(disk, "fsync", path, SYNOD_NOT_FOUND);
	if (disk_fate(disk, "fsync", path, &error) == FATE_FAILED)
		return error;
	memory_sync_names(disk, path, SIZE_MAX);
	memory_collect(disk);
	return error;
}

static int
memory_list(struct disk *base, const char *path, void (*each)(void *context, const char *name),
            void *context)
{
	struct memory_disk *disk = memory(base);

	if (!memory_directory_exists(&disk->visible, path))
		return failure(disk, "list", path, SYNOD_NOT_FOUND);
	for (size_t i = 0; i < disk->visible.count; i++) {
		const char *name = disk->visible.names[i].path;
		char *directory = memory_directory_of(name);
		if (strcmp(directory, path) == 0)
			each(context, strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
		free(directory);
	}
	return SYNOD_OK;
}

static int
memory_rename(struct disk *base, const char *from, const char *to)
{
	struct memory_disk *disk = memory(base);
	struct inode *inode = memory_names_find(&disk->visible, from);
	int error;

	if (!inode)
		return failure(disk, "rename", from, SYNOD_NOT_FOUND);
	if (disk_fate(disk, "rename", from, &error) == FATE_FAILED)
		return error;
	memory_change_names(disk, from, to, inode);
	return error;
}

static int
memory_remove(struct disk *base, const char *path)
{
	struct memory_disk *disk = memory(base);
	int error;

	if (!memory_names_find(&disk->visible, path))
		return failure(disk, "unlink", path, SYNOD_NOT_FOUND);
	if (disk_fate(disk, "unlink", path, &error) == FATE_FAILED)
		return error;
	memory_change_names(disk, path, NULL, NULL);
	return error;
}

static int
memory_free_bytes(struct disk *base, const char *path, uint64_t *bytes)
{
	(void)path;
	*bytes = unused_bytes(memory(base));
	return SYNOD_OK;
}

/* The inode of PATH, made if FLAGS say so. */
static int
find_or_create(struct memory_disk *disk, const char *path, unsigned flags, struct inode **inode)
{
	int error;

	*inode = memory_names_find(&disk->visible, path);
	if (*inode && (*inode)->is_directory)
		return failure(disk, "open", path, SYNOD_IO);
	if (*inode && (flags & DISK_EXCLUSIVE))
		return failure(disk, "open", path, SYNOD_EXISTS);
	if (*inode)
		return SYNOD_OK;
	char *directory = memory_directory_of(path);
	bool has_directory = memory_directory_exists(&disk->visible, directory);
	free(directory);
	if (!(flags & DISK_CREATE) || !has_directory)
		return failure(disk, "open", path, SYNOD_NOT_FOUND);
	if (disk_fate(disk, "open", path, &error) == FATE_FAILED)
		return error;
	*inode = memory_inode_new(disk, false);
	memory_change_names(disk, NULL, path, *inode);
	return error;
}

static int
memory_open(struct disk *base, const char *path, unsigned flags, struct disk_file **file)
{
	struct memory_disk *disk = memory(base);
	struct inode *inode;

	int error = find_or_create(disk, path, flags, &inode);
	if (error != SYNOD_OK)
		return error;
	struct memory_file *made = check_calloc(1, sizeof *made);
	made->base.ops = base->ops;
	made->disk = disk;
	made->inode = inode;
	made->generation = disk->generation;
	made->is_read_only = (flags & DISK_READ_ONLY) != 0;
	inode->handles++;
	*file = &made->base;
	return SYNOD_OK;
}

static int
memory_lock(struct disk *base, const char *path, struct disk_file **lock)
{
	struct inode *inode = memory_names_find(&memory(base)->visible, path);

	if (inode && inode->is_locked)
		return failure(memory(base), "flock", path, SYNOD_LOCKED);
	int error = memory_open(base, path, DISK_CREATE, lock);
	if (error != SYNOD_OK)
		return error;
	opened(*lock)->inode->is_locked = true;
	opened(*lock)->holds_lock = true;
	return SYNOD_OK;
}

static const char *
memory_why(struct disk *base)
{
	return memory(base)->why;
}

/* ---- the operations on files ---- */

/* For messages: a file has no path of its own. */
static const char *
path_of(const struct memory_disk *disk, const struct inode *inode)
{
	for (size_t i = 0; i < disk->visible.count; i++)
		if (disk->visible.names[i].inode == inode)
			return disk->visible.names[i].path;
	return "a removed file";
}

static int
file_failure(const struct memory_file *file, const char *operation, int error)
{
	return failure(file->disk, operation, path_of(file->disk, file->inode), error);
}

/* As disk_fate(), for a change of FILE that makes it SIZE bytes large at least. */
static enum fate
file_fate(struct memory_file *file, const char *operation, int *error)
{
	if (file->generation != file->disk->generation || file->is_read_only) {
		*error = file_failure(file, operation, SYNOD_IO);
		return FATE_FAILED;
	}
	enum fate fate = next_fate(file->disk, error);
	if (fate != FATE_DONE)
		file_failure(file, operation, *error);
	return fate;
}

/* How large FILE can become on the way to SIZE. */
static uint64_t
growable(const struct memory_file *file, uint64_t size)
{
	uint64_t now = file->inode->visible.size;
	uint64_t unused = unused_bytes(file->disk);

	if (size <= now || size - now <= unused)
		return size;
	return now + unused;
}

static int
memory_close(struct disk_file *base)
{
	struct memory_file *file = opened(base);

	CHECK(file->inode->handles > 0);
	file->inode->handles--;
	if (file->holds_lock && file->generation == file->disk->generation)
		file->inode->is_locked = false;
	memory_collect(file->disk);
	free(file);
	return SYNOD_OK;
}

static int
memory_size(struct disk_file *base, uint64_t *size)
{
	struct memory_file *file = opened(base);

	if (file->generation != file->disk->generation)
		return file_failure(file, "fstat", SYNOD_IO);
	*size = file->inode->visible.size;
	return SYNOD_OK;
}

static int
memory_read(struct disk_file *base, uint64_t offset, void *bytes, size_t size)
{
	struct memory_file *file = opened(base);
	const struct inode *inode = file->inode;

	if (file->generation != file->disk->generation)
		return file_failure(file, "read", SYNOD_IO);
	if (offset + size > inode->visible.size)
		return file_failure(file, "read beyond the end of", SYNOD_IO);
	if (inode->has_broken && inode->broken_offset >= offset &&
	    inode->broken_offset < offset + size)
		return file_failure(file, "read", SYNOD_IO);
	if (size > 0)
		memcpy(bytes, inode->visible.bytes + offset, size);
	return SYNOD_OK;
}

static int
memory_write(struct disk_file *base, uint64_t offset, const void *bytes, size_t size)
{
	struct memory_file *file = opened(base);
	int error;

	if (file_fate(file, "write", &error) == FATE_FAILED)
		return error;
	if (growable(file, offset + size) < offset + size)
		return file_failure(file, "write", SYNOD_NO_SPACE);
	memory_change_file(file->inode, CHANGE_WRITE, offset, bytes, size);
	return error;
}

static int
memory_allocate(struct disk_file *base, uint64_t size)
{
	struct memory_file *file = opened(base);
	uint64_t now = file->inode->visible.size;
	int error;

	if (file_fate(file, "write", &error) == FATE_FAILED)
		return error;
	uint64_t reached = growable(file, size);
	if (reached > now)
		memory_change_file(file->inode, CHANGE_ZERO, now, NULL, (size_t)(reached - now));
	return reached < size ? file_failure(file, "write", SYNOD_NO_SPACE) : error;
}

static int
memory_reserve(struct disk_file *base, uint64_t size)
{
	struct memory_file *file = opened(base);
	int error;

	if (file_fate(file, "fallocate", &error) == FATE_FAILED)
		return error;
	if (growable(file, size) < size)
		return file_failure(file, "fallocate", SYNOD_NO_SPACE);
	if (size > file->inode->visible.size)
		memory_change_file(file->inode, CHANGE_SIZE, 0, NULL, (size_t)size);
	return error;
}

static int
memory_truncate(struct disk_file *base, uint64_t size)
{
	struct memory_file *file = opened(base);
	int error;

	if (file_fate(file, "truncate", &error) == FATE_FAILED)
		return error;
	memory_change_file(file->inode, CHANGE_SIZE, 0, NULL, (size_t)size);
	return error;
}

static int
memory_sync(struct disk_file *base)
{
	struct memory_file *file = opened(base);
	int error;

	enum fate fate = file_fate(file, "fdatasync", &error);
	if (fate == FATE_FAILED && file->disk->power_off_at == 0 &&
	    file->generation == file->disk->generation)
		memory_drop_changes(file->inode);
	if (fate != FATE_FAILED)
		memory_sync_file(file->inode);
	return error;
}

/* ---- the tests' side ---- */

struct disk *
memory_disk_new(uint64_t seed)
{
	static const struct disk_ops ops = {
		.make_directory = memory_make_directory,
		.sync_directory = memory_sync_directory,
		.list = memory_list,
		.rename = memory_rename,
		.remove = memory_remove,
		.free_bytes = memory_free_bytes,
		.lock = memory_lock,
		.open = memory_open,
		.why = memory_why,
		.close = memory_close,
		.size = memory_size,
		.read = memory_read,
		.write = memory_write,
		.allocate = memory_allocate,
		.reserve = memory_reserve,
		.truncate = memory_truncate,
		.sync = memory_sync,
	};
	struct memory_disk *disk = check_calloc(1, sizeof *disk);

	disk->base.ops = &ops;
	disk->random = seed;
	disk->capacity = UINT64_MAX;
	return &disk->base;
}

void
memory_disk_free(struct disk *base)
{
	struct memory_disk *disk = memory(base);

	memory_names_clear(&disk->visible);
	memory_names_clear(&disk->durable);
	for (size_t i = 0; i < disk->change_count; i++)
		memory_free_name_change(&disk->changes[i]);
	disk->change_count = 0;
	memory_collect(disk);
	CHECK(disk->inodes == NULL);
	free(disk->visible.names);
	free(disk->durable.names);
	free(disk->changes);
	free(disk);
}

/* What is durable is all there is. */
static void
restart(struct memory_disk *disk)
{
	memory_names_clear(&disk->visible);
	for (size_t i = 0; i < disk->durable.count; i++)
		memory_names_add(&disk->visible, disk->durable.names[i].path,
		                 disk->durable.names[i].inode);
	for (struct inode *inode = disk->inodes; inode; inode = inode->next) {
		memory_drop_changes(inode);
		memory_image_copy(&inode->visible, &inode->durable);
		inode->is_locked = false;
	}
	disk->generation++;
	disk->fail_at = 0;
	disk->power_off_at = 0;
	memory_collect(disk);
}

void
memory_disk_crash(struct disk *base, enum memory_crash kind)
{
	struct memory_disk *disk = memory(base);

	for (struct inode *inode = disk->inodes; inode; inode = inode->next)
		memory_crash_file(disk, inode, kind);
	memory_crash_names(disk, kind);
	restart(disk);
}

void
memory_disk_crash_after(struct disk *base, size_t kept_bytes)
{
	struct memory_disk *disk = memory(base);

	for (struct inode *inode = disk->inodes; inode; inode = inode->next) {
		for (size_t i = 0; i < inode->change_count; i++) {
			struct file_change *change = &inode->changes[i];
			if (change->type == CHANGE_WRITE) {
				change->size =
					change->size < kept_bytes ? change->size : kept_bytes;
				kept_bytes -= change->size;
			}
			memory_apply_change(&inode->durable, change);
		}
	}
	memory_crash_names(disk, CRASH_KEEP);
	restart(disk);
}

uint64_t
memory_disk_operations(const struct disk *disk)
{
	return ((const struct memory_disk *)disk)->operations;
}

void
memory_disk_fail_at(struct disk *base, uint64_t operation, int error)
{
	struct memory_disk *disk = memory(base);

	disk->fail_at = operation ? disk->operations + operation : 0;
	disk->fail_error = error;
}

void
memory_disk_power_off_at(struct disk *base, uint64_t operation)
{
	struct memory_disk *disk = memory(base);

	disk->power_off_at = disk->operations + operation;
}

void
memory_disk_set_capacity(struct disk *base, uint64_t bytes)
{
	memory(base)->capacity = bytes;
}

void
memory_disk_flip(struct disk *base, const char *path, uint64_t offset, uint8_t mask)
{
	struct inode *inode = memory_names_find(&memory(base)->visible, path);

	CHECK(inode != NULL);
	if (offset < inode->visible.size)
		inode->visible.bytes[offset] ^= mask;
	if (offset < inode->durable.size)
		inode->durable.bytes[offset] ^= mask;
}

void
memory_disk_break(struct disk *base, const char *path, uint64_t offset)
{
	struct inode *inode = memory_names_find(&memory(base)->visible, path);

	CHECK(inode != NULL);
	inode->has_broken = true;
	inode->broken_offset = offset;
}

struct slice
memory_disk_content(struct disk *base, const char *path)
{
	const struct inode *inode = memory_names_find(&memory(base)->visible, path);

	if (!inode)
		return (struct slice){NULL, 0};
	return (struct slice){inode->visible.bytes, inode->visible.size};
}

void
memory_disk_put(struct disk *base, const char *path, struct slice bytes)
{
	struct memory_disk *disk = memory(base);
	struct inode *inode = memory_names_find(&disk->visible, path);

	if (!inode) {
		char *directory = memory_directory_of(path);
		inode = memory_inode_new(disk, false);
		memory_change_names(disk, NULL, path, inode);
		memory_sync_names(disk, directory, SIZE_MAX);
		free(directory);
	}
	memory_drop_changes(inode);
	memory_image_resize(&inode->visible, 0);
	memory_image_put(&inode->visible, 0, bytes.bytes, bytes.size);
	memory_image_copy(&inode->durable, &inode->visible);
}
