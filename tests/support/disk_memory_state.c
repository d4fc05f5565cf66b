/* What the disk in memory holds: images of files, names, and their unsynced changes. */
#include "tests/support/disk_memory_state.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"

#define SECTOR_SIZE 512u

/* SplitMix64: Steele, Lea and Flood, OOPSLA'14. */
uint64_t
memory_draw(struct memory_disk *disk, uint64_t bound)
{
	uint64_t z = disk->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % bound;
}

/* ---- images ---- */

void
memory_image_resize(struct image *image, size_t size)
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

void
memory_image_put(struct image *image, uint64_t offset, const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return;
	if (offset + size > image->size)
		memory_image_resize(image, (size_t)offset + size);
	if (bytes)
		memcpy(image->bytes + offset, bytes, size);
	else
		memset(image->bytes + offset, 0, size);
}

void
memory_image_copy(struct image *to, const struct image *from)
{
	memory_image_resize(to, 0);
	memory_image_put(to, 0, from->bytes, from->size);
}

/* ---- changes of files ---- */

void
memory_apply_change(struct image *image, const struct file_change *change)
{
	if (change->type == CHANGE_SIZE)
		memory_image_resize(image, change->size);
	else
		memory_image_put(image, change->offset, change->bytes, change->size);
}

void
memory_drop_changes(struct inode *inode)
{
	for (size_t i = 0; i < inode->change_count; i++)
		free(inode->changes[i].bytes);
	inode->change_count = 0;
}

void
memory_change_file(struct inode *inode, enum change_type type, uint64_t offset, const void *bytes,
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
	memory_apply_change(&inode->visible, &change);
}

void
memory_sync_file(struct inode *inode)
{
	for (size_t i = 0; i < inode->change_count; i++)
		memory_apply_change(&inode->durable, &inode->changes[i]);
	memory_drop_changes(inode);
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
		if (memory_draw(disk, 2) == 0)
			memory_image_put(image, at, bytes, (size_t)(stop - at));
		at = stop;
	}
}

void
memory_crash_file(struct memory_disk *disk, struct inode *inode, enum memory_crash kind)
{
	for (size_t i = 0; i < inode->change_count; i++) {
		const struct file_change *change = &inode->changes[i];
		uint64_t fate = kind == CRASH_RANDOM ? memory_draw(disk, 3)
		                : kind == CRASH_KEEP ? 0
		                                     : 1;
		if (fate == 0)
			memory_apply_change(&inode->durable, change);
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

struct inode *
memory_names_find(const struct names *names, const char *path)
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

void
memory_names_add(struct names *names, const char *path, struct inode *inode)
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

void
memory_names_clear(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i].path);
	names->count = 0;
}

char *
memory_directory_of(const char *path)
{
	char *directory = check_strdup(path);
	char *slash = strrchr(directory, '/');

	if (!slash)
		strcpy(directory, path[0] ? "." : "");
	else
		slash[slash == directory] = '\0';
	return directory;
}

bool
memory_directory_exists(const struct names *names, const char *directory)
{
	if (strcmp(directory, ".") == 0 || strcmp(directory, "/") == 0)
		return true;
	struct inode *inode = memory_names_find(names, directory);
	return inode && inode->is_directory;
}

static void
apply_name_change(struct names *names, const struct name_change *change)
{
	if (change->removed)
		names_remove(names, change->removed);
	if (change->added)
		memory_names_add(names, change->added, change->inode);
}

void
memory_free_name_change(struct name_change *change)
{
	free(change->directory);
	free(change->removed);
	free(change->added);
}

void
memory_change_names(struct memory_disk *disk, const char *removed, const char *added,
                    struct inode *inode)
{
	struct name_change change = {
		.directory = memory_directory_of(added ? added : removed),
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

void
memory_sync_names(struct memory_disk *disk, const char *directory, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < disk->change_count; i++) {
		struct name_change *change = &disk->changes[i];
		if (count == 0 || strcmp(change->directory, directory) != 0) {
			disk->changes[kept++] = *change;
			continue;
		}
		apply_name_change(&disk->durable, change);
		memory_free_name_change(change);
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

void
memory_crash_names(struct memory_disk *disk, enum memory_crash kind)
{
	while (disk->change_count > 0) {
		char *directory = check_strdup(disk->changes[0].directory);
		size_t count = count_name_changes(disk, directory);
		size_t kept = kind == CRASH_RANDOM ? (size_t)memory_draw(disk, count + 1)
		              : kind == CRASH_KEEP ? count
		                                   : 0;
		memory_sync_names(disk, directory, kept);
		/* The rest of this directory's changes never happened. */
		size_t left = 0;
		for (size_t i = 0; i < disk->change_count; i++) {
			if (strcmp(disk->changes[i].directory, directory) == 0)
				memory_free_name_change(&disk->changes[i]);
			else
				disk->changes[left++] = disk->changes[i];
		}
		disk->change_count = left;
		free(directory);
	}
	/* What lies in a directory that is lost is lost with it; sorted, so parents come first. */
	for (size_t i = 0; i < disk->durable.count;) {
		char *directory = memory_directory_of(disk->durable.names[i].path);
		if (memory_directory_exists(&disk->durable, directory))
			i++;
		else
			names_remove(&disk->durable, disk->durable.names[i].path);
		free(directory);
	}
}

/* ---- inodes ---- */

struct inode *
memory_inode_new(struct memory_disk *disk, bool is_directory)
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
	memory_drop_changes(inode);
	free(inode->changes);
	free(inode->visible.bytes);
	free(inode->durable.bytes);
	free(inode);
}

void
memory_collect(struct memory_disk *disk)
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
