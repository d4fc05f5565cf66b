/* Copies of what the disk in memory holds, to be put back later, and writes that went astray. */
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "tests/support/disk_memory_state.h"

struct copied_file {
	char *path;
	bool is_directory;
	struct image content;
};

struct memory_copy {
	struct copied_file *files;
	size_t count;
};

struct memory_copy *
memory_disk_copy(const struct disk *base)
{
	const struct memory_disk *disk = (const struct memory_disk *)base;
	struct memory_copy *copy = check_calloc(1, sizeof *copy);

	copy->files = check_calloc(disk->visible.count + 1, sizeof *copy->files);
	for (size_t i = 0; i < disk->visible.count; i++) {
		const struct name *name = &disk->visible.names[i];
		struct copied_file *file = &copy->files[copy->count++];

		file->path = check_strdup(name->path);
		file->is_directory = name->inode->is_directory;
		memory_image_copy(&file->content, &name->inode->visible);
	}
	return copy;
}

void
memory_copy_free(struct memory_copy *copy)
{
	if (!copy)
		return;
	for (size_t i = 0; i < copy->count; i++) {
		free(copy->files[i].path);
		free(copy->files[i].content.bytes);
	}
	free(copy->files);
	free(copy);
}

void
memory_disk_remove(struct disk *base, const char *part)
{
	struct memory_disk *disk = (struct memory_disk *)base;

	for (size_t i = 0; i < disk->visible.count;) {
		const struct name *name = &disk->visible.names[i];
		char *path, *directory;

		if (name->inode->is_directory || !strstr(name->path, part)) {
			i++;
			continue;
		}
		path = check_strdup(name->path);
		directory = memory_directory_of(path);
		memory_change_names(disk, path, NULL, NULL);
		memory_sync_names(disk, directory, SIZE_MAX);
		free(directory);
		free(path);
	}
	memory_collect(disk);
}

void
memory_disk_put_back(struct disk *base, const struct memory_copy *copy, const char *part)
{
	memory_disk_remove(base, part);
	for (size_t i = 0; i < copy->count; i++) {
		const struct copied_file *file = &copy->files[i];
		struct slice content = {file->content.bytes, file->content.size};

		if (file->is_directory || !strstr(file->path, part))
			continue;
		memory_disk_put(base, file->path, content);
	}
}

static void
poke(struct image *image, uint64_t offset, struct slice bytes)
{
	if (offset >= image->size)
		return;
	if (bytes.size > image->size - offset)
		bytes.size = (size_t)(image->size - offset);
	memory_image_put(image, offset, bytes.bytes, bytes.size);
}

void
memory_disk_poke(struct disk *base, const char *path, uint64_t offset, struct slice bytes)
{
	struct memory_disk *disk = (struct memory_disk *)base;
	struct inode *inode = memory_names_find(&disk->visible, path);

	if (!inode)
		return;
	poke(&inode->visible, offset, bytes);
	poke(&inode->durable, offset, bytes);
}
