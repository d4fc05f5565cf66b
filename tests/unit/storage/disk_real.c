/* What every disk must do: the same tests on the machine's own and on the one in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/error.h"
#include "tests/support/disk_memory.h"

struct world {
	struct disk *disk;
	bool is_real;
	char root[64];
};

static int
set_up_real(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	world->disk = disk_real();
	world->is_real = true;
	strcpy(world->root, "/tmp/synod-disk-XXXXXX");
	*state = world;
	return mkdtemp(world->root) ? 0 : -1;
}

static void
remove_name(void *context, const char *name)
{
	struct world *world = context;
	char path[400];

	snprintf(path, sizeof path, "%s/%s", world->root, name);
	remove(path);
}

static int
tear_down_real(void **state)
{
	struct world *world = *state;

	world->disk->ops->list(world->disk, world->root, remove_name, world);
	rmdir(world->root);
	free(world);
	return 0;
}

static int
set_up_memory(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	world->disk = memory_disk_new(1);
	strcpy(world->root, "root");
	*state = world;
	return world->disk->ops->make_directory(world->disk, world->root);
}

static int
tear_down_memory(void **state)
{
	struct world *world = *state;

	memory_disk_free(world->disk);
	free(world);
	return 0;
}

static const char *
in(const struct world *world, const char *name)
{
	static char paths[2][128];
	static unsigned next;

	next = (next + 1) % 2;
	snprintf(paths[next], sizeof paths[next], "%s/%s", world->root, name);
	return paths[next];
}

static struct disk_file *
open_file(const struct world *world, const char *name, unsigned flags)
{
	struct disk_file *file;

	assert_int_equal(world->disk->ops->open(world->disk, in(world, name), flags, &file),
	                 SYNOD_OK);
	return file;
}

static void
reads_what_was_written(void **state)
{
	struct disk_file *file = open_file(*state, "file", DISK_CREATE);
	char bytes[8] = "";
	uint64_t size;

	assert_int_equal(file->ops->write(file, 5, "hello", 5), SYNOD_OK);
	assert_int_equal(file->ops->sync(file), SYNOD_OK);
	assert_int_equal(file->ops->size(file, &size), SYNOD_OK);
	assert_int_equal(size, 10);
	assert_int_equal(file->ops->read(file, 3, bytes, 7), SYNOD_OK);
	assert_memory_equal(bytes, "\0\0hello", 7);
	file->ops->close(file);
}

static void
reading_beyond_the_end_is_an_error(void **state)
{
	struct disk_file *file = open_file(*state, "file", DISK_CREATE);
	char bytes[8];

	assert_int_equal(file->ops->write(file, 0, "hello", 5), SYNOD_OK);
	assert_int_equal(file->ops->read(file, 0, bytes, 6), SYNOD_IO);
	assert_int_equal(file->ops->read(file, 5, bytes, 0), SYNOD_OK);
	file->ops->close(file);
}

static void
opening_obeys_its_flags(void **state)
{
	const struct world *world = *state;
	struct disk *disk = world->disk;
	struct disk_file *file;

	assert_int_equal(disk->ops->open(disk, in(world, "file"), 0, &file), SYNOD_NOT_FOUND);
	assert_non_null(strstr(disk->ops->why(disk), "file"));
	file = open_file(world, "file", DISK_CREATE | DISK_EXCLUSIVE);
	file->ops->close(file);
	assert_int_equal(
		disk->ops->open(disk, in(world, "file"), DISK_CREATE | DISK_EXCLUSIVE, &file),
		SYNOD_EXISTS);
	file = open_file(world, "file", DISK_READ_ONLY);
	assert_int_equal(file->ops->write(file, 0, "x", 1), SYNOD_IO);
	file->ops->close(file);
}

static void
allocating_fills_with_zeroes_and_never_shrinks(void **state)
{
	struct disk_file *file = open_file(*state, "file", DISK_CREATE);
	char bytes[1000];
	uint64_t size;

	assert_int_equal(file->ops->write(file, 0, "hello", 5), SYNOD_OK);
	assert_int_equal(file->ops->allocate(file, 600000), SYNOD_OK);
	assert_int_equal(file->ops->allocate(file, 1000), SYNOD_OK);
	assert_int_equal(file->ops->size(file, &size), SYNOD_OK);
	assert_int_equal(size, 600000);
	assert_int_equal(file->ops->read(file, 0, bytes, sizeof bytes), SYNOD_OK);
	assert_memory_equal(bytes, "hello\0\0", 7);
	assert_int_equal(file->ops->read(file, 599000, bytes, sizeof bytes), SYNOD_OK);
	for (size_t i = 0; i < sizeof bytes; i++)
		assert_int_equal(bytes[i], 0);
	file->ops->close(file);
}

static void
reserving_and_truncating_change_the_size(void **state)
{
	struct disk_file *file = open_file(*state, "file", DISK_CREATE);
	uint64_t size;

	assert_int_equal(file->ops->reserve(file, 100000), SYNOD_OK);
	assert_int_equal(file->ops->size(file, &size), SYNOD_OK);
	assert_int_equal(size, 100000);
	assert_int_equal(file->ops->truncate(file, 77), SYNOD_OK);
	assert_int_equal(file->ops->size(file, &size), SYNOD_OK);
	assert_int_equal(size, 77);
	file->ops->close(file);
}

static void
append_name(void *context, const char *name)
{
	strcat(strcat(context, name), " ");
}

static void
lists_sorted_names(void **state)
{
	const struct world *world = *state;
	static const char *const names[] = {"b", "a", "a.c", "aa"};
	char text[128] = "";

	for (size_t i = 0; i < 4; i++) {
		struct disk_file *file = open_file(world, names[i], DISK_CREATE);
		file->ops->close(file);
	}
	assert_int_equal(world->disk->ops->list(world->disk, world->root, append_name, text),
	                 SYNOD_OK);
	assert_string_equal(text, "a a.c aa b ");
	assert_int_equal(world->disk->ops->list(world->disk, in(world, "none"), append_name, text),
	                 SYNOD_NOT_FOUND);
}

static void
renames_and_removes(void **state)
{
	const struct world *world = *state;
	struct disk *disk = world->disk;
	struct disk_file *file = open_file(world, "old", DISK_CREATE);

	file->ops->close(file);
	assert_int_equal(disk->ops->rename(disk, in(world, "old"), in(world, "new")), SYNOD_OK);
	assert_int_equal(disk->ops->rename(disk, in(world, "old"), in(world, "new")),
	                 SYNOD_NOT_FOUND);
	assert_int_equal(disk->ops->sync_directory(disk, world->root), SYNOD_OK);
	assert_int_equal(disk->ops->remove(disk, in(world, "new")), SYNOD_OK);
	assert_int_equal(disk->ops->remove(disk, in(world, "new")), SYNOD_NOT_FOUND);
}

static void
makes_directories_once(void **state)
{
	const struct world *world = *state;
	struct disk *disk = world->disk;

	assert_int_equal(disk->ops->make_directory(disk, in(world, "sub")), SYNOD_OK);
	assert_int_equal(disk->ops->make_directory(disk, in(world, "sub")), SYNOD_OK);
	assert_int_equal(disk->ops->make_directory(disk, in(world, "none/sub")), SYNOD_NOT_FOUND);
}

static void
a_lock_has_one_holder(void **state)
{
	const struct world *world = *state;
	struct disk *disk = world->disk;
	struct disk_file *lock;
	struct disk_file *second = NULL;

	assert_int_equal(disk->ops->lock(disk, in(world, "lock"), &lock), SYNOD_OK);
	assert_int_equal(disk->ops->lock(disk, in(world, "lock"), &second), SYNOD_LOCKED);
	assert_null(second);
	lock->ops->close(lock);
	assert_int_equal(disk->ops->lock(disk, in(world, "lock"), &lock), SYNOD_OK);
	lock->ops->close(lock);
}

static void
tells_the_free_space(void **state)
{
	const struct world *world = *state;
	uint64_t bytes = 0;

	assert_int_equal(world->disk->ops->free_bytes(world->disk, world->root, &bytes), SYNOD_OK);
	assert_true(bytes > 0);
}

/* ---- the machine's own only ---- */

