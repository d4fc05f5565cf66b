/* A disk in memory that fails on demand. */
#include "tests/support/disk_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

#define SECTOR_SIZE 512u

/* ---- state ---- */

struct image {
	uint8_t *bytes;
	size_t size;
	size_t capacity;
};

enum change_type {
	CHANGE_WRITE,
	CHANGE_ZERO,
	CHANGE_SIZE,
};

/* One unsynced change of a file. */
struct file_change {
	enum change_type type;
	uint64_t offset;
	size_t size;
	uint8_t *bytes; /* CHANGE_WRITE */
};

struct inode {
	struct inode *next; /* all of the disk */
	bool is_directory;
	bool is_locked;
	bool has_broken;
	bool is_live; /* for collect() */
	uint64_t broken_offset;
	unsigned handles;
	struct image visible;
	struct image durable;
	struct file_change *changes;
	size_t change_count;
	size_t change_capacity;
};

struct name {
	char *path;
	struct inode *inode;
};

/* Sorted by path. */
struct names {
	struct name *names;
	size_t count;
	size_t capacity;
};

/* One unsynced change of a directory: REMOVED goes, ADDED comes; either may be NULL. */
struct name_change {
	char *directory;
	char *removed;
	char *added;
	struct inode *inode;
};

struct memory_disk {
	struct disk base;
	uint64_t random;
	uint64_t generation; /* one more with every crash */
	uint64_t capacity;
	uint64_t operations;
	uint64_t fail_at;
	int fail_error;
	uint64_t power_off_at;
	struct inode *inodes;
	struct names visible;
	struct names durable;
	struct name_change *changes;
	size_t change_count;
	size_t change_capacity;
	char why[256];
};

struct memory_file {
	struct disk_file base;
	struct memory_disk *disk;
	struct inode *inode;
	uint64_t generation;
	bool is_read_only;
	bool holds_lock;
};

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

/* SplitMix64: Steele, Lea and Flood, OOPSLA'14. */
static uint64_t
draw(struct memory_disk *disk, uint64_t bound)
{
	uint64_t z = disk->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % bound;
}

static int
failure(struct memory_disk *disk, const char *operation, const char *path, int error)
{
	snprintf(disk->why, sizeof disk->why, "%s %s: %s", operation, path, error_text(error));
	return error;
}

/* ---- images ---- */

static void
image_resize(struct image *image, size_t size)
{
	if (size > image->capacity) {
		size_t capacity = image->capacity ? image->capacity : 4096;
		while (capacity < size)
			capacity *= 2;
		image->bytes = check_realloc(image->bytes, capacity);
		image->capacity = capacity;
	}
	if (size > image->size)
		memset(image->bytes + image->size, 0, size - image->size);
	image->size = size;
}

static void
image_put(struct image *image, uint64_t offset, const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return;
	if (offset + size > image->size)
		image_resize(image, (size_t)offset + size);
	if (bytes)
		memcpy(image->bytes + offset, bytes, size);
	else
		memset(image->bytes + offset, 0, size);
}

static void
image_copy(struct image *to, const struct image *from)
{
	image_resize(to, 0);
	image_put(to, 0, from->bytes, from->size);
}

/* ---- changes of files ---- */

static void
apply_change(struct image *image, const struct file_change *change)
{
	if (change->type == CHANGE_SIZE)
		image_resize(image, change->size);
	else
		image_put(image, change->offset, change->bytes, change->size);
}

static void
drop_changes(struct inode *inode)
{
	for (size_t i = 0; i < inode->change_count; i++)
		free(inode->changes[i].bytes);
	inode->change_count = 0;
}

static void
change_file(struct inode *inode, enum change_type type, uint64_t offset, const void *bytes,
	    size_t size)
{
	struct file_change change = {.type = type, .offset = offset, .size = size};

	if (type == CHANGE_WRITE && size > 0) {
		change.bytes = check_malloc(size);
		memcpy(change.bytes, bytes, size);
	}
	if (inode->change_count == inode->change_capacity) {
		inode->change_capacity = inode->change_capacity ? 2 * inode->change_capacity : 16;
		inode->changes = check_realloc(inode->changes,
					       inode->change_capacity * sizeof *inode->changes);
	}
	inode->changes[inode->change_count++] = change;
	apply_change(&inode->visible, &change);
}

static void
sync_file(struct inode *inode)
{
	for (size_t i = 0; i < inode->change_count; i++)
		apply_change(&inode->durable, &inode->changes[i]);
	drop_changes(inode);
}

