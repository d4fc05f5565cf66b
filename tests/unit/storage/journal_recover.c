/* The journal's start-up scan on damaged, missing and foreign files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/storage/journal_format.h"
#include "shared/error.h"
#include "tests/support/journal_fixture.h"

#define SEGMENT_BYTES ((size_t)12 << 10)

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

/* Several segments with several batches, no mark at the end. */
static void
fill(void)
{
	fixture_fill(fixture, 12, 6);
	fixture_sync(fixture, 2, fixture->pending.length);
	fixture_fill(fixture, 1, 6);
	assert_non_null(memory_disk_content(fixture->disk, fixture_segment(2)).bytes);
	fixture_close(fixture);
}

static void
assert_quarantined(const char *word)
{
	assert_int_equal(fixture_open(fixture, 0), SYNOD_CORRUPT);
	if (!strstr(fixture->why, word))
		fail_msg("'%s' does not say '%s'", fixture->why, word);
}

static uint32_t
last_segment(void)
{
	uint32_t number = 1;

	while (memory_disk_content(fixture->disk, fixture_segment(number + 1)).bytes)
		number++;
	return number;
}

/* Where the record of TYPE after SKIP others of it stands in SEGMENT; 0: nowhere. */
static size_t
find_record(uint32_t segment, enum journal_record_type type, unsigned skip)
{
	struct slice bytes = memory_disk_content(fixture->disk, fixture_segment(segment));
	struct journal_record record;

	for (size_t at = JOURNAL_HEADER_SIZE; at < bytes.size;
	     at = (size_t)journal_record_end(at, &record)) {
		if (!journal_record_parse(bytes.bytes + at, bytes.size - at, &record))
			return 0;
		if (record.type == type && skip-- == 0)
			return at;
	}
	return 0;
}

/* A copy of a file, to be put back. */
struct copy {
	uint8_t *bytes;
	size_t size;
};

static struct copy
copy_of(const char *path)
{
	struct slice content = memory_disk_content(fixture->disk, path);
	struct copy copy = {malloc(content.size), content.size};

	memcpy(copy.bytes, content.bytes, content.size);
	return copy;
}

static void
put_back(const char *path, const struct copy *copy)
{
	memory_disk_put(fixture->disk, path, (struct slice){copy->bytes, copy->size});
}

/* Either the damage is told, or nothing is missing.  Damage that is cut off silently is neither. */
static bool
is_honest(void)
{
	int error = fixture_open(fixture, 0);

	if (error != SYNOD_OK)
		return fixture->why[0] != '\0';
	return fixture->recovered.length == fixture->committed.length &&
	       ballot_equal(fixture->recovered.accepted, fixture->committed.accepted) &&
	       fixture->recovered.damaged_first == 0 &&
	       fixture_holds(fixture, &fixture->committed, 16, 4096);
}

static void
flip_everywhere(uint32_t segment, size_t step)
{
	struct copy last = copy_of(fixture_segment(last_segment()));
	struct copy copy = copy_of(fixture_segment(segment));

	for (size_t at = 0; at < copy.size; at += step) {
		memory_disk_flip(fixture->disk, fixture_segment(segment), at,
		                 (uint8_t)(1u << at % 8));
		if (!is_honest())
			fail_msg("segment %d, offset %d: cut silently", (int)segment, (int)at);
		fixture_close(fixture);
		put_back(fixture_segment(last_segment()), &last);
		put_back(fixture_segment(segment), &copy);
	}
	free(copy.bytes);
	free(last.bytes);
}

static void
no_flipped_bit_is_cut_silently(void **state)
{
	(void)state;
	fill();
	/* The mark that opening writes proves that everything before it was acknowledged. */
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	fixture_close(fixture);
	for (uint32_t segment = 1; segment <= last_segment(); segment++)
		flip_everywhere(segment, 5);
}

static void
a_flipped_bit_of_the_newest_batch_is_not_cut(void **state)
{
	(void)state;
	fill();
	/* Everything but the end mark itself, of which only a mark behind it could tell. */
	uint32_t segment = last_segment();
	struct copy copy = copy_of(fixture_segment(segment));
	size_t mark = 0;
	for (unsigned i = 0; find_record(segment, RECORD_END, i); i++)
		mark = find_record(segment, RECORD_END, i);
	for (size_t at = JOURNAL_HEADER_SIZE; at < mark; at += 3) {
		memory_disk_flip(fixture->disk, fixture_segment(segment), at, 0x10);
		if (!is_honest())
			fail_msg("offset %d: cut silently", (int)at);
		fixture_close(fixture);
		put_back(fixture_segment(segment), &copy);
	}
	free(copy.bytes);
}

