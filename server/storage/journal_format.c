/* The journal's bytes: segment headers, records and batches, to and from memory. */
#include "server/storage/journal_format.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "server/storage/bytes.h"
#include "shared/check.h"
#include "shared/error.h"

#define FORMAT      1u
#define HEADER_USED 128u

static const char magic[8] = {'S', 'Y', 'N', 'O', 'D', 'J', 'N', 'L'};

/* ---- segment headers ---- */

static void
put_ballot(uint8_t *bytes, struct ballot ballot)
{
	put_u64(bytes, ballot.epoch);
	put_u64(bytes + 8, ballot.round);
	put_u64(bytes + 16, ballot.member);
}

static struct ballot
get_ballot(const uint8_t *bytes)
{
	return (struct ballot){get_u64(bytes), get_u64(bytes + 8), get_u64(bytes + 16)};
}

void
journal_header_encode(const struct journal_header *header, uint8_t bytes[JOURNAL_HEADER_SIZE])
{
	memset(bytes, 0, JOURNAL_HEADER_SIZE);
	memcpy(bytes, magic, sizeof magic);
	put_u32(bytes + 8, FORMAT);
	put_u64(bytes + 16, header->segment);
	memcpy(bytes + 24, header->cluster_id, CLUSTER_ID_SIZE);
	put_u64(bytes + 40, header->epoch);
	put_u64(bytes + 48, header->member);
	memcpy(bytes + 56, header->disk_id, DISK_ID_SIZE);
	put_u64(bytes + 72, header->first_slot);
	put_ballot(bytes + 80, header->accepted);
	put_u64(bytes + 104, header->number);
	put_u64(bytes + 112, header->chain);
	put_u64(bytes + 120, XXH3_64bits(bytes, HEADER_USED - 8));
}

int
journal_header_decode(const uint8_t bytes[JOURNAL_HEADER_SIZE], struct journal_header *header)
{
	if (memcmp(bytes, magic, sizeof magic) != 0)
		return SYNOD_CORRUPT;
	if (get_u64(bytes + 120) != XXH3_64bits(bytes, HEADER_USED - 8))
		return SYNOD_CORRUPT;
	if (get_u32(bytes + 8) != FORMAT)
		return SYNOD_UNSUPPORTED;
	header->segment = get_u64(bytes + 16);
	memcpy(header->cluster_id, bytes + 24, CLUSTER_ID_SIZE);
	header->epoch = get_u64(bytes + 40);
	header->member = get_u64(bytes + 48);
	memcpy(header->disk_id, bytes + 56, DISK_ID_SIZE);
	header->first_slot = get_u64(bytes + 72);
	header->accepted = get_ballot(bytes + 80);
	header->number = get_u64(bytes + 104);
	header->chain = get_u64(bytes + 112);
	return header->first_slot > 0 ? SYNOD_OK : SYNOD_CORRUPT;
}

/* ---- records ---- */

uint64_t
journal_seed(const struct identity *identity)
{
	uint8_t bytes[CLUSTER_ID_SIZE + DISK_ID_SIZE + 8];

	memcpy(bytes, identity->cluster_id, CLUSTER_ID_SIZE);
	memcpy(bytes + CLUSTER_ID_SIZE, identity->disk_id, DISK_ID_SIZE);
	put_u64(bytes + CLUSTER_ID_SIZE + DISK_ID_SIZE, identity->self);
	return XXH3_64bits(bytes, sizeof bytes);
}

static size_t
padded(size_t length)
{
	return (length + JOURNAL_RECORD_ALIGN - 1) & ~(size_t)(JOURNAL_RECORD_ALIGN - 1);
}

bool
journal_record_parse(const uint8_t *bytes, size_t available, struct journal_record *record)
{
	if (available < JOURNAL_RECORD_SIZE)
		return false;
	uint32_t length = get_u32(bytes + 16);
	if (length < JOURNAL_RECORD_SIZE || length > JOURNAL_RECORD_SIZE + ENTRY_SIZE_MAX)
		return false;
	record->checksum = get_u64(bytes);
	record->chain = get_u64(bytes + 8);
	record->type = bytes[20];
	record->kind = bytes[21];
	record->flags = bytes[22];
	record->number = get_u64(bytes + 24);
	record->slot = get_u64(bytes + 32);
	record->ballot = get_ballot(bytes + 40);
	record->payload = (struct slice){bytes + JOURNAL_RECORD_SIZE, length - JOURNAL_RECORD_SIZE};
	record->size = padded(length);
	if (record->type < RECORD_ENTRY || record->type > RECORD_CONTINUE)
		return false;
	return record->size <= available;
}

/* The checksum covers everything behind itself. */
static uint64_t
checksum(const uint8_t *bytes, size_t length, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes + 8, length - 8, seed);
}