/* Each sector of a write reaches the disk or does not. */
static void
tear_change(struct memory_disk *disk, struct image *image, const struct file_change *change)
{
	uint64_t end = change->offset + change->size;

	for (uint64_t at = change->offset; at < end;) {
		uint64_t sector_end = (at / SECTOR_SIZE + 1) * SECTOR_SIZE;
		uint64_t stop = sector_end < end ? sector_end : end;
		const uint8_t *bytes = change->bytes ? change->bytes + (at - change->offset) : NULL;
		if (draw(disk, 2) == 0)
			image_put(image, at, bytes, (size_t)(stop - at));
		at = stop;
	}
}

static void
crash_file(struct memory_disk *disk, struct inode *inode, enum memory_crash kind)
{
	for (size_t i = 0; i < inode->change_count; i++) {
		const struct file_change *change = &inode->changes[i];
		uint64_t fate = kind == CRASH_RANDOM ? draw(disk, 3) : kind == CRASH_KEEP ? 0 : 1;
		if (fate == 0)
			apply_change(&inode->durable, change);
		else if (fate == 2 && change->type != CHANGE_SIZE)
			tear_change(disk, &inode->durable, change);
	}
}

/* ---- names ---- */

static size_t
names_place(const struct names *names, const char *path)
{
	size_t at = 0;

	while (at < names->count && strcmp(names->names[at].path, path) < 0)
		at++;
	return at;
}

static struct inode *
names_find(const struct names *names, const char *path)
{
	size_t at = names_place(names, path);

	if (at < names->count && strcmp(names->names[at].path, path) == 0)
		return names->names[at].inode;
	return NULL;
}

static void
names_remove(struct names *names, const char *path)
{
	size_t at = names_place(names, path);

	if (at == names->count || strcmp(names->names[at].path, path) != 0)
		return;
	free(names->names[at].path);
	names->count--;
	memmove(&names->names[at], &names->names[at + 1],
		(names->count - at) * sizeof *names->names);
}

static void
names_add(struct names *names, const char *path, struct inode *inode)
{
	names_remove(names, path);
	size_t at = names_place(names, path);
	if (names->count == names->capacity) {
		names->capacity = names->capacity ? 2 * names->capacity : 16;
		names->names = check_realloc(names->names, names->capacity * sizeof *names->names);
	}
	memmove(&names->names[at + 1], &names->names[at],
		(names->count - at) * sizeof *names->names);
	names->names[at] = (struct name){check_strdup(path), inode};
	names->count++;
}

static void
names_clear(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i].path);
	names->count = 0;
}

/* The directory of PATH; the caller frees it. */
static char *
directory_of(const char *path)
{
	char *directory = check_strdup(path);
	char *slash = strrchr(directory, '/');

	if (!slash)
		strcpy(directory, path[0] ? "." : "");
	else
		slash[slash == directory] = '\0';
	return directory;
}

static bool
directory_exists(const struct names *names, const char *directory)
{
	if (strcmp(directory, ".") == 0 || strcmp(directory, "/") == 0)
		return true;
	struct inode *inode = names_find(names, directory);
	return inode && inode->is_directory;
}

static void
apply_name_change(struct names *names, const struct name_change *change)
{
	if (change->removed)
		names_remove(names, change->removed);
	if (change->added)
		names_add(names, change->added, change->inode);
}

static void
free_name_change(struct name_change *change)
{
	free(change->directory);
	free(change->removed);
	free(change->added);
}

static void
change_names(struct memory_disk *disk, const char *removed, const char *added, struct inode *inode)
{
	struct name_change change = {
		.directory = directory_of(added ? added : removed),
		.removed = removed ? check_strdup(removed) : NULL,
		.added = added ? check_strdup(added) : NULL,
		.inode = inode,
	};

	if (disk->change_count == disk->change_capacity) {
		disk->change_capacity = disk->change_capacity ? 2 * disk->change_capacity : 16;
		disk->changes =
			check_realloc(disk->changes, disk->change_capacity * sizeof *disk->changes);
	}
	disk->changes[disk->change_count++] = change;
	apply_name_change(&disk->visible, &change);
}

/* Make the first COUNT unsynced changes of DIRECTORY durable. */
static void
sync_names(struct memory_disk *disk, const char *directory, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < disk->change_count; i++) {
		struct name_change *change = &disk->changes[i];
		if (count == 0 || strcmp(change->directory, directory) != 0) {
			disk->changes[kept++] = *change;
			continue;
		}
		apply_name_change(&disk->durable, change);
		free_name_change(change);
		count--;
	}
	disk->change_count = kept;
}