static void
another_process_is_locked_out(void **state)
{
	const struct world *world = *state;
	struct disk_file *lock;
	int status;

	assert_int_equal(world->disk->ops->lock(world->disk, in(world, "lock"), &lock), SYNOD_OK);
	pid_t child = fork();
	if (child == 0) {
		struct disk_file *mine;
		_exit(world->disk->ops->lock(world->disk, in(world, "lock"), &mine));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), SYNOD_LOCKED);
	lock->ops->close(lock);
}

static void
files_are_private(void **state)
{
	const struct world *world = *state;
	struct disk_file *file = open_file(world, "file", DISK_CREATE);
	struct stat status;

	file->ops->close(file);
	assert_int_equal(stat(in(world, "file"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	world->disk->ops->make_directory(world->disk, in(world, "sub"));
	assert_int_equal(stat(in(world, "sub"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
}

static void
a_full_device_is_no_space(void **state)
{
	struct disk *disk = disk_real();
	struct disk_file *file;

	(void)state;
	assert_int_equal(disk->ops->open(disk, "/dev/full", 0, &file), SYNOD_OK);
	assert_int_equal(file->ops->write(file, 0, "x", 1), SYNOD_NO_SPACE);
	assert_non_null(strstr(disk_real_why(), "/dev/full: No space left"));
	file->ops->close(file);
}

/* ---- the one in memory only ---- */

static void
unsynced_writes_and_names_can_be_lost(void **state)
{
	const struct world *world = *state;
	struct disk_file *file = open_file(world, "file", DISK_CREATE);
	struct disk_file *unnamed = open_file(world, "unnamed", DISK_CREATE);

	world->disk->ops->sync_directory(world->disk, ".");
	assert_int_equal(file->ops->write(file, 0, "safe", 4), SYNOD_OK);
	assert_int_equal(file->ops->sync(file), SYNOD_OK);
	assert_int_equal(
		world->disk->ops->rename(world->disk, in(world, "unnamed"), in(world, "renamed")),
		SYNOD_OK);
	memory_disk_crash(world->disk, CRASH_LOSE);
	/* Its directory was never synced. */
	assert_null(memory_disk_content(world->disk, in(world, "file")).bytes);
	file->ops->close(file);
	unnamed->ops->close(unnamed);

	file = open_file(world, "file", DISK_CREATE);
	world->disk->ops->sync_directory(world->disk, world->root);
	assert_int_equal(file->ops->write(file, 0, "safe", 4), SYNOD_OK);
	assert_int_equal(file->ops->sync(file), SYNOD_OK);
	assert_int_equal(file->ops->write(file, 2, "unsafe", 6), SYNOD_OK);
	memory_disk_crash(world->disk, CRASH_LOSE);
	assert_int_equal(file->ops->write(file, 0, "late", 4), SYNOD_IO);
	file->ops->close(file);
	struct slice content = memory_disk_content(world->disk, in(world, "file"));
	assert_int_equal(content.size, 4);
	assert_memory_equal(content.bytes, "safe", 4);
}

static void
a_failed_sync_shows_what_it_lost_until_the_crash(void **state)
{
	const struct world *world = *state;
	struct disk_file *file = open_file(world, "file", DISK_CREATE);

	world->disk->ops->sync_directory(world->disk, ".");
	world->disk->ops->sync_directory(world->disk, world->root);
	memory_disk_fail_at(world->disk, 2, SYNOD_IO);
	assert_int_equal(file->ops->write(file, 0, "gone", 4), SYNOD_OK);
	assert_int_equal(file->ops->sync(file), SYNOD_IO);
	assert_int_equal(file->ops->sync(file), SYNOD_OK);
	assert_int_equal(memory_disk_content(world->disk, in(world, "file")).size, 4);
	memory_disk_crash(world->disk, CRASH_KEEP);
	file->ops->close(file);
	assert_int_equal(memory_disk_content(world->disk, in(world, "file")).size, 0);
}

static void
the_same_seed_gives_the_same_crash(void **state)
{
	uint8_t first[8192];

	(void)state;
	for (unsigned run = 0; run < 2; run++) {
		struct disk *disk = memory_disk_new(42);
		struct disk_file *file;
		uint8_t bytes[8192];

		memset(bytes, 'x', sizeof bytes);
		assert_int_equal(disk->ops->open(disk, "file", DISK_CREATE, &file), SYNOD_OK);
		disk->ops->sync_directory(disk, ".");
		file->ops->allocate(file, sizeof bytes);
		file->ops->sync(file);
		for (unsigned i = 0; i < 8; i++)
			file->ops->write(file, 1000 * i, bytes, 1192);
		memory_disk_crash(disk, CRASH_RANDOM);
		struct slice content = memory_disk_content(disk, "file");
		assert_int_equal(content.size, sizeof bytes);
		if (run == 0)
			memcpy(first, content.bytes, sizeof first);
		assert_memory_equal(first, content.bytes, sizeof first);
		file->ops->close(file);
		memory_disk_free(disk);
	}
}

int
main(void)
{
#define REAL(name)   cmocka_unit_test_setup_teardown(name, set_up_real, tear_down_real)
#define MEMORY(name) cmocka_unit_test_setup_teardown(name, set_up_memory, tear_down_memory)
#define BOTH(name)   REAL(name), MEMORY(name)
	const struct CMUnitTest tests[] = {
		BOTH(reads_what_was_written),
		BOTH(reading_beyond_the_end_is_an_error),
		BOTH(opening_obeys_its_flags),
		BOTH(allocating_fills_with_zeroes_and_never_shrinks),
		BOTH(reserving_and_truncating_change_the_size),
		BOTH(lists_sorted_names),
		BOTH(renames_and_removes),
		BOTH(makes_directories_once),
		BOTH(a_lock_has_one_holder),
		BOTH(tells_the_free_space),
		REAL(another_process_is_locked_out),
		REAL(files_are_private),
		REAL(a_full_device_is_no_space),
		MEMORY(unsynced_writes_and_names_can_be_lost),
		MEMORY(a_failed_sync_shows_what_it_lost_until_the_crash),
		MEMORY(the_same_seed_gives_the_same_crash),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
