/* The journal's bytes: what is encoded is decoded, and what is altered is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "server/storage/journal_format.h"
#include "shared/error.h"

#define SEED 77u

static const struct ballot ballot = {1, 2, 3};

static struct journal_header
some_header(void)
{
	struct journal_header header = {
		.segment = 5,
		.epoch = 6,
		.member = 7,
		.first_slot = 8,
		.accepted = ballot,
		.number = 9,
		.chain = 10,
	};

	memset(header.cluster_id, 0x11, CLUSTER_ID_SIZE);
	memset(header.disk_id, 0x22, DISK_ID_SIZE);
	return header;
}

static void
a_header_comes_back_as_it_was(void **state)
{
	uint8_t bytes[JOURNAL_HEADER_SIZE];
	struct journal_header header = some_header();
	struct journal_header decoded;

	(void)state;
	journal_header_encode(&header, bytes);
	assert_int_equal(journal_header_decode(bytes, &decoded), SYNOD_OK);
	assert_int_equal(decoded.segment, 5);
	assert_memory_equal(decoded.cluster_id, header.cluster_id, CLUSTER_ID_SIZE);
	assert_int_equal(decoded.epoch, 6);
	assert_int_equal(decoded.member, 7);
	assert_memory_equal(decoded.disk_id, header.disk_id, DISK_ID_SIZE);
	assert_int_equal(decoded.first_slot, 8);
	assert_true(ballot_equal(decoded.accepted, ballot));
	assert_int_equal(decoded.number, 9);
	assert_int_equal(decoded.chain, 10);
}

static void
an_altered_header_is_corrupt(void **state)
{
	uint8_t bytes[JOURNAL_HEADER_SIZE];
	struct journal_header header = some_header();

	(void)state;
	journal_header_encode(&header, bytes);
	for (unsigned bit = 0; bit < 128 * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(journal_header_decode(bytes, &header), SYNOD_CORRUPT);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void
seeds_differ_between_disks(void **state)
{
	struct identity a = {.self = 1};
	struct identity b = {.self = 1};
	struct identity c = {.self = 2};

	(void)state;
	b.disk_id[3] = 1;
	assert_int_not_equal(journal_seed(&a), journal_seed(&b));
	assert_int_not_equal(journal_seed(&a), journal_seed(&c));
}

/* A sync and entries of 0, 1, 449 and 600 bytes. */
static void
make_batch(struct journal_batch *batch)
{
	static const uint32_t sizes[] = {0, 1, 449, 600};

	journal_batch_begin(batch, SEED, 100, 200);
	journal_batch_add_sync(batch, ballot, 5);
	for (uint64_t i = 0; i < 4; i++) {
		struct entry *entry = entry_new(ENTRY_COMMAND, sizes[i]);
		memset(entry->bytes, 'a' + (int)i, sizes[i]);
		journal_batch_add_entry(batch, ballot, 6 + i, entry);
		entry_release(entry);
	}
	journal_batch_finish(batch, ballot, 9);
}

static void
a_batch_is_whole_sectors_and_scans(void **state)
{
	struct journal_batch batch = {0};
	struct batch_scan scan;

	(void)state;
	make_batch(&batch);
	assert_int_equal(batch.size % JOURNAL_SECTOR_SIZE, 0);
	struct slice span = {batch.bytes, batch.size};
	assert_int_equal(journal_batch_scan(span, 0, SEED, 100, 200, &scan), BATCH_GOOD);
	assert_int_equal(scan.mark, batch.size - JOURNAL_SECTOR_SIZE);
	assert_int_equal(batch.number, 106);
	journal_batch_fini(&batch);
}

static void
a_batch_scans_only_where_it_belongs(void **state)
{
	struct journal_batch batch = {0};
	struct batch_scan scan;

	(void)state;
	make_batch(&batch);
	struct slice span = {batch.bytes, batch.size};
	assert_int_equal(journal_batch_scan(span, 0, SEED + 1, 100, 200, &scan), BATCH_BAD);
	assert_int_equal(journal_batch_scan(span, 0, SEED, 101, 200, &scan), BATCH_BAD);
	assert_int_equal(journal_batch_scan(span, 0, SEED, 100, 201, &scan), BATCH_BAD);
	span.size -= JOURNAL_SECTOR_SIZE;
	assert_int_equal(journal_batch_scan(span, 0, SEED, 100, 200, &scan), BATCH_BAD);
	assert_int_equal(scan.bad, span.size);
	assert_int_equal(scan.bad_number, 105);
	journal_batch_fini(&batch);
}