static size_t
count_name_changes(const struct memory_disk *disk, const char *directory)
{
	size_t count = 0;

	for (size_t i = 0; i < disk->change_count; i++)
		count += strcmp(disk->changes[i].directory, directory) == 0;
	return count;
}

static void
crash_names(struct memory_disk *disk, enum memory_crash kind)
{
	while (disk->change_count > 0) {
		char *directory = check_strdup(disk->changes[0].directory);
		size_t count = count_name_changes(disk, directory);
		size_t kept = kind == CRASH_RANDOM ? (size_t)draw(disk, count + 1)
			      : kind == CRASH_KEEP ? count
						   : 0;
		sync_names(disk, directory, kept);
		/* The rest of this directory's changes never happened. */
		size_t left = 0;
		for (size_t i = 0; i < disk->change_count; i++) {
			if (strcmp(disk->changes[i].directory, directory) == 0)
				free_name_change(&disk->changes[i]);
			else
				disk->changes[left++] = disk->changes[i];
		}
		disk->change_count = left;
		free(directory);
	}
	/* What lies in a directory that is lost is lost with it; sorted, so parents come first. */
	for (size_t i = 0; i < disk->durable.count;) {
		char *directory = directory_of(disk->durable.names[i].path);
		if (directory_exists(&disk->durable, directory))
			i++;
		else
			names_remove(&disk->durable, disk->durable.names[i].path);
		free(directory);
	}
}

/* ---- inodes ---- */

static struct inode *
inode_new(struct memory_disk *disk, bool is_directory)
{
	struct inode *inode = check_calloc(1, sizeof *inode);

	inode->is_directory = is_directory;
	inode->next = disk->inodes;
	disk->inodes = inode;
	return inode;
}

static void
inode_free(struct inode *inode)
{
	drop_changes(inode);
	free(inode->changes);
	free(inode->visible.bytes);
	free(inode->durable.bytes);
	free(inode);
}

/* Free the inodes that nothing leads to. */
static void
collect(struct memory_disk *disk)
{
	for (struct inode *inode = disk->inodes; inode; inode = inode->next)
		inode->is_live = inode->handles > 0;
	for (size_t i = 0; i < disk->visible.count; i++)
		disk->visible.names[i].inode->is_live = true;
	for (size_t i = 0; i < disk->durable.count; i++)
		disk->durable.names[i].inode->is_live = true;
	for (size_t i = 0; i < disk->change_count; i++)
		if (disk->changes[i].inode)
			disk->changes[i].inode->is_live = true;
	for (struct inode **link = &disk->inodes; *link;) {
		struct inode *inode = *link;
		if (inode->is_live) {
			link = &inode->next;
			continue;
		}
		*link = inode->next;
		inode_free(inode);
	}
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
		return draw(disk, 2) == 0 ? FATE_UNKNOWN : FATE_FAILED;
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

	if (directory_exists(&disk->visible, path))
		return SYNOD_OK;
	if (disk_fate(disk, "mkdir", path, &error) == FATE_FAILED)
		return error;
	char *parent = directory_of(path);
	bool has_parent = directory_exists(&disk->visible, parent);
	free(parent);
	if (!has_parent)
		return failure(disk, "mkdir", path, SYNOD_NOT_FOUND);
	change_names(disk, NULL, path, inode_new(disk, true));
	return error;
}

static int
memory_sync_directory(struct disk *base, const char *path)
{
	struct memory_disk *disk = memory(base);
	int error;

	if (!directory_exists(&disk->visible, path))
		return failure(disk, "fsync", path, SYNOD_NOT_FOUND);
	if (disk_fate(disk, "fsync", path, &error) == FATE_FAILED)
		return error;
	sync_names(disk, path, SIZE_MAX);
	collect(disk);
	return error;
}

