/* Opening the data directory: what is formatted, what is taken, and what is refused in which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/disk_memory.h"

/* All but the database lies on a disk in memory, under the same path. */
#define DATA "data"

struct fixture {
	char directory[64];
	struct disk *disk;
	struct clock clock;
	uint8_t chance;
	struct member member; /* only what startup.c looks at */
	struct opened opened;
	char why[MEMBER_WHY_SIZE];
};

static uint64_t
now(struct clock *clock)
{
	(void)clock;
	return 1;
}

static void
draw(struct clock *clock, void *bytes, size_t size)
{
	struct fixture *fixture =
		(struct fixture *)((char *)clock - offsetof(struct fixture, clock));

	memset(bytes, ++fixture->chance, size);
}

static void
add_peer(struct member_options *options, const char *name, const char *address)
{
	struct member_identity *peer = &options->peers[options->peer_count++];

	snprintf(peer->name, sizeof peer->name, "%s", name);
	snprintf(peer->address, sizeof peer->address, "%s", address);
}

static void
set_name(struct fixture *fixture, const char *name)
{
	fixture->member.options.name = name;
	snprintf(fixture->member.name, sizeof fixture->member.name, "%s", name);
}

static struct fixture *
fixture_new(void)
{
	static const struct clock_ops clock_ops = {now, now, draw};
	struct fixture *fixture = check_calloc(1, sizeof *fixture);
	struct member_options *options = &fixture->member.options;

	snprintf(fixture->directory, sizeof fixture->directory, "/tmp/synod-startup-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	assert_int_equal(chdir(fixture->directory), 0);
	assert_int_equal(mkdir(DATA, 0700), 0);
	fixture->disk = memory_disk_new(7);
	fixture->clock.ops = &clock_ops;
	options->disk = fixture->disk;
	options->clock = &fixture->clock;
	options->data = DATA;
	options->segment_bytes = 64 << 10;
	options->space_reserve = 64 << 10;
	add_peer(options, "carol", "127.0.0.1:7403");
	add_peer(options, "alice", "127.0.0.1:7401");
	add_peer(options, "bob", "127.0.0.1:7402");
	set_name(fixture, "bob");
	return fixture;
}

static void
close_data(struct fixture *fixture)
{
	startup_undo(&fixture->member, &fixture->opened);
	if (fixture->member.lock)
		fixture->member.lock->ops->close(fixture->member.lock);
	fixture->member.lock = NULL;
	fixture->opened = (struct opened){0};
}

static int
open_data(struct fixture *fixture)
{
	close_data(fixture);
	memset(&fixture->member.identity, 0, sizeof fixture->member.identity);
	fixture->why[0] = '\0';
	return startup_open(&fixture->member, &fixture->opened, fixture->why);
}

static void
fixture_free(struct fixture *fixture)
{
	close_data(fixture);
	memory_disk_free(fixture->disk);
	unlink(DATA "/namespace.db");
	unlink(DATA "/namespace.db-wal");
	rmdir(DATA);
	assert_int_equal(chdir("/"), 0);
	rmdir(fixture->directory);
	free(fixture);
}

static void
assert_refused(struct fixture *fixture, int error, const char *words)
{
	assert_int_equal(open_data(fixture), error);
	if (!strstr(fixture->why, words))
		fail_msg("\"%s\" is not in \"%s\"", words, fixture->why);
}

static void
remove_file(struct fixture *fixture, const char *path)
{
	assert_int_equal(fixture->disk->ops->remove(fixture->disk, path), SYNOD_OK);
}

static void
promise(struct fixture *fixture, uint64_t round)
{
	fixture->member.identity.promised = (struct ballot){1, round, 2};
	assert_int_equal(identity_save(fixture->opened.identity_store, &fixture->member.identity),
	                 SYNOD_OK);
}

/* ---- a new directory ---- */

static void
a_new_directory_is_formatted_with_ids_in_the_order_of_names(void **state)
{
	struct fixture *fixture = fixture_new();
	const struct identity *identity = &fixture->member.identity;
	struct identity first;

	(void)state;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	assert_int_equal(identity->member_count, 3);
	assert_string_equal(identity->members[0].name, "alice");
	assert_string_equal(identity->members[1].name, "bob");
	assert_string_equal(identity->members[2].name, "carol");
	assert_int_equal(identity->members[2].id, 3);
	assert_int_equal(identity->self, 2);
	assert_int_equal(identity->epoch, 1);
	assert_true(identity->members[1].has_disk_id);
	assert_false(identity->members[0].has_disk_id);
	assert_memory_equal(identity->members[1].disk_id, identity->disk_id, DISK_ID_SIZE);
	assert_int_equal(fixture->opened.recovered.length, 0);
	first = *identity;
	/* The power goes: it is the same member afterwards, with the same disk. */
	close_data(fixture);
	memory_disk_crash(fixture->disk, CRASH_LOSE);
	assert_int_equal(open_data(fixture), SYNOD_OK);
	assert_memory_equal(identity->disk_id, first.disk_id, DISK_ID_SIZE);
	assert_memory_equal(identity->cluster_id, first.cluster_id, CLUSTER_ID_SIZE);
	fixture_free(fixture);
}

static void
formatting_that_was_broken_off_anywhere_is_done_again(void **state)
{
	bool is_complete = false;

	(void)state;
	for (uint64_t operation = 1; !is_complete; operation++) {
		struct fixture *fixture = fixture_new();

		memory_disk_power_off_at(fixture->disk, operation);
		is_complete = open_data(fixture) == SYNOD_OK &&
		              memory_disk_operations(fixture->disk) < operation;
		close_data(fixture);
		memory_disk_crash(fixture->disk, CRASH_RANDOM);
		if (open_data(fixture) != SYNOD_OK)
			fail_msg("after a crash at change %lu: %s", (unsigned long)operation,
			         fixture->why);
		fixture_free(fixture);
		assert_true(operation < 200);
	}
}

/* Each directory above counts only once the one that holds it is synced. */
static void
directories_that_were_missing_above_survive_too(void **state)
{
	struct fixture *fixture = fixture_new();
	uint8_t disk_id[DISK_ID_SIZE];

	(void)state;
	assert_int_equal(mkdir(DATA "/deep", 0700), 0);
	fixture->member.options.data = DATA "/deep";
	assert_int_equal(open_data(fixture), SYNOD_OK);
	memcpy(disk_id, fixture->member.identity.disk_id, sizeof disk_id);
	close_data(fixture);
	memory_disk_crash(fixture->disk, CRASH_LOSE);
	assert_int_equal(open_data(fixture), SYNOD_OK);
	assert_memory_equal(fixture->member.identity.disk_id, disk_id, sizeof disk_id);
	close_data(fixture);
	unlink(DATA "/deep/namespace.db");
	unlink(DATA "/deep/namespace.db-wal");
	rmdir(DATA "/deep");
	fixture_free(fixture);
}

static void
a_first_start_needs_the_members_and_itself_among_them(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	set_name(fixture, "dave");
	assert_refused(fixture, SYNOD_BAD_CONFIG, "--name dave is not among --peers");
	set_name(fixture, "bob");
	fixture->member.options.peer_count = 0;
	assert_refused(fixture, SYNOD_BAD_CONFIG, "use --peers");
	fixture_free(fixture);
}

static void
a_later_start_does_without_the_list_of_members(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	fixture->member.options.peer_count = 0;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	assert_int_equal(fixture->member.identity.member_count, 3);
	fixture_free(fixture);
}

/* ---- what is refused ---- */

static void
another_members_directory_is_refused(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	set_name(fixture, "alice");
	assert_refused(fixture, SYNOD_WRONG_MEMBER, "belongs to the member \"bob\"");
	fixture_free(fixture);
}

static void
a_directory_in_use_is_refused(void **state)
{
	struct fixture *fixture = fixture_new();
	struct disk_file *lock;

	(void)state;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	close_data(fixture);
	assert_int_equal(fixture->disk->ops->lock(fixture->disk, DATA "/lock", &lock), SYNOD_OK);
	assert_refused(fixture, SYNOD_LOCKED, "another synodd uses this data directory");
	lock->ops->close(lock);
	assert_int_equal(open_data(fixture), SYNOD_OK);
	fixture_free(fixture);
}

static void
lost_promise_files_are_not_taken_for_a_new_directory(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	promise(fixture, 5);
	close_data(fixture);
	remove_file(fixture, DATA "/promise.a");
	assert_int_equal(open_data(fixture), SYNOD_OK); /* the other has it all */
	assert_int_equal(fixture->member.identity.promised.round, 5);
	close_data(fixture);
	remove_file(fixture, DATA "/promise.a");
	remove_file(fixture, DATA "/promise.b");
	assert_refused(fixture, SYNOD_CORRUPT, "a promise was lost");
	fixture_free(fixture);
}

static void
a_journal_without_segments_is_refused_once_something_was_promised(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	close_data(fixture);
	remove_file(fixture, DATA "/journal/00000001.seg");
	assert_int_equal(open_data(fixture), SYNOD_OK);
	promise(fixture, 1);
	close_data(fixture);
	remove_file(fixture, DATA "/journal/00000001.seg");
	assert_refused(fixture, SYNOD_CORRUPT, "the journal has no segments");
	fixture_free(fixture);
}

static void
promise_files_older_than_the_journal_are_refused(void **state)
{
	struct fixture *fixture = fixture_new();
	struct slice a, b;
	struct buffer old_a = BUFFER_EMPTY, old_b = BUFFER_EMPTY;

	(void)state;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	promise(fixture, 1);
	a = memory_disk_content(fixture->disk, DATA "/promise.a");
	b = memory_disk_content(fixture->disk, DATA "/promise.b");
	buffer_append(&old_a, a.bytes, a.size);
	buffer_append(&old_b, b.bytes, b.size);
	promise(fixture, 2);
	journal_sync(fixture->opened.journal, (struct ballot){1, 2, 2}, 0);
	assert_int_equal(journal_commit(fixture->opened.journal), SYNOD_OK);
	assert_int_equal(open_data(fixture), SYNOD_OK);
	close_data(fixture);
	memory_disk_put(fixture->disk, DATA "/promise.a", buffer_slice(&old_a));
	memory_disk_put(fixture->disk, DATA "/promise.b", buffer_slice(&old_b));
	assert_refused(fixture, SYNOD_CORRUPT, "the promise files are older than the journal");
	buffer_fini(&old_a);
	buffer_fini(&old_b);
	fixture_free(fixture);
}

static void
a_database_ahead_of_the_journal_is_refused(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	assert_int_equal(open_data(fixture), SYNOD_OK);
	for (uint64_t slot = 1; slot <= 3; slot++)
		assert_int_equal(namespace_skip(fixture->opened.namespace, slot), SYNOD_OK);
	assert_int_equal(namespace_write_back(fixture->opened.namespace), SYNOD_OK);
	assert_int_equal(database_commit(fixture->opened.database), SYNOD_OK);
	assert_refused(fixture, SYNOD_CORRUPT,
	               "the database has applied slot 3, but the journal ends at 0");
	fixture_free(fixture);
}

static void
a_directory_that_cannot_be_made_is_named(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	memory_disk_fail_at(fixture->disk, 1, SYNOD_IO);
	assert_refused(fixture, SYNOD_IO, DATA ": cannot make the data directory");
	fixture_free(fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_directory_is_formatted_with_ids_in_the_order_of_names),
		cmocka_unit_test(formatting_that_was_broken_off_anywhere_is_done_again),
		cmocka_unit_test(directories_that_were_missing_above_survive_too),
		cmocka_unit_test(a_first_start_needs_the_members_and_itself_among_them),
		cmocka_unit_test(a_later_start_does_without_the_list_of_members),
		cmocka_unit_test(another_members_directory_is_refused),
		cmocka_unit_test(a_directory_in_use_is_refused),
		cmocka_unit_test(lost_promise_files_are_not_taken_for_a_new_directory),
		cmocka_unit_test(a_journal_without_segments_is_refused_once_something_was_promised),
		cmocka_unit_test(promise_files_older_than_the_journal_are_refused),
		cmocka_unit_test(a_database_ahead_of_the_journal_is_refused),
		cmocka_unit_test(a_directory_that_cannot_be_made_is_named),
	};

	alarm(120);
	log_open("/dev/null", "bob", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