static void
damage_of_chosen_slots_is_reported_and_the_rest_is_readable(void **state)
{
	struct entry *entries[16];
	uint32_t count;

	(void)state;
	fill();
	uint64_t length = fixture->committed.length;
	size_t at = find_record(1, RECORD_ENTRY, 8);
	memory_disk_flip(fixture->disk, fixture_segment(1), at + 70, 1);
	assert_quarantined("slots 7 to 12");
	assert_non_null(strstr(fixture->why, "00000001.seg"));

	assert_int_equal(fixture_open(fixture, 11), SYNOD_CORRUPT);
	assert_int_equal(fixture_open(fixture, 12), SYNOD_OK);
	assert_int_equal(fixture->recovered.damaged_first, 7);
	assert_int_equal(fixture->recovered.damaged_last, 12);
	assert_int_equal(fixture->recovered.length, length);
	assert_true(fixture_has_slots(fixture, &fixture->committed, 1, 6, 4, 4096));
	assert_true(fixture_has_slots(fixture, &fixture->committed, 13, length, 4, 4096));
	assert_int_equal(journal_read(fixture->journal, 4, 16, 1 << 20, entries, &count), SYNOD_OK);
	assert_int_equal(count, 3);
	for (uint32_t i = 0; i < count; i++)
		entry_release(entries[i]);
	assert_int_equal(journal_read(fixture->journal, 7, 16, 1 << 20, entries, &count),
	                 SYNOD_CORRUPT);
	assert_int_equal(journal_read(fixture->journal, 12, 16, 1 << 20, entries, &count),
	                 SYNOD_CORRUPT);

	/* It goes on, and says the same the next time. */
	fixture_fill(fixture, 3, 5);
	assert_int_equal(fixture_open(fixture, 12), SYNOD_OK);
	assert_int_equal(fixture->recovered.damaged_last, 12);
	assert_true(fixture_has_slots(fixture, &fixture->committed, 13, length + 15, 4, 4096));
}

static void
damage_that_was_cut_off_since_does_not_matter(void **state)
{
	(void)state;
	fixture_fill(fixture, 3, 4);
	fixture_sync(fixture, 2, 6);
	fixture_fill(fixture, 2, 4);
	fixture_close(fixture);
	size_t at = find_record(1, RECORD_ENTRY, 9);
	memory_disk_flip(fixture->disk, fixture_segment(1), at + 70, 1);
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_int_equal(fixture->recovered.damaged_first, 0);
	assert_true(fixture_holds(fixture, &fixture->committed, 16, 4096));
}

static void
a_damaged_end_mark_alone_loses_nothing(void **state)
{
	(void)state;
	fill();
	size_t at = find_record(1, RECORD_END, 2);
	memory_disk_flip(fixture->disk, fixture_segment(1), at + 20, 0xff);
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_int_equal(fixture->recovered.damaged_first, 0);
	assert_true(fixture_holds(fixture, &fixture->committed, 16, 4096));
}

static void
zero(uint32_t segment, size_t from, size_t to)
{
	struct copy copy = copy_of(fixture_segment(segment));

	memset(copy.bytes + from, 0, to - from);
	put_back(fixture_segment(segment), &copy);
	free(copy.bytes);
}

static void
a_zeroed_stretch_is_bridged_at_an_unchanged_ballot(void **state)
{
	(void)state;
	fill();
	/* From the middle of the second batch to the middle of the third. */
	zero(1, find_record(1, RECORD_ENTRY, 7), find_record(1, RECORD_ENTRY, 14));
	assert_quarantined("slots 7 to");
	assert_int_equal(fixture_open(fixture, 18), SYNOD_OK);
	assert_int_equal(fixture->recovered.damaged_first, 7);
	assert_int_equal(fixture->recovered.damaged_last, 18);
	uint64_t length = fixture->committed.length;
	assert_true(fixture_has_slots(fixture, &fixture->committed, 19, length, 16, 4096));
}

static void
a_zeroed_change_of_ballot_is_never_bridged(void **state)
{
	(void)state;
	fixture_fill(fixture, 3, 2);
	fixture_sync(fixture, 2, 3);
	fixture_fill(fixture, 1, 2);
	fixture_fill(fixture, 2, 2);
	fixture_close(fixture);
	size_t from = find_record(1, RECORD_END, 2);
	size_t to = find_record(1, RECORD_END, 4) + JOURNAL_SECTOR_SIZE;
	zero(1, from, to);
	assert_int_equal(fixture_open(fixture, UINT64_MAX), SYNOD_CORRUPT);
	assert_non_null(strstr(fixture->why, "change of ballot"));
}

