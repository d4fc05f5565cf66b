/* What the disk in memory holds, seen by programs and durable, and what moves the one to the other.
 */
#ifndef TESTS_SUPPORT_DISK_MEMORY_STATE_H
#define TESTS_SUPPORT_DISK_MEMORY_STATE_H

#include "tests/support/disk_memory.h"

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

/* A number below BOUND. */
uint64_t memory_draw(struct memory_disk *disk, uint64_t bound);

/* Change INODE as programs see it; durable only with the next sync. */
void memory_change_file(struct inode *inode, enum change_type type, uint64_t offset,
                        const void *bytes, size_t size);

/* Forget what is not synced: it will never be durable. */
void memory_drop_changes(struct inode *inode);
void memory_sync_file(struct inode *inode);

/* NULL if there is none. */
struct inode *memory_names_find(const struct names *names, const char *path);
void memory_names_clear(struct names *names);
void memory_names_add(struct names *names, const char *path, struct inode *inode);

/* The directory of PATH; the caller frees it. */
char *memory_directory_of(const char *path);
bool memory_directory_exists(const struct names *names, const char *directory);

/* REMOVED goes, ADDED comes; either may be NULL.  Durable only with the next sync. */
void memory_change_names(struct memory_disk *disk, const char *removed, const char *added,
                         struct inode *inode);

/* Make the first COUNT unsynced changes of DIRECTORY durable. */
void memory_sync_names(struct memory_disk *disk, const char *directory, size_t count);
void memory_free_name_change(struct name_change *change);
struct inode *memory_inode_new(struct memory_disk *disk, bool is_directory);

/* Free the inodes that nothing leads to. */
void memory_collect(struct memory_disk *disk);

/* Decide what becomes of the unsynced changes. */
void memory_crash_file(struct memory_disk *disk, struct inode *inode, enum memory_crash kind);
void memory_crash_names(struct memory_disk *disk, enum memory_crash kind);
void memory_image_resize(struct image *image, size_t size);
void memory_image_put(struct image *image, uint64_t offset, const uint8_t *bytes, size_t size);
void memory_image_copy(struct image *to, const struct image *from);
void memory_apply_change(struct image *image, const struct file_change *change);

#endif