static int
memory_list(struct disk *base, const char *path, void (*each)(void *context, const char *name),
	    void *context)
{
	struct memory_disk *disk = memory(base);

	if (!directory_exists(&disk->visible, path))
		return failure(disk, "list", path, SYNOD_NOT_FOUND);
	for (size_t i = 0; i < disk->visible.count; i++) {
		const char *name = disk->visible.names[i].path;
		char *directory = directory_of(name);
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
	struct inode *inode = names_find(&disk->visible, from);
	int error;

	if (!inode)
		return failure(disk, "rename", from, SYNOD_NOT_FOUND);
	if (disk_fate(disk, "rename", from, &error) == FATE_FAILED)
		return error;
	change_names(disk, from, to, inode);
	return error;
}

static int
memory_remove(struct disk *base, const char *path)
{
	struct memory_disk *disk = memory(base);
	int error;

	if (!names_find(&disk->visible, path))
		return failure(disk, "unlink", path, SYNOD_NOT_FOUND);
	if (disk_fate(disk, "unlink", path, &error) == FATE_FAILED)
		return error;
	change_names(disk, path, NULL, NULL);
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

	*inode = names_find(&disk->visible, path);
	if (*inode && (*inode)->is_directory)
		return failure(disk, "open", path, SYNOD_IO);
	if (*inode && (flags & DISK_EXCLUSIVE))
		return failure(disk, "open", path, SYNOD_EXISTS);
	if (*inode)
		return SYNOD_OK;
	char *directory = directory_of(path);
	bool has_directory = directory_exists(&disk->visible, directory);
	free(directory);
	if (!(flags & DISK_CREATE) || !has_directory)
		return failure(disk, "open", path, SYNOD_NOT_FOUND);
	if (disk_fate(disk, "open", path, &error) == FATE_FAILED)
		return error;
	*inode = inode_new(disk, false);
	change_names(disk, NULL, path, *inode);
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
	struct inode *inode = names_find(&memory(base)->visible, path);

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
	collect(file->disk);
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
	change_file(file->inode, CHANGE_WRITE, offset, bytes, size);
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
		change_file(file->inode, CHANGE_ZERO, now, NULL, (size_t)(reached - now));
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
		change_file(file->inode, CHANGE_SIZE, 0, NULL, (size_t)size);
	return error;
}

static int
memory_truncate(struct disk_file *base, uint64_t size)
{
	struct memory_file *file = opened(base);
	int error;

	if (file_fate(file, "truncate", &error) == FATE_FAILED)
		return error;
	change_file(file->inode, CHANGE_SIZE, 0, NULL, (size_t)size);
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
		drop_changes(file->inode);
	if (fate != FATE_FAILED)
		sync_file(file->inode);
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

	names_clear(&disk->visible);
	names_clear(&disk->durable);
	for (size_t i = 0; i < disk->change_count; i++)
		free_name_change(&disk->changes[i]);
	disk->change_count = 0;
	collect(disk);
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
	names_clear(&disk->visible);
	for (size_t i = 0; i < disk->durable.count; i++)
		names_add(&disk->visible, disk->durable.names[i].path,
			  disk->durable.names[i].inode);
	for (struct inode *inode = disk->inodes; inode; inode = inode->next) {
		drop_changes(inode);
		image_copy(&inode->visible, &inode->durable);
		inode->is_locked = false;
	}
	disk->generation++;
	disk->fail_at = 0;
	disk->power_off_at = 0;
	collect(disk);
}

void
memory_disk_crash(struct disk *base, enum memory_crash kind)
{
	struct memory_disk *disk = memory(base);

	for (struct inode *inode = disk->inodes; inode; inode = inode->next)
		crash_file(disk, inode, kind);
	crash_names(disk, kind);
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
			apply_change(&inode->durable, change);
		}
	}
	crash_names(disk, CRASH_KEEP);
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
	struct inode *inode = names_find(&memory(base)->visible, path);

	CHECK(inode != NULL);
	if (offset < inode->visible.size)
		inode->visible.bytes[offset] ^= mask;
	if (offset < inode->durable.size)
		inode->durable.bytes[offset] ^= mask;
}

void
memory_disk_break(struct disk *base, const char *path, uint64_t offset)
{
	struct inode *inode = names_find(&memory(base)->visible, path);

	CHECK(inode != NULL);
	inode->has_broken = true;
	inode->broken_offset = offset;
}

struct slice
memory_disk_content(struct disk *base, const char *path)
{
	const struct inode *inode = names_find(&memory(base)->visible, path);

	if (!inode)
		return (struct slice){NULL, 0};
	return (struct slice){inode->visible.bytes, inode->visible.size};
}

void
memory_disk_put(struct disk *base, const char *path, struct slice bytes)
{
	struct memory_disk *disk = memory(base);
	struct inode *inode = names_find(&disk->visible, path);

	if (!inode) {
		char *directory = directory_of(path);
		inode = inode_new(disk, false);
		change_names(disk, NULL, path, inode);
		sync_names(disk, directory, SIZE_MAX);
		free(directory);
	}
	drop_changes(inode);
	image_resize(&inode->visible, 0);
	image_put(&inode->visible, 0, bytes.bytes, bytes.size);
	image_copy(&inode->durable, &inode->visible);
}
