/*
 * Everything Synod does to a disk, as one operation table.
 *
 * Implementations: disk_real (POSIX), disk_memory (tests and the simulator: an
 * in-memory file system that can lose unsynced writes, tear them, flip bits and
 * fail on demand).  Paths are relative to nothing: the caller gives whole paths.
 *
 * Every function returns SYNOD_OK or an error: SYNOD_NOT_FOUND, EXISTS,
 * NO_SPACE, LOCKED, IO.  After a failed sync() of a file nothing is known about
 * it; the caller stops the member (never retries: the kernel marks failed pages
 * clean.  Rebello et al., "Can Applications Recover from fsync Failures?", ATC'20).
 */
#ifndef SERVER_STORAGE_DISK_H
#define SERVER_STORAGE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;
struct disk_file;

enum disk_open_flags {
	DISK_CREATE = 1 << 0,    /* create if missing, mode 0600 */
	DISK_EXCLUSIVE = 1 << 1, /* with DISK_CREATE: SYNOD_EXISTS if it exists */
	DISK_READ_ONLY = 1 << 2,
};

struct disk_ops {
	int (*make_directory)(struct disk *disk, const char *path); /* 0700; OK if it exists */
	int (*sync_directory)(struct disk *disk, const char *path);
	/* Calls EACH with every name in PATH, sorted bytewise. */
	int (*list)(struct disk *disk, const char *path,
	            void (*each)(void *context, const char *name), void *context);
	int (*rename)(struct disk *disk, const char *from, const char *to);
	int (*remove)(struct disk *disk, const char *path);
	/* Bytes that can still be written in the file system that holds PATH. */
	int (*free_bytes)(struct disk *disk, const char *path, uint64_t *bytes);
	/* An advisory lock, held until the file is closed or the process ends: SYNOD_LOCKED if
	 * somebody else has it, in another process or in this one. */
	int (*lock)(struct disk *disk, const char *path, struct disk_file **lock);
	int (*open)(struct disk *disk, const char *path, unsigned flags, struct disk_file **file);
	/* The system's words for the last failure on this thread: "write FILE: Input/output error".
	 */
	const char *(*why)(struct disk *disk);

	int (*close)(struct disk_file *file);
	int (*size)(struct disk_file *file, uint64_t *size);
	/* Exactly SIZE bytes or an error; reading beyond the end is SYNOD_IO. */
	int (*read)(struct disk_file *file, uint64_t offset, void *bytes, size_t size);
	int (*write)(struct disk_file *file, uint64_t offset, const void *bytes, size_t size);
	/* Grow to SIZE by writing zeroes, so that later writes inside need no new blocks.  A file
	 * that is as large already is left alone; after a failure it may have grown in part. */
	int (*allocate)(struct disk_file *file, uint64_t size);
	/* Grow to SIZE and take the space from the file system, at once and without writing. */
	int (*reserve)(struct disk_file *file, uint64_t size);
	int (*truncate)(struct disk_file *file, uint64_t size);
	int (*sync)(struct disk_file *file); /* fdatasync */
};

/* Implementations embed these first. */
struct disk {
	const struct disk_ops *ops;
};
struct disk_file {
	const struct disk_ops *ops;
};

/* The machine's own file system; one static object. */
struct disk *disk_real(void);

/* disk_real()'s why operation. */
const char *disk_real_why(void);

#endif