static void
a_zeroed_end_of_a_full_segment_is_noticed(void **state)
{
	(void)state;
	fill();
	struct slice content = memory_disk_content(fixture->disk, fixture_segment(1));
	size_t batch = find_record(1, RECORD_ENTRY, 6);
	zero(1, batch, content.size);
	assert_quarantined("slots 7 to");
	assert_int_equal(fixture_open(fixture, fixture->committed.length), SYNOD_OK);
	assert_int_equal(fixture->recovered.damaged_first, 7);
}

static void
a_torn_tail_is_cut_and_reported(void **state)
{
	(void)state;
	fixture_fill(fixture, 3, 2);
	fixture_close(fixture);
	size_t before = find_record(1, RECORD_END, 1);
	size_t mark = find_record(1, RECORD_END, 2);
	zero(1, mark, mark + JOURNAL_SECTOR_SIZE);
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_int_equal(fixture->recovered.torn_bytes, mark - before - JOURNAL_SECTOR_SIZE);
	assert_int_equal(fixture->recovered.length, fixture->committed.length - 2);
	/* Cut for good: what is written now is found the next time. */
	fixture->committed.length -= 2;
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_int_equal(fixture->recovered.torn_bytes, 0);
	fixture->pending = fixture->committed;
	fixture_fill(fixture, 2, 3);
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_true(fixture_holds(fixture, &fixture->committed, 16, 4096));
}

static void
behind_a_mark_nothing_looks_torn(void **state)
{
	(void)state;
	fixture_fill(fixture, 3, 2);
	assert_int_equal(journal_mark(fixture->journal), SYNOD_OK);
	fixture_close(fixture);
	/* The same damage as in the test before, but now it was provably acknowledged. */
	size_t at = find_record(1, RECORD_ENTRY, 4);
	size_t mark = find_record(1, RECORD_END, 2);
	zero(1, at, mark + JOURNAL_SECTOR_SIZE);
	assert_quarantined("slots 5 to 6");
}

static void
a_missing_segment_is_named(void **state)
{
	(void)state;
	fixture_fill(fixture, 30, 6);
	fixture_close(fixture);
	uint32_t last = last_segment();
	assert_true(last >= 4);
	static const char *const names[] = {"00000001.seg", "00000002.seg"};
	for (uint32_t number = 1; number <= 2; number++) {
		struct copy copy = copy_of(fixture_segment(number));
		assert_int_equal(fixture->disk->ops->remove(fixture->disk, fixture_segment(number)),
		                 SYNOD_OK);
		assert_quarantined(names[number - 1]);
		assert_non_null(strstr(fixture->why, "missing"));
		put_back(fixture_segment(number), &copy);
		free(copy.bytes);
	}
	assert_int_equal(fixture->disk->ops->remove(fixture->disk, fixture_segment(last)),
	                 SYNOD_OK);
	assert_quarantined("missing");
}

static void
a_missing_journal_is_noticed(void **state)
{
	(void)state;
	fixture_fill(fixture, 1, 1);
	fixture_close(fixture);
	assert_int_equal(fixture->disk->ops->remove(fixture->disk, fixture_segment(1)), SYNOD_OK);
	assert_quarantined("whole journal is missing");
	/* A member that never promised anything is new. */
	fixture->identity.promised = BALLOT_NONE;
	assert_int_equal(fixture_open(fixture, 1), SYNOD_CORRUPT);
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
}

static void
a_file_that_was_cut_short_is_noticed(void **state)
{
	(void)state;
	fixture_fill(fixture, 3, 2);
	fixture_close(fixture);
	struct copy copy = copy_of(fixture_segment(1));
	size_t end = find_record(1, RECORD_END, 2) + JOURNAL_SECTOR_SIZE;
	for (size_t size = 0; size <= end; size += 7) {
		memory_disk_put(fixture->disk, fixture_segment(1),
		                (struct slice){copy.bytes, size});
		assert_int_equal(fixture_open(fixture, 0), SYNOD_CORRUPT);
	}
	/* At the boundary of a batch too. */
	for (unsigned i = 0; i < 3; i++) {
		put_back(fixture_segment(1), &copy);
		size_t size = find_record(1, RECORD_END, i) + JOURNAL_SECTOR_SIZE;
		memory_disk_put(fixture->disk, fixture_segment(1),
		                (struct slice){copy.bytes, size});
		assert_quarantined("cut short");
	}
	free(copy.bytes);
}

