/* The journal on a healthy disk: committing, reading, rotating, running out of space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "tests/support/journal_fixture.h"

#define SEGMENT_BYTES ((size_t)32 << 10)

static struct journal_fixture *fixture;

static int
set_up(void **state)
{
	(void)state;
	fixture = calloc(1, sizeof *fixture);
	fixture_init(fixture, 1, SEGMENT_BYTES);
	return fixture_open(fixture, 0);
}

static int
tear_down(void **state)
{
	(void)state;
	fixture_fini(fixture);
	free(fixture);
	return 0;
}

static void
reopen(void)
{
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_string_equal(fixture->why, "");
	assert_int_equal(fixture->recovered.damaged_first, 0);
	assert_int_equal(fixture->recovered.torn_bytes, 0);
	assert_int_equal(fixture->recovered.length, fixture->committed.length);
	assert_true(ballot_equal(fixture->recovered.accepted, fixture->committed.accepted));
	assert_true(fixture_holds(fixture, &fixture->committed, 64, 1 << 20));
}

static void
a_new_journal_is_empty(void **state)
{
	struct entry *entry;
	uint32_t count;

	(void)state;
	assert_int_equal(fixture->recovered.length, 0);
	assert_true(ballot_is_none(fixture->recovered.accepted));
	assert_int_equal(fixture->recovered.first_slot, 1);
	assert_int_equal(fixture->recovered.tail_first, 1);
	assert_int_equal(journal_length(fixture->journal), 0);
	assert_int_equal(journal_read(fixture->journal, 1, 1, 100, &entry, &count),
	                 SYNOD_NOT_FOUND);
	reopen();
}

static void
holds_what_was_committed_after_reopening(void **state)
{
	(void)state;
	fixture_fill(fixture, 20, 7);
	assert_true(fixture_holds(fixture, &fixture->committed, 64, 1 << 20));
	reopen();
	fixture_fill(fixture, 3, 1);
	reopen();
}

static void
a_commit_of_nothing_writes_nothing(void **state)
{
	uint64_t before = memory_disk_operations(fixture->disk);

	(void)state;
	assert_int_equal(journal_commit(fixture->journal), SYNOD_OK);
	assert_int_equal(memory_disk_operations(fixture->disk), before);
}

static void
what_is_gathered_is_not_read_before_the_commit(void **state)
{
	struct entry *entry;
	uint32_t count;

	(void)state;
	fixture_fill(fixture, 1, 2);
	fixture_append(fixture, 1);
	assert_int_equal(journal_length(fixture->journal), 2);
	assert_int_equal(journal_read(fixture->journal, 3, 1, 100, &entry, &count),
	                 SYNOD_NOT_FOUND);
	assert_int_equal(fixture_commit(fixture), SYNOD_OK);
	assert_true(fixture_holds(fixture, &fixture->committed, 64, 1 << 20));
}

static void
a_commit_costs_one_write_and_one_sync(void **state)
{
	(void)state;
	fixture_fill(fixture, 1, 1);
	assert_int_equal(journal_make_room(fixture->journal, 8192), SYNOD_OK);
	uint64_t before = memory_disk_operations(fixture->disk);
	fixture_append(fixture, 10);
	assert_int_equal(fixture_commit(fixture), SYNOD_OK);
	assert_int_equal(memory_disk_operations(fixture->disk), before + 2);
}

static void
goes_on_in_the_next_segment(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		fixture_fill(fixture, 1, 10);
		assert_int_equal(journal_make_room(fixture->journal, 4096), SYNOD_OK);
	}
	assert_non_null(memory_disk_content(fixture->disk, fixture_segment(5)).bytes);
	assert_true(fixture_holds(fixture, &fixture->committed, 64, 1 << 20));
	reopen();
	fixture_fill(fixture, 50, 10);
	reopen();
}

static void
gives_a_large_batch_a_segment_of_its_own(void **state)
{
	(void)state;
	fixture->entry_size_max = 60000;
	fixture_fill(fixture, 3, 20);
	assert_true(memory_disk_content(fixture->disk, fixture_segment(2)).size > SEGMENT_BYTES);
	assert_true(fixture_holds(fixture, &fixture->committed, 5, 100000));
	reopen();
	fixture_fill(fixture, 2, 1);
	reopen();
}

static void
takes_the_largest_entry(void **state)
{
	struct ballot ballot = {1, 1, 2};
	struct entry *entry = entry_new(ENTRY_COMMAND, ENTRY_SIZE_MAX);
	struct entry *read;
	uint32_t count;

	(void)state;
	memset(entry->bytes, 'x', entry->size);
	journal_sync(fixture->journal, ballot, 0);
	journal_append(fixture->journal, ballot, 0, &entry, 1);
	assert_int_equal(journal_commit(fixture->journal), SYNOD_OK);
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_int_equal(journal_read(fixture->journal, 1, 1, 1, &read, &count), SYNOD_OK);
	assert_int_equal(count, 1);
	assert_int_equal(read->size, ENTRY_SIZE_MAX);
	assert_memory_equal(read->bytes, entry->bytes, entry->size);
	entry_release(read);
	entry_release(entry);
}

static void
a_sync_cuts_what_is_after_it(void **state)
{
	(void)state;
	fixture_fill(fixture, 10, 5);
	fixture_sync(fixture, 2, 33);
	fixture_append(fixture, 4);
	assert_int_equal(fixture_commit(fixture), SYNOD_OK);
	assert_int_equal(journal_length(fixture->journal), 37);
	assert_true(fixture_holds(fixture, &fixture->committed, 64, 1 << 20));
	reopen();
	fixture_sync(fixture, 3, 0);
	assert_int_equal(fixture_commit(fixture), SYNOD_OK);
	reopen();
	assert_int_equal(journal_length(fixture->journal), 0);
}

static void
one_batch_may_append_cut_and_append(void **state)
{
	(void)state;
	fixture_fill(fixture, 2, 5);
	fixture_append(fixture, 3);
	fixture_sync(fixture, 2, 8);
	fixture_append(fixture, 6);
	fixture_sync(fixture, 2, 12);
	fixture_append(fixture, 1);
	assert_int_equal(fixture_commit(fixture), SYNOD_OK);
	assert_true(fixture_holds(fixture, &fixture->committed, 64, 1 << 20));
	reopen();
}

static void
reads_in_runs_of_any_size(void **state)
{
	static const struct {
		uint32_t count_max;
		size_t bytes_max;
	} runs[] = {{1, 1}, {3, 1000}, {1000, 1}, {1000, 500}, {1000, 1 << 20}, {7, SIZE_MAX}};

	(void)state;
	fixture_fill(fixture, 60, 9);
	for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
		assert_true(fixture_holds(fixture, &fixture->committed, runs[i].count_max,
		                          runs[i].bytes_max));
}

static void
a_run_ends_with_the_log(void **state)
{
	struct entry *entries[8];
	uint32_t count;

	(void)state;
	fixture_fill(fixture, 1, 5);
	assert_int_equal(journal_read(fixture->journal, 4, 8, 1 << 20, entries, &count), SYNOD_OK);
	assert_int_equal(count, 2);
	entry_release(entries[0]);
	entry_release(entries[1]);
	assert_int_equal(journal_read(fixture->journal, 0, 8, 1 << 20, entries, &count),
	                 SYNOD_NOT_FOUND);
	assert_int_equal(journal_read(fixture->journal, 6, 8, 1 << 20, entries, &count),
	                 SYNOD_NOT_FOUND);
}

static void
returns_a_bounded_tail(void **state)
{
	(void)state;
	fixture_fill(fixture, 10, 10);
	fixture->options.tail_entries = 15;
	reopen();
	assert_int_equal(fixture->recovered.tail_first, 86);
	fixture->options.tail_entries = 1000;
	fixture->options.tail_bytes = 1000;
	reopen();
	size_t bytes = 0;
	for (uint64_t slot = fixture->recovered.tail_first; slot <= 100; slot++)
		bytes += fixture->recovered.tail[slot - fixture->recovered.tail_first]->size;
	assert_true(bytes <= 1000);
	assert_true(bytes > 1000 - 300);
}

static void
the_tail_follows_a_cut(void **state)
{
	(void)state;
	fixture->options.tail_entries = 8;
	fixture_fill(fixture, 4, 5);
	fixture_sync(fixture, 2, 11);
	fixture_append(fixture, 2);
	assert_int_equal(fixture_commit(fixture), SYNOD_OK);
	reopen();
	/* Slots 6 to 11 would fit in eight, but their sizes were forgotten when 20 came. */
	assert_int_equal(fixture->recovered.tail_first, 12);
}

