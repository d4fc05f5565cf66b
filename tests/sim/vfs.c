/* A VFS of SQLite over the disks of the world: deterministic, and as faulty as they are. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "server/storage/database.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/disk.h"

#define PATH_SIZE 256

struct vfs_file {
	sqlite3_file base; /* first */
	struct host *host;
	struct disk_file *file;
	bool is_name_unsynced; /* the journal's or log's name is synced with its first sync */
	char path[PATH_SIZE];
};

static struct world *world_now;

static struct host *
host_of(sqlite3_vfs *vfs)
{
	return world_now->hosts[(intptr_t)vfs->pAppData];
}

static struct disk *
disk_of(struct host *host)
{
	return sim_disk_table(host->disk);
}

static int
code_of(int error, int otherwise)
{
	switch (error) {
	case SYNOD_OK: return SQLITE_OK;
	case SYNOD_NO_SPACE: return SQLITE_FULL;
	default: return otherwise;
	}
}

static int
sync_parent(struct host *host, const char *path)
{
	char parent[PATH_SIZE];

	snprintf(parent, sizeof parent, "%s", path);
	*strrchr(parent, '/') = '\0';
	return disk_of(host)->ops->sync_directory(disk_of(host), parent);
}

/* ---- files ---- */

static int
vfs_close(sqlite3_file *base)
{
	struct vfs_file *file = (struct vfs_file *)base;

	file->file->ops->close(file->file);
	return SQLITE_OK;
}

static int
vfs_read(sqlite3_file *base, void *bytes, int size, sqlite3_int64 offset)
{
	struct vfs_file *file = (struct vfs_file *)base;
	uint64_t end = 0;
	uint64_t at = (uint64_t)offset;
	size_t there = (size_t)size;

	if (file->file->ops->size(file->file, &end) != SYNOD_OK)
		return SQLITE_IOERR_READ;
	if (at >= end)
		there = 0;
	else if (end - at < there)
		there = (size_t)(end - at);
	if (there > 0 && file->file->ops->read(file->file, at, bytes, there) != SYNOD_OK)
		return SQLITE_IOERR_READ;
	if (there == (size_t)size)
		return SQLITE_OK;
	memset((char *)bytes + there, 0, (size_t)size - there);
	return SQLITE_IOERR_SHORT_READ;
}

static int
vfs_write(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 offset)
{
	struct vfs_file *file = (struct vfs_file *)base;

	return code_of(file->file->ops->write(file->file, (uint64_t)offset, bytes, (size_t)size),
	               SQLITE_IOERR_WRITE);
}

static int
vfs_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct vfs_file *file = (struct vfs_file *)base;

	return code_of(file->file->ops->truncate(file->file, (uint64_t)size),
	               SQLITE_IOERR_TRUNCATE);
}

static int
vfs_sync(sqlite3_file *base, int flags)
{
	struct vfs_file *file = (struct vfs_file *)base;
	int error = file->file->ops->sync(file->file);

	(void)flags;
	if (error == SYNOD_OK && file->is_name_unsynced) {
		error = sync_parent(file->host, file->path);
		file->is_name_unsynced = false;
	}
	return code_of(error, SQLITE_IOERR_FSYNC);
}

static int
vfs_file_size(sqlite3_file *base, sqlite3_int64 *size)
{
	struct vfs_file *file = (struct vfs_file *)base;
	uint64_t bytes = 0;
	int error = file->file->ops->size(file->file, &bytes);

	*size = (sqlite3_int64)bytes;
	return code_of(error, SQLITE_IOERR_FSTAT);
}

/* One process has the directory: its lock file sees to that. */
static int
vfs_lock(sqlite3_file *base, int level)
{
	(void)base;
	(void)level;
	return SQLITE_OK;
}

static int
vfs_check_reserved_lock(sqlite3_file *base, int *result)
{
	(void)base;
	*result = 0;
	return SQLITE_OK;
}

/* In some worlds nobody knows how much is free before a COMMIT fails for the lack of it. */
static int
vfs_file_control(sqlite3_file *base, int op, void *argument)
{
	struct vfs_file *file = (struct vfs_file *)base;
	struct world *world = file->host->world;
	uint64_t *bytes = argument;

	if (op != DATABASE_FREE_BYTES || !world->options.sees_space)
		return SQLITE_NOTFOUND;
	if (disk_of(file->host)->ops->free_bytes(disk_of(file->host), file->path, bytes) !=
	    SYNOD_OK)
		return SQLITE_NOTFOUND;
	world->statistics.space_looks++;
	return SQLITE_OK;
}

static int
vfs_sector_size(sqlite3_file *base)
{
	(void)base;
	return 4096;
}

static int
vfs_device_characteristics(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as SQLite assumes of Linux */
}

/* Version 1: no shared memory, so the log can be used in exclusive mode only. */
static const sqlite3_io_methods file_methods = {
	.iVersion = 1,
	.xClose = vfs_close,
	.xRead = vfs_read,
	.xWrite = vfs_write,
	.xTruncate = vfs_truncate,
	.xSync = vfs_sync,
	.xFileSize = vfs_file_size,
	.xLock = vfs_lock,
	.xUnlock = vfs_lock,
	.xCheckReservedLock = vfs_check_reserved_lock,
	.xFileControl = vfs_file_control,
	.xSectorSize = vfs_sector_size,
	.xDeviceCharacteristics = vfs_device_characteristics,
};

