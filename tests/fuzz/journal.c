/*
 * Feeds arbitrary bytes to the journal's start-up scan and to its reader.
 *
 * The first byte decides: 1 mend the header's checksum, 2 mend the records'
 * checksums, 4 mend their chain too (otherwise hardly any input would come behind
 * them), 8 cut the rest into two segments.  The second byte is the slot that is
 * known to be chosen.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "server/storage/bytes.h"
#include "server/storage/journal_format.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/support/journal_fixture.h"

#define SIZE_MAX_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum mending {
	MEND_HEADER = 1,
	MEND_RECORDS = 2,
	MEND_CHAIN = 4,
	TWO_SEGMENTS = 8,
};

static void
mend_records(uint8_t *bytes, size_t size, uint64_t seed, unsigned mending)
{
	struct journal_record record;
	uint64_t chain = get_u64(bytes + 112);

	for (size_t at = JOURNAL_HEADER_SIZE; at < size;
	     at = (size_t)journal_record_end(at, &record)) {
		if (!journal_record_parse(bytes + at, size - at, &record))
			return;
		if (mending & MEND_CHAIN)
			put_u64(bytes + at + 8, chain);
		chain = XXH3_64bits_withSeed(bytes + at + 8, get_u32(bytes + at + 16) - 8, seed);
		put_u64(bytes + at, chain);
	}
}

static void
put_segment(struct journal_fixture *fixture, uint32_t number, const uint8_t *bytes, size_t size,
            unsigned mending)
{
	uint8_t *copy = check_malloc(size + 1);

	if (size > 0)
		memcpy(copy, bytes, size);
	if (size >= JOURNAL_HEADER_SIZE && (mending & MEND_HEADER))
		put_u64(copy + 120, XXH3_64bits(copy, 120));
	if (size >= JOURNAL_HEADER_SIZE && (mending & MEND_RECORDS))
		mend_records(copy, size, journal_seed(&fixture->identity), mending);
	memory_disk_put(fixture->disk, fixture_segment(number), (struct slice){copy, size});
	free(copy);
}

static void
read_everything(struct journal *journal)
{
	uint64_t slot = 1;

	while (slot <= journal_length(journal) && slot < 100000) {
		struct entry *entries[16];
		uint32_t count;
		int error = journal_read(journal, slot, 16, 1 << 16, entries, &count);

		CHECK(error == SYNOD_OK || error == SYNOD_CORRUPT);
		CHECK((error == SYNOD_OK) == (count > 0));
		for (uint32_t i = 0; i < count; i++)
			entry_release(entries[i]);
		slot += count > 0 ? count : 1;
	}
}

/* A journal that was found in order must stay so. */
static void
go_on(struct journal_fixture *fixture, uint64_t hint)
{
	struct ballot ballot = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
	uint64_t length = journal_length(fixture->journal);
	struct entry *entry = entry_new_copy(ENTRY_COMMAND, "more", 4);

	journal_sync(fixture->journal, ballot, length);
	journal_append(fixture->journal, ballot, length, &entry, 1);
	CHECK(journal_commit(fixture->journal) == SYNOD_OK);
	entry_release(entry);
	CHECK(fixture_open(fixture, hint) == SYNOD_OK);
	CHECK(fixture->recovered.length == length + 1);
	CHECK(fixture->recovered.torn_bytes == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct journal_fixture *fixture;

	if (size < 2 || size > SIZE_MAX_BYTES)
		return 0;
	unsigned mending = bytes[0];
	uint64_t hint = bytes[1];
	bytes += 2;
	size -= 2;

	fixture = check_calloc(1, sizeof *fixture);
	fixture_init(fixture, 1, 16384);
	fixture->options.tail_entries = 16;
	CHECK(fixture->disk->ops->make_directory(fixture->disk, "data/journal") == SYNOD_OK);
	size_t first = (mending & TWO_SEGMENTS) ? size / 1024 * 512 : size;
	put_segment(fixture, 1, bytes, first, mending);
	if (first < size)
		put_segment(fixture, 2, bytes + first, size - first, mending);

	int error = fixture_open(fixture, hint);
	if (error == SYNOD_OK) {
		read_everything(fixture->journal);
		/* The log's numbers can be at their very end. */
		if (journal_length(fixture->journal) < UINT64_MAX / 2)
			go_on(fixture, hint);
	} else {
		CHECK(fixture->why[0] != '\0');
	}
	fixture_fini(fixture);
	free(fixture);
	return 0;
}