static void
a_full_disk_changes_nothing(void **state)
{
	bool was_refused = false;

	(void)state;
	memory_disk_set_capacity(fixture->disk, 90000);
	fixture_fill(fixture, 1, 1);
	for (unsigned i = 0; i < 200 && !was_refused; i++) {
		fixture_sync(fixture, 2 + i, fixture->pending.length);
		fixture_append(fixture, 12);
		was_refused = fixture_commit(fixture) == SYNOD_NO_SPACE;
		assert_true(fixture_holds(fixture, &fixture->committed, 64, 1 << 20));
	}
	assert_true(was_refused);
	assert_int_equal(journal_make_room(fixture->journal, 16000), SYNOD_NO_SPACE);

	memory_disk_set_capacity(fixture->disk, UINT64_MAX);
	assert_int_equal(journal_make_room(fixture->journal, 16000), SYNOD_OK);
	fixture_append(fixture, 12);
	assert_int_equal(fixture_commit(fixture), SYNOD_OK);
	assert_true(fixture_holds(fixture, &fixture->committed, 64, 1 << 20));
	reopen();
}

static void
keeps_the_reserve_free(void **state)
{
	uint64_t free_bytes;

	(void)state;
	fixture->options.space_reserve = 20000;
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	memory_disk_set_capacity(fixture->disk, 100000);
	fixture_fill(fixture, 1, 1);
	for (;;) {
		fixture_append(fixture, 5);
		if (fixture_commit(fixture) == SYNOD_NO_SPACE)
			break;
	}
	assert_int_equal(fixture->disk->ops->free_bytes(fixture->disk, "data", &free_bytes),
	                 SYNOD_OK);
	assert_true(free_bytes >= 20000);
}