/* ---- the file system ---- */

static bool
exists(struct host *host, const char *path)
{
	struct disk_file *file;

	if (disk_of(host)->ops->open(disk_of(host), path, DISK_READ_ONLY, &file) != SYNOD_OK)
		return false;
	file->ops->close(file);
	return true;
}

static int
vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
	struct vfs_file *file = (struct vfs_file *)base;
	unsigned how = 0;
	bool is_new;

	memset(file, 0, sizeof *file);
	CHECK(path != NULL);
	file->host = host_of(vfs);
	snprintf(file->path, sizeof file->path, "%s", path);
	is_new = !exists(file->host, path);
	if (flags & SQLITE_OPEN_CREATE)
		how |= DISK_CREATE;
	if (flags & SQLITE_OPEN_READONLY)
		how |= DISK_READ_ONLY;
	if (disk_of(file->host)->ops->open(disk_of(file->host), path, how, &file->file) != SYNOD_OK)
		return SQLITE_CANTOPEN;
	file->is_name_unsynced =
		is_new && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
	base->pMethods = &file_methods;
	if (out_flags)
		*out_flags = flags;
	return SQLITE_OK;
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *path, int must_sync)
{
	struct host *host = host_of(vfs);
	int error = disk_of(host)->ops->remove(disk_of(host), path);

	if (error == SYNOD_NOT_FOUND)
		return SQLITE_IOERR_DELETE_NOENT;
	if (error == SYNOD_OK && must_sync)
		error = sync_parent(host, path);
	return code_of(error, SQLITE_IOERR_DELETE);
}

static int
vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
	(void)flags;
	*result = exists(host_of(vfs), path);
	return SQLITE_OK;
}

static int
vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int size, char *full)
{
	(void)vfs;
	snprintf(full, (size_t)size, "%s", path);
	return SQLITE_OK;
}

static int
vfs_randomness(sqlite3_vfs *vfs, int size, char *bytes)
{
	struct host *host = host_of(vfs);

	host->clock.ops->random(&host->clock, bytes, (size_t)size);
	return size;
}

static int
vfs_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int
vfs_current_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
	struct host *host = host_of(vfs);

	*ms = 24405875 * (sqlite3_int64)8640000 +
	      (sqlite3_int64)host->clock.ops->wall_ms(&host->clock);
	return SQLITE_OK;
}

static int
vfs_current_time(sqlite3_vfs *vfs, double *days)
{
	sqlite3_int64 ms;

	vfs_current_time_ms(vfs, &ms);
	*days = (double)ms / 86400000.0;
	return SQLITE_OK;
}

static int
vfs_last_error(sqlite3_vfs *vfs, int size, char *text)
{
	(void)vfs;
	(void)size;
	(void)text;
	return 0;
}

/* ---- a small cache, so that pages are written in the middle of transactions ---- */

/* The settings of the product do not count, in worlds that have a size of their own. */
static int
authorize(void *context, int action, const char *name, const char *value, const char *database,
          const char *trigger)
{
	(void)context;
	(void)value;
	(void)database;
	(void)trigger;
	if (action == SQLITE_PRAGMA && strcmp(name, "cache_size") == 0 &&
	    world_now->options.cache_pages != 0)
		return SQLITE_IGNORE;
	return SQLITE_OK;
}

static int
on_connection(sqlite3 *handle, char **error, const struct sqlite3_api_routines *api)
{
	char pragma[80];

	(void)error;
	(void)api;
	if (world_now->options.cache_pages == 0)
		return SQLITE_OK;
	/* A log without shared memory can be read in exclusive mode only. */
	snprintf(pragma, sizeof pragma, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=%lu",
	         (unsigned long)world_now->options.cache_pages);
	sqlite3_exec(handle, pragma, NULL, NULL, NULL);
	return sqlite3_set_authorizer(handle, authorize, NULL);
}

static char vfs_names[MEMBERS_LIMIT][8];

void
sim_vfs_use(struct world *world)
{
	static sqlite3_vfs tables[MEMBERS_LIMIT];

	world_now = world;
	if (tables[0].iVersion != 0)
		return;
	/* One thread, and no locks to be left behind by a process that vanishes. */
	CHECK(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
	CHECK(sqlite3_initialize() == SQLITE_OK);
	CHECK(sqlite3_auto_extension((void (*)(void))on_connection) == SQLITE_OK);
	for (intptr_t i = 0; i < MEMBERS_LIMIT; i++) {
		snprintf(vfs_names[i], sizeof vfs_names[i], "sim%d", (int)i);
		tables[i] = (sqlite3_vfs){
			.iVersion = 2,
			.szOsFile = sizeof(struct vfs_file),
			.mxPathname = PATH_SIZE,
			.zName = vfs_names[i],
			.pAppData = (void *)i,
			.xOpen = vfs_open,
			.xDelete = vfs_delete,
			.xAccess = vfs_access,
			.xFullPathname = vfs_full_pathname,
			.xRandomness = vfs_randomness,
			.xSleep = vfs_sleep,
			.xCurrentTime = vfs_current_time,
			.xGetLastError = vfs_last_error,
			.xCurrentTimeInt64 = vfs_current_time_ms,
		};
		CHECK(sqlite3_vfs_register(&tables[i], 0) == SQLITE_OK);
	}
}

const char *
sim_vfs_name(const struct host *host)
{
	return vfs_names[host->index];
}