bool
journal_record_verify(const uint8_t *bytes, uint64_t seed, const struct journal_record *record)
{
	size_t length = JOURNAL_RECORD_SIZE + record->payload.size;

	return record->checksum == checksum(bytes, length, seed);
}

bool
journal_end_decode(const struct journal_record *record, struct journal_end *end)
{
	CHECK(record->type == RECORD_END);

	if (record->payload.size != JOURNAL_END_SIZE)
		return false;
	const uint8_t *bytes = record->payload.bytes;
	end->bytes = get_u64(bytes);
	end->lowest = get_u64(bytes + 8);
	end->count = get_u32(bytes + 16);
	end->zero_sectors = get_u32(bytes + 20);
	return end->bytes % JOURNAL_SECTOR_SIZE == 0 && (end->bytes == 0) == (end->count == 0);
}

bool
journal_is_zero(const uint8_t *bytes, size_t size)
{
	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

uint32_t
journal_zero_sectors(const uint8_t *bytes, size_t size)
{
	uint32_t count = 0;

	for (size_t at = 0; at + JOURNAL_SECTOR_SIZE <= size; at += JOURNAL_SECTOR_SIZE)
		count += journal_is_zero(bytes + at, JOURNAL_SECTOR_SIZE);
	return count;
}

/* ---- writing a batch ---- */

void
journal_batch_begin(struct journal_batch *batch, uint64_t seed, uint64_t number, uint64_t chain)
{
	batch->size = 0;
	batch->count = 0;
	batch->lowest = UINT64_MAX;
	batch->seed = seed;
	batch->number = number;
	batch->chain = chain;
}

void
journal_batch_fini(struct journal_batch *batch)
{
	free(batch->bytes);
	*batch = (struct journal_batch){0};
}

/* SIZE more bytes at the end, zeroed. */
static uint8_t *
grow(struct journal_batch *batch, size_t size)
{
	if (batch->capacity == 0 || batch->capacity - batch->size < size) {
		size_t capacity = batch->capacity ? batch->capacity : 64u << 10;
		while (capacity - batch->size < size)
			capacity *= 2;
		batch->bytes = check_realloc(batch->bytes, capacity);
		batch->capacity = capacity;
	}
	uint8_t *bytes = batch->bytes + batch->size;
	if (size > 0)
		memset(bytes, 0, size);
	batch->size += size;
	return bytes;
}

static uint64_t
encode(uint8_t *bytes, uint64_t seed, const struct journal_record *record)
{
	size_t length = JOURNAL_RECORD_SIZE + record->payload.size;

	put_u64(bytes + 8, record->chain);
	put_u32(bytes + 16, (uint32_t)length);
	bytes[20] = record->type;
	bytes[21] = record->kind;
	bytes[22] = record->flags;
	put_u64(bytes + 24, record->number);
	put_u64(bytes + 32, record->slot);
	put_ballot(bytes + 40, record->ballot);
	if (record->payload.size > 0)
		memcpy(bytes + JOURNAL_RECORD_SIZE, record->payload.bytes, record->payload.size);
	uint64_t sum = checksum(bytes, length, seed);
	put_u64(bytes, sum);
	return sum;
}

/* Append RECORD, whose number, chain and flags are filled in here. */
static void
add(struct journal_batch *batch, struct journal_record *record)
{
	uint8_t *bytes = grow(batch, padded(JOURNAL_RECORD_SIZE + record->payload.size));

	batch->last = (size_t)(bytes - batch->bytes);
	record->number = batch->number++;
	record->chain = batch->chain;
	record->flags = batch->count == 0 ? RECORD_FIRST : 0;
	batch->chain = encode(bytes, batch->seed, record);
	batch->count++;
}

static void
touch(struct journal_batch *batch, uint64_t slot)
{
	if (slot < batch->lowest)
		batch->lowest = slot;
}

void
journal_batch_add_entry(struct journal_batch *batch, struct ballot ballot, uint64_t slot,
                        const struct entry *entry)
{
	CHECK(entry->size <= ENTRY_SIZE_MAX);

	struct journal_record record = {
		.type = RECORD_ENTRY,
		.kind = entry->kind,
		.slot = slot,
		.ballot = ballot,
		.payload = {entry->bytes, entry->size},
	};
	add(batch, &record);
	touch(batch, slot);
}

void
journal_batch_add_sync(struct journal_batch *batch, struct ballot ballot, uint64_t previous)
{
	struct journal_record record = {.type = RECORD_SYNC, .slot = previous, .ballot = ballot};

	add(batch, &record);
	touch(batch, previous + 1);
}

/* Mark the record that was added last as the one before the end mark. */
static void
flag_last(struct journal_batch *batch)
{
	if (batch->count == 0)
		return;
	uint8_t *bytes = batch->bytes + batch->last;
	bytes[22] |= RECORD_LAST;
	batch->chain = checksum(bytes, get_u32(bytes + 16), batch->seed);
	put_u64(bytes, batch->chain);
}

void
journal_batch_finish(struct journal_batch *batch, struct ballot accepted, uint64_t length)
{
	uint8_t payload[JOURNAL_END_SIZE] = {0};
	uint32_t count = batch->count;

	flag_last(batch);
	grow(batch, JOURNAL_SECTOR(batch->size) - batch->size);
	touch(batch, length + 1);
	put_u64(payload, batch->size);
	put_u64(payload + 8, batch->lowest);
	put_u32(payload + 16, count);
	put_u32(payload + 20, journal_zero_sectors(batch->bytes, batch->size));

	struct journal_record record = {
		.type = RECORD_END,
		.slot = length,
		.ballot = accepted,
		.payload = {payload, sizeof payload},
	};
	add(batch, &record);
	grow(batch, JOURNAL_SECTOR(batch->size) - batch->size);
}

void
journal_continue_encode(uint8_t sector[JOURNAL_SECTOR_SIZE], uint64_t seed, uint64_t number,
                        uint64_t chain, struct ballot accepted, uint64_t length)
{
	struct journal_record record = {
		.type = RECORD_CONTINUE,
		.flags = RECORD_FIRST,
		.number = number,
		.chain = chain,
		.slot = length,
		.ballot = accepted,
	};

	memset(sector, 0, JOURNAL_SECTOR_SIZE);
	encode(sector, seed, &record);
}

/* ---- scanning ---- */

uint64_t
journal_record_end(uint64_t offset, const struct journal_record *record)
{
	uint64_t end = offset + record->size;

	if (record->type == RECORD_END || (record->flags & RECORD_LAST))
		end = (end + JOURNAL_SECTOR_SIZE - 1) / JOURNAL_SECTOR_SIZE * JOURNAL_SECTOR_SIZE;
	return end;
}

/* Is RECORD, an end mark at AT, the right one for the batch from START with COUNT records? */
static bool
is_end_of(const struct journal_record *record, size_t at, size_t start, uint32_t count)
{
	struct journal_end end;

	if (at % JOURNAL_SECTOR_SIZE != 0 || !journal_end_decode(record, &end))
		return false;
	return end.bytes == at - start && end.count == count;
}

static enum batch_outcome
bad(struct batch_scan *scan, size_t at, uint64_t number)
{
	scan->bad = at;
	scan->bad_number = number;
	return BATCH_BAD;
}

enum batch_outcome
journal_batch_scan(struct slice span, size_t start, uint64_t seed, uint64_t number, uint64_t chain,
                   struct batch_scan *scan)
{
	size_t at = start;
	uint32_t count = 0;

	CHECK(start % JOURNAL_SECTOR_SIZE == 0);

	if (start >= span.size || journal_is_zero(span.bytes + start, JOURNAL_SECTOR_SIZE))
		return BATCH_NONE;
	for (;; count++) {
		struct journal_record record;
		if (at >= span.size ||
		    !journal_record_parse(span.bytes + at, span.size - at, &record))
			return bad(scan, at, number);
		if (record.number != number || record.chain != chain)
			return bad(scan, at, number);
		if (((record.flags & RECORD_FIRST) != 0) != (count == 0))
			return bad(scan, at, number);
		if (!journal_record_verify(span.bytes + at, seed, &record))
			return bad(scan, at, number);
		if (record.type == RECORD_CONTINUE)
			return count == 0 ? BATCH_CONTINUE : bad(scan, at, number);
		if (record.type == RECORD_END) {
			if (!is_end_of(&record, at, start, count))
				return bad(scan, at, number);
			scan->mark = at;
			return BATCH_GOOD;
		}
		number++;
		chain = record.checksum;
		at = (size_t)journal_record_end(at, &record);
	}
}

static bool
is_own_end(const struct journal_found *found, size_t start, uint64_t number)
{
	if (found->record.type != RECORD_END)
		return false;
	return found->at - start == found->end.bytes &&
	       found->record.number == number + found->end.count;
}

void
journal_search(struct slice span, size_t start, uint64_t seed, uint64_t number,
               struct journal_found *own, struct journal_found *later)
{
	own->found = false;
	later->found = false;
	for (size_t at = start; at + JOURNAL_SECTOR_SIZE <= span.size; at += JOURNAL_SECTOR_SIZE) {
		struct journal_found here = {.found = true, .at = at};
		struct journal_record *record = &here.record;
		if (!journal_record_parse(span.bytes + at, span.size - at, record))
			continue;
		if (record->number < number)
			continue;
		if (record->type != RECORD_END && !(record->flags & RECORD_FIRST))
			continue;
		if (!journal_record_verify(span.bytes + at, seed, record))
			continue;
		if (record->type == RECORD_END && !journal_end_decode(record, &here.end))
			continue;
		if (is_own_end(&here, start, number)) {
			*own = here;
		} else if (at > start || record->number > number) {
			*later = here;
			return;
		}
	}
}
