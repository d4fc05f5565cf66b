/*
 * Opening, committing and checkpointing the SQLite database.
 *
 * One connection does everything: Debian 12's SQLite 3.40.1 can corrupt a WAL
 * when two connections write or checkpoint at once (the WAL-reset bug, fixed in
 * 3.51.3), and a checkpoint by another thread never resets the log under a
 * steady writer.  A transaction is always open; database_commit() ends it and
 * begins the next.
 *
 * WAL, synchronous=NORMAL, locking_mode=EXCLUSIVE, wal_autocheckpoint=0: the
 * checkpoint runs in database_commit() when the WAL exceeds CHECKPOINT_PAGES.
 * Hardening: defensive mode, trusted_schema off, cell_size_check, mmap_size 0,
 * no extensions.
 */
#ifndef SERVER_STORAGE_DATABASE_H
#define SERVER_STORAGE_DATABASE_H

#include <sqlite3.h>
#include <stdint.h>

struct database;

/* The file control that asks a VFS of the caller for the free bytes of its disk (a uint64_t). */
#define DATABASE_FREE_BYTES 0x53796e

/*
 * Open or create PATH.  VFS: a registered SQLite VFS name, NULL for the
 * default (the simulator has its own).  SYNOD_OK, SYNOD_CORRUPT, SYNOD_NO_SPACE,
 * SYNOD_LOCKED, SYNOD_IO; WHY (at least 256 bytes) says what was wrong.
 */
int database_open(const char *path, const char *vfs, struct database **database, char *why);

/* Rolls back what is not committed.  Accepts NULL. */
void database_close(struct database *database);

sqlite3 *database_handle(struct database *database);

/* Commit, checkpoint if due, begin again.  SYNOD_NO_SPACE: rolled back nothing, still open,
 * try again later; other errors stop the member.  SQLite rolls back a COMMIT that runs out of
 * space, so with less than a full cache's worth of it none is tried. */
int database_commit(struct database *database);

uint64_t database_bytes(const struct database *database);

#endif
