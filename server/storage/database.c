/* Opening, committing and checkpointing the SQLite database. */
#include "server/storage/database.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "shared/check.h"
#include "shared/error.h"

#define WHY_SIZE         256
#define PAGE_BYTES       4096
#define WAL_FRAME_BYTES  (PAGE_BYTES + 24)
#define CACHE_KIB        16384
#define CHECKPOINT_PAGES 16000 /* 64 MiB of log; rarer is faster, but the pauses grow */

/* A commit writes at most the dirty part of the cache.  Below this there is no point in trying: a
 * COMMIT that fails for lack of space rolls everything back. */
#define COMMIT_FREE_BYTES ((uint64_t)(CACHE_KIB + 8192) << 10)

struct database {
	sqlite3 *handle;
	char *path;
	int wal_pages; /* in the log after the last commit */
};

/* ---- errors ---- */

static int
code_of(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK: return SYNOD_OK;
	case SQLITE_FULL: return SYNOD_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return SYNOD_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return SYNOD_LOCKED;
	default: return SYNOD_IO;
	}
}

static const char *
advice(int error)
{
	switch (error) {
	case SYNOD_CORRUPT:
		return ". Keep the file, move it and its -wal away and start again: it is made "
		       "anew from the journal";
	case SYNOD_NO_SPACE: return ". Free space on its file system";
	case SYNOD_LOCKED: return ". Another process has it open";
	default: return ". Check that the directory can be written";
	}
}

static int
explain(const struct database *database, int result, char *why)
{
	int error = code_of(result);
	const char *words =
		database->handle ? sqlite3_errmsg(database->handle) : sqlite3_errstr(result);

	snprintf(why, WHY_SIZE, "%s: %s%s", database->path, words, advice(error));
	return error;
}

/* ---- opening ---- */

static int
on_commit(void *context, sqlite3 *handle, const char *name, int pages)
{
	struct database *database = context;

	(void)handle;
	(void)name;
	database->wal_pages = pages;
	return SQLITE_OK;
}

static int
harden(sqlite3 *handle)
{
	static const struct {
		int option;
		int value;
	} settings[] = {
		{SQLITE_DBCONFIG_DEFENSIVE, 1},
		{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
		{SQLITE_DBCONFIG_ENABLE_FKEY, 0},
		{SQLITE_DBCONFIG_DQS_DML, 0},
		{SQLITE_DBCONFIG_DQS_DDL, 0},
	};
	int result = SQLITE_OK;

	for (size_t i = 0; result == SQLITE_OK && i < sizeof settings / sizeof *settings; i++)
		result = sqlite3_db_config(handle, settings[i].option, settings[i].value, NULL);
	return result;
}

/* EXCLUSIVE before WAL: then the index of the log is in our memory and there is no -shm file. */
static int
configure(struct database *database)
{
	static const char settings[] = "PRAGMA page_size=4096;"
				       "PRAGMA cell_size_check=ON;"
				       "PRAGMA mmap_size=0;"
				       "PRAGMA locking_mode=EXCLUSIVE;"
				       "PRAGMA journal_mode=WAL;"
				       "PRAGMA synchronous=NORMAL;"
				       "PRAGMA temp_store=MEMORY;"
				       "PRAGMA cache_size=-16384;";
	int result = harden(database->handle);

	if (result == SQLITE_OK)
		result = sqlite3_exec(database->handle, settings, NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_wal_autocheckpoint(database->handle, 0);
	sqlite3_wal_hook(database->handle, on_commit, database);
	/* Reading the schema finds a file that is no database now and not later. */
	if (result == SQLITE_OK)
		result = sqlite3_exec(database->handle,
		                      "BEGIN IMMEDIATE; SELECT count(*) FROM sqlite_schema;", NULL,
		                      NULL, NULL);
	return result;
}

int
database_open(const char *path, const char *vfs, struct database **database, char *why)
{
	struct database *opened = check_calloc(1, sizeof *opened);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
	            SQLITE_OPEN_NOFOLLOW;

	*database = NULL;
	why[0] = '\0';
	opened->path = check_strdup(path);
	int result = sqlite3_open_v2(path, &opened->handle, flags, vfs);
	if (result == SQLITE_OK)
		result = configure(opened);
	if (result != SQLITE_OK) {
		int error = explain(opened, result, why);
		database_close(opened);
		return error;
	}
	*database = opened;
	return SYNOD_OK;
}

void
database_close(struct database *database)
{
	if (!database)
		return;
	if (database->handle && !sqlite3_get_autocommit(database->handle))
		sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
	/* The caller's statements may outlive us in a failure; v2 waits for them. */
	sqlite3_close_v2(database->handle);
	free(database->path);
	free(database);
}

sqlite3 *
database_handle(struct database *database)
{
	return database->handle;
}

/* ---- committing ---- */

/* A VFS of its own knows its free space, or hides it; otherwise the file system is asked.  Unknown
 * counts as enough: then SQLite finds out. */
static bool
has_space(const struct database *database)
{
	uint64_t bytes = 0;
	struct statvfs status;

	if (sqlite3_file_control(database->handle, "main", DATABASE_FREE_BYTES, &bytes) ==
	    SQLITE_OK)
		return bytes >= COMMIT_FREE_BYTES;
	if (statvfs(database->path, &status) != 0)
		return true;
	return (uint64_t)status.f_bavail * status.f_frsize >= COMMIT_FREE_BYTES;
}

/*
 * Copy the log into the database file.  RESTART and not TRUNCATE: the log keeps its
 * blocks, so that writing it again costs no allocation.  A checkpoint that
 * cannot finish leaves the log as it is, and nothing is lost.
 */
static int
checkpoint(struct database *database)
{
	int result = sqlite3_wal_checkpoint_v2(database->handle, NULL, SQLITE_CHECKPOINT_RESTART,
	                                       NULL, NULL);
	int error = code_of(result);

	if (error == SYNOD_OK)
		database->wal_pages = 0;
	return error == SYNOD_NO_SPACE || error == SYNOD_LOCKED ? SYNOD_OK : error;
}

static bool
is_in_transaction(const struct database *database)
{
	return !sqlite3_get_autocommit(database->handle);
}

int
database_commit(struct database *database)
{
	CHECK(is_in_transaction(database));

	if (!has_space(database))
		return SYNOD_NO_SPACE;
	int result = sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
	if (result != SQLITE_OK) {
		/* Where SQLite has rolled back, only a new start from the journal helps. */
		int error = code_of(result);
		return error == SYNOD_NO_SPACE && !is_in_transaction(database) ? SYNOD_IO : error;
	}
	int error = SYNOD_OK;
	if (database->wal_pages >= CHECKPOINT_PAGES)
		error = checkpoint(database);
	if (error != SYNOD_OK)
		return error;
	return code_of(sqlite3_exec(database->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL));
}

uint64_t
database_bytes(const struct database *database)
{
	sqlite3_stmt *statement = NULL;
	uint64_t pages = 0;

	if (sqlite3_prepare_v2(database->handle, "PRAGMA page_count", -1, &statement, NULL) ==
	            SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		pages = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return pages * PAGE_BYTES + (uint64_t)database->wal_pages * WAL_FRAME_BYTES;
}