static void
a_foreign_segment_is_refused(void **state)
{
	(void)state;
	fill();
	fixture->identity.cluster_id[0] ^= 1;
	assert_int_equal(fixture_open(fixture, 0), SYNOD_WRONG_CLUSTER);
	fixture->identity.cluster_id[0] ^= 1;
	fixture->identity.self++;
	assert_int_equal(fixture_open(fixture, 0), SYNOD_WRONG_MEMBER);
	assert_non_null(strstr(fixture->why, "another member"));
	fixture->identity.self--;
	fixture->identity.disk_id[15] ^= 1;
	assert_int_equal(fixture_open(fixture, 0), SYNOD_WRONG_DISK);
	fixture->identity.disk_id[15] ^= 1;
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
}

static void
exchanged_segments_are_noticed(void **state)
{
	(void)state;
	fixture_fill(fixture, 30, 6);
	fixture_close(fixture);
	struct copy second = copy_of(fixture_segment(2));
	struct copy third = copy_of(fixture_segment(3));
	put_back(fixture_segment(2), &third);
	put_back(fixture_segment(3), &second);
	assert_quarantined("renamed");
	free(second.bytes);
	free(third.bytes);
}

static void
a_segment_of_an_older_copy_is_noticed(void **state)
{
	(void)state;
	fixture_fill(fixture, 3, 2);
	fixture_close(fixture);
	struct copy old = copy_of(fixture_segment(1));
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	fixture_fill(fixture, 30, 6);
	fixture_close(fixture);
	put_back(fixture_segment(1), &old);
	/* What lies between is chosen, or it is not known. */
	assert_quarantined("00000001.seg");
	free(old.bytes);
}

static void
a_sector_that_cannot_be_read_is_an_error(void **state)
{
	(void)state;
	fill();
	memory_disk_break(fixture->disk, fixture_segment(1), 5000);
	assert_int_equal(fixture_open(fixture, UINT64_MAX), SYNOD_IO);
	assert_non_null(strstr(fixture->why, "00000001.seg"));
}

static void
a_file_without_a_header_is_refused(void **state)
{
	uint8_t bytes[JOURNAL_HEADER_SIZE] = "not a header at all";

	(void)state;
	fill();
	struct copy copy = copy_of(fixture_segment(1));
	memcpy(copy.bytes, bytes, sizeof bytes);
	put_back(fixture_segment(1), &copy);
	assert_quarantined("header");
	free(copy.bytes);
}

static void
garbage_in_space_never_written_is_harmless(void **state)
{
	(void)state;
	fixture_fill(fixture, 2, 2);
	assert_int_equal(journal_mark(fixture->journal), SYNOD_OK);
	fixture_close(fixture);
	struct slice content = memory_disk_content(fixture->disk, fixture_segment(1));
	size_t at = content.size - 2 * JOURNAL_SECTOR_SIZE;
	memory_disk_flip(fixture->disk, fixture_segment(1), at, 0x55);
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	assert_true(fixture->recovered.torn_bytes > 0);
	assert_true(fixture_holds(fixture, &fixture->committed, 16, 4096));
	assert_int_equal(memory_disk_content(fixture->disk, fixture_segment(1)).bytes[at], 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(no_flipped_bit_is_cut_silently),
		TEST(a_flipped_bit_of_the_newest_batch_is_not_cut),
		TEST(damage_of_chosen_slots_is_reported_and_the_rest_is_readable),
		TEST(damage_that_was_cut_off_since_does_not_matter),
		TEST(a_damaged_end_mark_alone_loses_nothing),
		TEST(a_zeroed_stretch_is_bridged_at_an_unchanged_ballot),
		TEST(a_zeroed_change_of_ballot_is_never_bridged),
		TEST(a_zeroed_end_of_a_full_segment_is_noticed),
		TEST(a_torn_tail_is_cut_and_reported),
		TEST(behind_a_mark_nothing_looks_torn),
		TEST(a_missing_segment_is_named),
		TEST(a_missing_journal_is_noticed),
		TEST(a_file_that_was_cut_short_is_noticed),
		TEST(a_foreign_segment_is_refused),
		TEST(exchanged_segments_are_noticed),
		TEST(a_segment_of_an_older_copy_is_noticed),
		TEST(a_sector_that_cannot_be_read_is_an_error),
		TEST(a_file_without_a_header_is_refused),
		TEST(garbage_in_space_never_written_is_harmless),
	};
#undef TEST

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
