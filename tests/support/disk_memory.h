/*
 * A disk in memory that fails on demand: for tests and the simulator.
 *
 * Files have what programs see and what would survive a power cut; a sync moves
 * the one into the other, and so does the sync of a directory for its names.
 * memory_disk_crash() cuts the power: each unsynced write is kept, lost or torn at
 * 512-byte sectors, in any combination, and of each directory's unsynced changes
 * the first few are kept.  Everything random comes from the seed.
 */
#ifndef TESTS_SUPPORT_DISK_MEMORY_H
#define TESTS_SUPPORT_DISK_MEMORY_H

#include "server/storage/disk.h"
#include "shared/buffer.h"

struct disk *memory_disk_new(uint64_t seed);
void memory_disk_free(struct disk *disk); /* every file must have been closed */

enum memory_crash {
	CRASH_RANDOM,
	CRASH_LOSE, /* everything unsynced is lost */
	CRASH_KEEP, /* nothing is */
};

/* Cut the power.  Files that are open return SYNOD_IO from now on, but must still be closed. */
void memory_disk_crash(struct disk *disk, enum memory_crash kind);

/* Keep the unsynced writes of all files, in their order, up to KEPT_BYTES bytes, and all names. */
void memory_disk_crash_after(struct disk *disk, size_t kept_bytes);

/* Changes (writes, syncs, renames, ...) attempted so far; reads do not count. */
uint64_t memory_disk_operations(const struct disk *disk);

/* The change number OPERATION (counted from now, from 1) fails with ERROR, once.  0: none.  A sync
 * that fails drops what it should have written, but reads still show it until the crash. */
void memory_disk_fail_at(struct disk *disk, uint64_t operation, int error);

/* From the change number OPERATION on (counted from now, from 1), everything fails with SYNOD_IO;
 * that one itself may have been done.  Then crash. */
void memory_disk_power_off_at(struct disk *disk, uint64_t operation);

/* How much fits; at first there is no limit. */
void memory_disk_set_capacity(struct disk *disk, uint64_t bytes);

/* Damage PATH, on the disk and in the cache: flip the bits of MASK at OFFSET. */
void memory_disk_flip(struct disk *disk, const char *path, uint64_t offset, uint8_t mask);

/* Reads that touch OFFSET of PATH fail with SYNOD_IO from now on. */
void memory_disk_break(struct disk *disk, const char *path, uint64_t offset);

/* What is in PATH, valid until the next change; bytes NULL if there is no such file. */
struct slice memory_disk_content(struct disk *disk, const char *path);

/* Make PATH, in an existing directory, contain exactly BYTES, durably. */
void memory_disk_put(struct disk *disk, const char *path, struct slice bytes);

/* Put BYTES at OFFSET of PATH, on the disk and in the cache, as far as the file reaches. */
void memory_disk_poke(struct disk *disk, const char *path, uint64_t offset, struct slice bytes);

/* Remove, durably, every file with PART in its path; none of them may have been renamed or made
 * since its directory was synced. */
void memory_disk_remove(struct disk *disk, const char *part);

/* What there is now, and going back to that: the files with PART in their path.  Directories stay.
 */
struct memory_copy;
struct memory_copy *memory_disk_copy(const struct disk *disk);
void memory_disk_put_back(struct disk *disk, const struct memory_copy *copy, const char *part);
void memory_copy_free(struct memory_copy *copy); /* accepts NULL */

#endif
