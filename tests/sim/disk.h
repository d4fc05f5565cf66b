/*
 * The disk of a host: the faulty disk in memory of the unit tests, and over it
 * crashes in the middle of operations, and files that outlive no process.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "server/storage/disk.h"
#include "tests/sim/host.h"

struct sim_disk;

struct sim_disk *sim_disk_new(struct host *host, uint64_t seed);
void sim_disk_free(struct sim_disk *disk);
struct disk *sim_disk_table(struct sim_disk *disk);

/* The process is gone; with POWER, what it had not synced too, at the seed's discretion. */
void sim_disk_crash(struct sim_disk *disk, bool is_power);
/* The power goes at the change number OPERATION from now. */
void sim_disk_crash_at(struct sim_disk *disk, uint64_t operation);
void sim_disk_fail_at(struct sim_disk *disk, uint64_t operation, int error);
/* Fill it up to BYTES that are left; SIZE_MAX: room again. */
void sim_disk_fill(struct sim_disk *disk, uint64_t left_bytes);
/* Everything is lost. */
void sim_disk_wipe(struct sim_disk *disk);
/* No file is open. */
bool sim_disk_is_closed(const struct sim_disk *disk);

/* ---- damage.c; false where there is nothing to damage ---- */

/* Change one bit of a journal segment or promise file.  The member can know it, or nothing is lost
 * by it, unless it MAY FORGET. */
bool sim_disk_rot(struct sim_disk *disk, struct random *random, bool may_forget);
/* Lose a part of what belongs together: the member can know. */
bool sim_disk_lose(struct sim_disk *disk, struct random *random);
/* Damage the database of a member that is down, or put back an older one. */
bool sim_disk_rot_database(struct sim_disk *disk, struct random *random);
/* What the message says that refuses it. */
void sim_disk_remove_database(struct sim_disk *disk);
/* Keep an image of everything, of a member that is down; and put it back. */
void sim_disk_keep(struct sim_disk *disk);
bool sim_disk_restore(struct sim_disk *disk);
/* The write number WRITE of journal or promise from now on goes astray.  It overwrites something
 * else, and is missing where it belongs as soon as the next batch behind it shows that, or at once
 * where the member MAY FORGET. */
void sim_disk_misdirect(struct sim_disk *disk, uint64_t write, bool may_forget);

/* Forget the faults that are to come. */
void sim_disk_heal(struct sim_disk *disk);

/* A VFS of SQLite over the disk of each member: "sim0" .. "sim6".  Registered once; WORLD says
 * whose disks they are now. */
void sim_vfs_use(struct world *world);
const char *sim_vfs_name(const struct host *host);

#endif
