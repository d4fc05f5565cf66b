/* The disk of a host: crashes in the middle of operations.  What it loses is in damage.c. */
#include "tests/sim/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/disk_state.h"

#define CAPACITY_BYTES (UINT64_C(1) << 30)

static const struct disk_ops disk_ops;
static const struct disk_ops file_ops;

static struct sim_disk *
of(struct disk *disk)
{
	return (struct sim_disk *)disk;
}

static struct sim_file *
file_of(struct disk_file *file)
{
	return (struct sim_file *)file;
}

static struct disk *
make_inner(struct sim_disk *disk)
{
	struct disk *inner = memory_disk_new(random_mix(disk->seed + disk->generation++));

	memory_disk_set_capacity(inner, CAPACITY_BYTES);
	return inner;
}

struct sim_disk *
sim_disk_new(struct host *host, uint64_t seed)
{
	struct sim_disk *disk = check_calloc(1, sizeof *disk);

	disk->base.ops = &disk_ops;
	disk->host = host;
	disk->seed = seed;
	disk->inner = make_inner(disk);
	return disk;
}

static void
close_all(struct sim_disk *disk)
{
	while (disk->files) {
		struct sim_file *file = disk->files;

		disk->files = file->next;
		file->inner->ops->close(file->inner);
		free(file);
	}
}

void
sim_disk_free(struct sim_disk *disk)
{
	close_all(disk);
	memory_disk_free(disk->inner);
	memory_copy_free(disk->copy);
	free(disk->debt.bytes);
	free(disk);
}

struct disk *
sim_disk_table(struct sim_disk *disk)
{
	return &disk->base;
}

void
sim_disk_crash(struct sim_disk *disk, bool is_power)
{
	sim_disk_pay(disk);
	if (is_power)
		memory_disk_crash(disk->inner, CRASH_RANDOM);
	close_all(disk);
	disk->crash_in = 0;
}

bool
sim_disk_is_closed(const struct sim_disk *disk)
{
	return disk->files == NULL;
}

void
sim_disk_crash_at(struct sim_disk *disk, uint64_t operation)
{
	disk->crash_in = operation;
}

void
sim_disk_fail_at(struct sim_disk *disk, uint64_t operation, int error)
{
	memory_disk_fail_at(disk->inner, operation, error);
}

void
sim_disk_fill(struct sim_disk *disk, uint64_t left_bytes)
{
	uint64_t left = 0;

	memory_disk_set_capacity(disk->inner, CAPACITY_BYTES);
	if (left_bytes == UINT64_MAX)
		return;
	disk->inner->ops->free_bytes(disk->inner, "/", &left);
	memory_disk_set_capacity(disk->inner, CAPACITY_BYTES - left + left_bytes);
}

void
sim_disk_wipe(struct sim_disk *disk)
{
	CHECK(!disk->files);

	disk->misdirect_in = 0;
	memory_copy_free(disk->copy);
	disk->copy = NULL;
	memory_disk_free(disk->inner);
	disk->inner = make_inner(disk);
}

void
sim_disk_heal(struct sim_disk *disk)
{
	disk->crash_in = 0;
	disk->misdirect_in = 0;
	memory_disk_fail_at(disk->inner, 0, SYNOD_OK);
	memory_disk_set_capacity(disk->inner, CAPACITY_BYTES);
}

/* ---- operations ---- */

/* One change more.  True if the power goes right after it. */
static bool
count(struct sim_disk *disk)
{
	struct host *host = disk->host;

	world_note(host->world, disk->crash_in + 7);
	if (disk->crash_in == 0 || --disk->crash_in > 0)
		return false;
	if (random_below(&host->world->disk_random, 2) == 0)
		host_escape(host, ESCAPE_POWER);
	return true;
}

static int
done(struct sim_disk *disk, bool is_last, int error)
{
	if (is_last)
		host_escape(disk->host, ESCAPE_POWER);
	if (error == SYNOD_IO || error == SYNOD_NO_SPACE)
		disk->host->world->statistics.io_errors++;
	return error;
}

static int
wrap(struct sim_disk *disk, const char *path, struct disk_file *inner, struct disk_file **result)
{
	struct sim_file *file = check_calloc(1, sizeof *file);

	snprintf(file->path, sizeof file->path, "%s", path);

	file->base.ops = &file_ops;
	file->disk = disk;
	file->inner = inner;
	file->next = disk->files;
	if (disk->files)
		disk->files->link = &file->next;
	file->link = &disk->files;
	disk->files = file;
	*result = &file->base;
	return SYNOD_OK;
}

static int
make_directory(struct disk *base, const char *path)
{
	struct sim_disk *disk = of(base);
	bool is_last = count(disk);

	return done(disk, is_last, disk->inner->ops->make_directory(disk->inner, path));
}