static void
any_altered_bit_of_a_record_is_found_where_it_is(void **state)
{
	struct journal_batch batch = {0};
	struct journal_record record;
	struct batch_scan scan;

	(void)state;
	make_batch(&batch);
	struct slice span = {batch.bytes, batch.size};
	for (size_t at = 0; at < batch.size; at = (size_t)journal_record_end(at, &record)) {
		assert_true(journal_record_parse(batch.bytes + at, batch.size - at, &record));
		size_t length = JOURNAL_RECORD_SIZE + record.payload.size;
		for (size_t bit = 0; bit < 8 * length; bit++) {
			batch.bytes[at + bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(journal_batch_scan(span, 0, SEED, 100, 200, &scan),
			                 BATCH_BAD);
			assert_int_equal(scan.bad, at);
			batch.bytes[at + bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	journal_batch_fini(&batch);
}

static void
the_end_mark_tells_what_its_batch_touched(void **state)
{
	struct journal_batch batch = {0};
	struct journal_record record;
	struct journal_end end;

	(void)state;
	make_batch(&batch);
	size_t at = batch.size - JOURNAL_SECTOR_SIZE;
	assert_true(journal_record_parse(batch.bytes + at, JOURNAL_SECTOR_SIZE, &record));
	assert_int_equal(record.type, RECORD_END);
	assert_true(journal_end_decode(&record, &end));
	assert_int_equal(end.bytes, at);
	assert_int_equal(end.lowest, 6);
	assert_int_equal(end.count, 5);
	assert_int_equal(end.zero_sectors, 0);
	assert_int_equal(record.slot, 9);
	assert_true(ballot_equal(record.ballot, ballot));
	journal_batch_fini(&batch);
}

static void
zeroes_in_values_are_not_missing_sectors(void **state)
{
	struct journal_batch batch = {0};
	struct journal_record record;
	struct journal_end end;
	struct entry *entry = entry_new(ENTRY_COMMAND, 4096);

	(void)state;
	memset(entry->bytes, 0, entry->size);
	journal_batch_begin(&batch, SEED, 1, 2);
	journal_batch_add_entry(&batch, ballot, 1, entry);
	journal_batch_finish(&batch, ballot, 1);
	size_t at = batch.size - JOURNAL_SECTOR_SIZE;
	assert_true(journal_record_parse(batch.bytes + at, JOURNAL_SECTOR_SIZE, &record));
	assert_true(journal_end_decode(&record, &end));
	assert_true(end.zero_sectors >= 7);
	assert_int_equal(end.zero_sectors, journal_zero_sectors(batch.bytes, at));
	entry_release(entry);
	journal_batch_fini(&batch);
}

static void
zeroes_are_no_batch(void **state)
{
	uint8_t bytes[2 * JOURNAL_SECTOR_SIZE] = {0};
	struct slice span = {bytes, sizeof bytes};
	struct batch_scan scan;

	(void)state;
	assert_int_equal(journal_batch_scan(span, 0, SEED, 1, 2, &scan), BATCH_NONE);
	assert_int_equal(journal_batch_scan(span, sizeof bytes, SEED, 1, 2, &scan), BATCH_NONE);
}

static void
a_continue_mark_scans_as_such(void **state)
{
	uint8_t sector[JOURNAL_SECTOR_SIZE];
	struct slice span = {sector, sizeof sector};
	struct batch_scan scan;

	(void)state;
	journal_continue_encode(sector, SEED, 5, 6, ballot, 7);
	assert_int_equal(journal_batch_scan(span, 0, SEED, 5, 6, &scan), BATCH_CONTINUE);
	assert_int_equal(journal_batch_scan(span, 0, SEED, 5, 7, &scan), BATCH_BAD);
}

static void
the_search_finds_the_own_end_and_later_batches(void **state)
{
	struct journal_batch first = {0};
	struct journal_batch second = {0};
	struct journal_found own;
	struct journal_found later;
	uint8_t bytes[16 * JOURNAL_SECTOR_SIZE] = {0};
	struct slice span = {bytes, sizeof bytes};

	(void)state;
	make_batch(&first);
	journal_batch_begin(&second, SEED, first.number, first.chain);
	journal_batch_finish(&second, ballot, 9);
	memcpy(bytes, first.bytes, first.size);
	bytes[70] ^= 1;
	journal_search(span, 0, SEED, 100, &own, &later);
	assert_true(own.found);
	assert_int_equal(own.at, first.size - JOURNAL_SECTOR_SIZE);
	assert_false(later.found);

	memcpy(bytes + first.size, second.bytes, second.size);
	journal_search(span, 0, SEED, 100, &own, &later);
	assert_true(own.found);
	assert_true(later.found);
	assert_int_equal(later.at, first.size);

	/* What is older than the place that is looked at proves nothing. */
	journal_search(span, 0, SEED, 1000, &own, &later);
	assert_false(own.found);
	assert_false(later.found);
	journal_batch_fini(&first);
	journal_batch_fini(&second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_comes_back_as_it_was),
		cmocka_unit_test(an_altered_header_is_corrupt),
		cmocka_unit_test(seeds_differ_between_disks),
		cmocka_unit_test(a_batch_is_whole_sectors_and_scans),
		cmocka_unit_test(a_batch_scans_only_where_it_belongs),
		cmocka_unit_test(any_altered_bit_of_a_record_is_found_where_it_is),
		cmocka_unit_test(the_end_mark_tells_what_its_batch_touched),
		cmocka_unit_test(zeroes_in_values_are_not_missing_sectors),
		cmocka_unit_test(zeroes_are_no_batch),
		cmocka_unit_test(a_continue_mark_scans_as_such),
		cmocka_unit_test(the_search_finds_the_own_end_and_later_batches),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