static void
a_failed_operation_is_never_reported_durable(void **state)
{
	(void)state;
	fixture_fill(fixture, 2, 3);
	for (uint64_t operation = 1; operation <= 2; operation++) {
		memory_disk_fail_at(fixture->disk, operation, SYNOD_IO);
		fixture_append(fixture, 2);
		assert_int_equal(fixture_commit(fixture), SYNOD_IO);
		/* Nothing is tried again. */
		assert_int_equal(journal_commit(fixture->journal), SYNOD_IO);
		assert_int_equal(journal_make_room(fixture->journal, 1), SYNOD_IO);
		memory_disk_crash(fixture->disk, CRASH_KEEP);
		reopen();
	}
}

static void
what_a_failed_sync_left_in_the_cache_is_made_durable_or_dropped(void **state)
{
	(void)state;
	fixture_fill(fixture, 2, 3);
	memory_disk_fail_at(fixture->disk, 2, SYNOD_IO);
	fixture_append(fixture, 2);
	assert_int_equal(fixture_commit(fixture), SYNOD_IO);
	/* The process restarts, the machine does not: the batch is read from the cache. */
	struct journal_model cached = fixture->pending;
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_int_equal(fixture->recovered.length, cached.length);
	assert_true(fixture_holds(fixture, &cached, 64, 1 << 20));
	/* What has been shown must survive now. */
	fixture->committed = cached;
	memory_disk_crash(fixture->disk, CRASH_LOSE);
	reopen();
}