static int
sync_directory(struct disk *base, const char *path)
{
	struct sim_disk *disk = of(base);
	bool is_last = count(disk);

	return done(disk, is_last, disk->inner->ops->sync_directory(disk->inner, path));
}

static int
list(struct disk *base, const char *path, void (*each)(void *context, const char *name),
     void *context)
{
	return of(base)->inner->ops->list(of(base)->inner, path, each, context);
}

static int
rename_file(struct disk *base, const char *from, const char *to)
{
	struct sim_disk *disk = of(base);
	bool is_last = count(disk);
	int error = disk->inner->ops->rename(disk->inner, from, to);

	for (struct sim_file *file = disk->files; file && !error; file = file->next)
		if (strcmp(file->path, from) == 0)
			snprintf(file->path, sizeof file->path, "%s", to);
	if (!error && disk->debt.bytes && strcmp(disk->debt.path, from) == 0)
		snprintf(disk->debt.path, sizeof disk->debt.path, "%s", to);
	return done(disk, is_last, error);
}

static int
remove_file(struct disk *base, const char *path)
{
	struct sim_disk *disk = of(base);
	bool is_last = count(disk);

	return done(disk, is_last, disk->inner->ops->remove(disk->inner, path));
}

static int
free_bytes(struct disk *base, const char *path, uint64_t *bytes)
{
	return of(base)->inner->ops->free_bytes(of(base)->inner, path, bytes);
}

static int
lock(struct disk *base, const char *path, struct disk_file **result)
{
	struct sim_disk *disk = of(base);
	struct disk_file *inner;
	int error = disk->inner->ops->lock(disk->inner, path, &inner);

	return error ? error : wrap(disk, path, inner, result);
}

static int
open_file(struct disk *base, const char *path, unsigned flags, struct disk_file **result)
{
	struct sim_disk *disk = of(base);
	struct disk_file *inner;
	bool is_last = (flags & DISK_CREATE) ? count(disk) : false;
	int error = disk->inner->ops->open(disk->inner, path, flags, &inner);

	if (!error)
		wrap(disk, path, inner, result);
	return done(disk, is_last, error);
}

static const char *
why(struct disk *base)
{
	return of(base)->inner->ops->why(of(base)->inner);
}

static int
close_file(struct disk_file *base)
{
	struct sim_file *file = file_of(base);
	int error = file->inner->ops->close(file->inner);

	*file->link = file->next;
	if (file->next)
		file->next->link = file->link;
	free(file);
	return error;
}

static int
size_of(struct disk_file *base, uint64_t *size)
{
	return file_of(base)->inner->ops->size(file_of(base)->inner, size);
}

static int
read_file(struct disk_file *base, uint64_t offset, void *bytes, size_t size)
{
	return file_of(base)->inner->ops->read(file_of(base)->inner, offset, bytes, size);
}

static int
write_file(struct disk_file *base, uint64_t offset, const void *bytes, size_t size)
{
	struct sim_file *file = file_of(base);
	bool is_last = count(file->disk);
	int error = SYNOD_OK;

	if (!sim_disk_misdirected(file, offset, (struct slice){bytes, size}))
		error = file->inner->ops->write(file->inner, offset, bytes, size);
	return done(file->disk, is_last, error);
}

static int
allocate(struct disk_file *base, uint64_t size)
{
	struct sim_file *file = file_of(base);
	bool is_last = count(file->disk);

	return done(file->disk, is_last, file->inner->ops->allocate(file->inner, size));
}

static int
reserve(struct disk_file *base, uint64_t size)
{
	struct sim_file *file = file_of(base);
	bool is_last = count(file->disk);

	return done(file->disk, is_last, file->inner->ops->reserve(file->inner, size));
}

static int
truncate_file(struct disk_file *base, uint64_t size)
{
	struct sim_file *file = file_of(base);
	bool is_last = count(file->disk);

	return done(file->disk, is_last, file->inner->ops->truncate(file->inner, size));
}

static int
sync_file(struct disk_file *base)
{
	struct sim_file *file = file_of(base);
	bool is_last = count(file->disk);
	int error = file->inner->ops->sync(file->inner);

	if (error == SYNOD_OK)
		sim_disk_synced(file);
	return done(file->disk, is_last, error);
}

static const struct disk_ops disk_ops = {
	.make_directory = make_directory,
	.sync_directory = sync_directory,
	.list = list,
	.rename = rename_file,
	.remove = remove_file,
	.free_bytes = free_bytes,
	.lock = lock,
	.open = open_file,
	.why = why,
};

static const struct disk_ops file_ops = {
	.close = close_file,
	.size = size_of,
	.read = read_file,
	.write = write_file,
	.allocate = allocate,
	.reserve = reserve,
	.truncate = truncate_file,
	.sync = sync_file,
};
