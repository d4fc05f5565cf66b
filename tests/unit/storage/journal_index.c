/* The journal's index: which place serves which slot, after cuts and holes too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "server/storage/journal_index.h"

static const struct ballot first_ballot = {1, 1, 1};
static const struct ballot second_ballot = {1, 2, 1};

static struct journal_log history;

static int
set_up(void **state)
{
	struct journal_record record = {.type = RECORD_SYNC, .number = 1, .ballot = first_ballot};

	(void)state;
	history = (struct journal_log){0};
	return journal_log_apply(&history, &record, 1, 4096) ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	journal_log_fini(&history);
	return 0;
}

static bool
apply_entry(uint64_t slot, struct ballot ballot, uint32_t segment, uint64_t offset)
{
	struct journal_record record = {
		.type = RECORD_ENTRY,
		.kind = ENTRY_COMMAND,
		.number = history.number,
		.checksum = slot,
		.slot = slot,
		.ballot = ballot,
	};

	return journal_log_apply(&history, &record, segment, offset);
}

static bool
apply_sync(uint64_t previous, struct ballot ballot)
{
	struct journal_record record = {
		.type = RECORD_SYNC,
		.number = history.number,
		.slot = previous,
		.ballot = ballot,
	};

	return journal_log_apply(&history, &record, 1, 4096);
}

static void
is_sparse(void **state)
{
	(void)state;
	for (uint64_t slot = 1; slot <= 10000; slot++)
		assert_true(apply_entry(slot, first_ballot, 1, 4096 + 128 * slot));
	assert_int_equal(history.length, 10000);
	assert_in_range(history.index.count, 10, 30);
	for (uint64_t slot = 1; slot <= 10000; slot += 7) {
		const struct index_point *point = journal_index_find(&history.index, slot);
		assert_non_null(point);
		assert_true(point->first <= slot);
		assert_true(slot <= journal_index_last(&history.index, point, history.length));
		assert_int_equal((uint64_t)point->offset * 8, 4096 + 128 * point->first);
	}
}

static void
every_segment_begins_with_a_point(void **state)
{
	(void)state;
	for (uint64_t slot = 1; slot <= 10; slot++)
		assert_true(apply_entry(slot, first_ballot, (uint32_t)(1 + slot / 4), 4096));
	assert_int_equal(history.index.count, 3);
	assert_int_equal(journal_index_find(&history.index, 9)->segment, 3);
}

static void
a_cut_sends_later_slots_to_later_records(void **state)
{
	(void)state;
	for (uint64_t slot = 1; slot <= 5; slot++)
		assert_true(apply_entry(slot, first_ballot, 1, 5000 * 8 + 128 * slot));
	assert_true(apply_sync(3, second_ballot));
	assert_int_equal(history.length, 3);
	assert_true(apply_entry(4, second_ballot, 1, 8192 * 8));
	const struct index_point *point = journal_index_find(&history.index, 4);
	assert_int_equal(point->first, 4);
	assert_int_equal((uint64_t)point->offset * 8, 8192 * 8);
	assert_int_equal(journal_index_find(&history.index, 3)->first, 1);
}

static void
what_cannot_follow_is_refused_and_changes_nothing(void **state)
{
	struct journal_record end = {.type = RECORD_END, .slot = 2, .ballot = first_ballot};
	struct journal_record unknown = {.type = 9, .slot = 1, .ballot = first_ballot};

	(void)state;
	assert_true(apply_entry(1, first_ballot, 1, 8192));
	assert_false(apply_entry(1, first_ballot, 1, 8192));
	assert_false(apply_entry(3, first_ballot, 1, 8192));
	assert_false(apply_entry(2, second_ballot, 1, 8192));
	assert_false(apply_sync(2, second_ballot));
	assert_false(apply_sync(1, BALLOT_NONE));
	assert_false(journal_log_apply(&history, &end, 1, 8192));
	assert_false(journal_log_apply(&history, &unknown, 1, 8192));
	assert_int_equal(history.length, 1);
	assert_true(ballot_equal(history.accepted, first_ballot));
	assert_int_equal(history.index.count, 1);
}

static void
a_hole_stands_between_what_is_sound(void **state)
{
	(void)state;
	assert_true(apply_entry(1, first_ballot, 1, 8192));
	journal_log_hole(&history, 2, 4, 1, 9000);
	assert_true(apply_entry(5, first_ballot, 1, 10240));
	assert_false(journal_index_find(&history.index, 1)->is_hole);
	assert_true(journal_index_find(&history.index, 2)->is_hole);
	assert_true(journal_index_find(&history.index, 4)->is_hole);
	assert_false(journal_index_find(&history.index, 5)->is_hole);
	assert_true(apply_sync(1, second_ballot));
	assert_true(apply_entry(2, second_ballot, 1, 12288));
	assert_false(journal_index_find(&history.index, 2)->is_hole);
}

static void
there_is_nothing_before_the_first_slot(void **state)
{
	(void)state;
	assert_null(journal_index_find(&history.index, 1));
	assert_true(apply_entry(1, first_ballot, 1, 8192));
	assert_null(journal_index_find(&history.index, 0));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(is_sparse),
		TEST(every_segment_begins_with_a_point),
		TEST(a_cut_sends_later_slots_to_later_records),
		TEST(what_cannot_follow_is_refused_and_changes_nothing),
		TEST(a_hole_stands_between_what_is_sound),
		TEST(there_is_nothing_before_the_first_slot),
	};
#undef TEST

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