static void
a_mark_is_written_once(void **state)
{
	uint64_t before;

	(void)state;
	fixture_fill(fixture, 1, 1);
	before = memory_disk_operations(fixture->disk);
	assert_int_equal(journal_mark(fixture->journal), SYNOD_OK);
	assert_int_equal(memory_disk_operations(fixture->disk), before + 2);
	assert_int_equal(journal_mark(fixture->journal), SYNOD_OK);
	assert_int_equal(memory_disk_operations(fixture->disk), before + 2);
	reopen();
	fixture_fill(fixture, 1, 1);
	reopen();
}

static void
prepares_room_ahead_of_the_commits(void **state)
{
	(void)state;
	fixture_fill(fixture, 1, 1);
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(journal_make_room(fixture->journal, 8192), SYNOD_OK);
		uint64_t before = memory_disk_operations(fixture->disk);
		fixture_fill(fixture, 1, 10);
		/* A write and a sync, and where the segment changes header, name and CONTINUE. */
		uint64_t operations = memory_disk_operations(fixture->disk) - before;
		assert_true(operations == 2 || operations == 8);
	}
}

static void
grows_a_slice_at_a_time(void **state)
{
	(void)state;
	uint64_t before = journal_bytes(fixture->journal);
	uint64_t slice = fixture->options.slice_bytes + 512; /* rounded up to whole sectors */

	assert_true(before <= 2 * slice);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(journal_make_room(fixture->journal, 1), SYNOD_OK);
		assert_true(journal_bytes(fixture->journal) <= before + slice);
		before = journal_bytes(fixture->journal);
	}
	/* Idle, it keeps a bounded space ahead, in the next segment too. */
	assert_true(before > SEGMENT_BYTES);
	assert_true(before <= 18 * slice);
}

static void
counts_its_bytes(void **state)
{
	uint64_t bytes = 0;

	(void)state;
	fixture_fill(fixture, 100, 10);
	for (uint32_t i = 1; memory_disk_content(fixture->disk, fixture_segment(i)).bytes; i++)
		bytes += memory_disk_content(fixture->disk, fixture_segment(i)).size;
	bytes += memory_disk_content(fixture->disk, "data/journal/next").size;
	assert_int_equal(journal_bytes(fixture->journal), bytes);
}

static void
works_on_the_real_disk(void **state)
{
	char directory[] = "/tmp/synod-journal-XXXXXX";
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/journal", directory);
	fixture_close(fixture);
	fixture->options.disk = disk_real();
	fixture->options.directory = path;
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	fixture_fill(fixture, 100, 10);
	reopen();
	fixture_close(fixture);
	for (uint32_t i = 1; i < 100; i++) {
		snprintf(path, sizeof path, "%s/journal/%08u.seg", directory, i);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/journal/next", directory);
	unlink(path);
	snprintf(path, sizeof path, "%s/journal", directory);
	assert_int_equal(rmdir(path), 0);
	rmdir(directory);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_new_journal_is_empty),
		TEST(holds_what_was_committed_after_reopening),
		TEST(a_commit_of_nothing_writes_nothing),
		TEST(what_is_gathered_is_not_read_before_the_commit),
		TEST(a_commit_costs_one_write_and_one_sync),
		TEST(goes_on_in_the_next_segment),
		TEST(gives_a_large_batch_a_segment_of_its_own),
		TEST(takes_the_largest_entry),
		TEST(a_sync_cuts_what_is_after_it),
		TEST(one_batch_may_append_cut_and_append),
		TEST(reads_in_runs_of_any_size),
		TEST(a_run_ends_with_the_log),
		TEST(returns_a_bounded_tail),
		TEST(the_tail_follows_a_cut),
		TEST(a_full_disk_changes_nothing),
		TEST(keeps_the_reserve_free),
		TEST(a_failed_operation_is_never_reported_durable),
		TEST(what_a_failed_sync_left_in_the_cache_is_made_durable_or_dropped),
		TEST(a_mark_is_written_once),
		TEST(prepares_room_ahead_of_the_commits),
		TEST(grows_a_slice_at_a_time),
		TEST(counts_its_bytes),
		TEST(works_on_the_real_disk),
	};
#undef TEST

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
