/*
 * The scan of one segment: whether it belongs here, which of its batches are in
 * order, and what to make of those that are not.  The algorithm stands in journal.h.
 */
#include "server/storage/journal_recovery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

/* ---- one segment's bytes ---- */

static int
read_segment(struct recovery *recovery, struct disk_file *file)
{
	uint64_t size;

	if (file->ops->size(file, &size) != SYNOD_OK)
		return recovery_failed(recovery, SYNOD_IO);
	if (size < JOURNAL_HEADER_SIZE)
		return recovery_corrupt(recovery,
		                        "the segment is shorter than its header. " QUARANTINE);
	if (size > INDEX_OFFSET_MAX)
		return recovery_corrupt(recovery, "the segment is larger than any can be");
	size_t sectors = JOURNAL_SECTOR((size_t)size);
	if (sectors > recovery->capacity) {
		free(recovery->bytes);
		recovery->bytes = check_malloc(sectors);
		recovery->capacity = sectors;
	}
	int error = file->ops->read(file, 0, recovery->bytes, (size_t)size);
	if (error != SYNOD_OK) {
		recovery_failed(recovery, error);
		return SYNOD_IO;
	}
	memset(recovery->bytes + size, 0, sectors - (size_t)size);
	recovery->span = (struct slice){recovery->bytes, sectors};
	if (!recovery->is_last)
		return SYNOD_OK;
	bool ends_whole = size == sectors && sectors > JOURNAL_HEADER_SIZE &&
	                  journal_is_zero(recovery->bytes + sectors - JOURNAL_SECTOR_SIZE,
	                                  JOURNAL_SECTOR_SIZE);
	return ends_whole ? SYNOD_OK
	                  : recovery_corrupt(
				    recovery,
				    "the segment was cut short at %" PRIu64
				    " bytes: its last sector is always kept zero. " QUARANTINE,
				    size);
}

static int
check_identity(struct recovery *recovery, const struct journal_header *header)
{
	const struct identity *identity = &recovery->journal->identity;
	int error = SYNOD_OK;
	const char *what = "";

	if (memcmp(header->cluster_id, identity->cluster_id, CLUSTER_ID_SIZE) != 0) {
		error = SYNOD_WRONG_CLUSTER;
		what = "another cluster";
	} else if (header->member != identity->self) {
		error = SYNOD_WRONG_MEMBER;
		what = "another member";
	} else if (memcmp(header->disk_id, identity->disk_id, DISK_ID_SIZE) != 0) {
		error = SYNOD_WRONG_DISK;
		what = "another disk of this member";
	}
	if (error != SYNOD_OK)
		recovery_corrupt(
			recovery,
			"the segment was written by %s: it does not belong to this data directory. "
			"Put back the files that belong together",
			what);
	return error;
}

/* ---- what a lost range may have changed ---- */

/*
 * Something was lost before the place where the log is known again: there it is
 * BEFORE long, with ACCEPTED in force.  At an unchanged ballot nothing that was
 * accepted earlier can have been replaced.
 */
static int
bridge(struct recovery *recovery, uint64_t offset, struct ballot accepted, uint64_t before)
{
	struct journal_log *log = recovery->log;

	if (!ballot_equal(accepted, log->accepted))
		return recovery_corrupt(recovery,
		                        "damage from offset %" PRIu64
		                        " on hides a change of ballot, so it is "
		                        "unknown which slots it touched. " QUARANTINE,
		                        offset);
	if (before > log->length)
		journal_log_hole(log, log->length + 1, before, recovery->segment, offset);
	else
		journal_log_cut(log, before);
	return SYNOD_OK;
}

static int
check_header(struct recovery *recovery, bool is_first, size_t previous_end)
{
	struct journal_log *log = recovery->log;
	struct journal_header header;
	int error = journal_header_decode(recovery->bytes, &header);

	if (error == SYNOD_UNSUPPORTED)
		return recovery_corrupt(recovery, "the segment has a newer format: upgrade synodd");
	if (error != SYNOD_OK)
		return recovery_corrupt(recovery,
		                        "the segment's header (offset 0) is damaged. " QUARANTINE);
	error = check_identity(recovery, &header);
	if (error != SYNOD_OK)
		return error;
	if (header.segment != recovery->segment)
		return recovery_corrupt(recovery,
		                        "the header says that this is segment %" PRIu64
		                        ": was the file renamed?",
		                        header.segment);
	if (is_first && (header.number != 1 || header.first_slot != 1 ||
	                 header.chain != log->chain || !ballot_is_none(header.accepted)))
		return recovery_corrupt(recovery,
		                        "the first segment does not begin at slot 1. " QUARANTINE);
	if (header.number == log->number && header.chain == log->chain &&
	    header.first_slot == log->length + 1 && ballot_equal(header.accepted, log->accepted))
		return SYNOD_OK;

	/* The end of the segment before is damaged or missing. */
	recovery->segment--;
	if (header.number <= log->number)
		return recovery_corrupt(recovery,
		                        "its %" PRIu64
		                        " records and the next segment, which begins with "
		                        "record %" PRIu64 ", contradict each other. " QUARANTINE,
		                        log->number - 1, header.number);
	error = bridge(recovery, previous_end, header.accepted, header.first_slot - 1);
	recovery->segment++;
	log->number = header.number;
	log->chain = header.chain;
	return error;
}

/* ---- batches ---- */

static void
remember_size(struct recovery *recovery, const struct journal_record *record)
{
	uint64_t count = recovery->journal->options.tail_entries;

	recovery->sizes[record->slot % count] = (uint32_t)record->payload.size;
	if (record->slot >= recovery->sizes_first + count)
		recovery->sizes_first = record->slot - count + 1;
	if (record->slot < recovery->sizes_first)
		recovery->sizes_first = record->slot; /* after a cut */
}

/* Take the records of a batch between START and END, all verified. */
static int
apply_records(struct recovery *recovery, size_t start, size_t end)
{
	struct slice span = recovery->span;
	struct journal_record record;

	for (size_t at = start; at < end; at = (size_t)journal_record_end(at, &record)) {
		CHECK(journal_record_parse(span.bytes + at, span.size - at, &record));
		if (!journal_log_apply(recovery->log, &record, recovery->segment, at))
			return recovery_corrupt(
				recovery,
				"the record at offset %zu is intact but cannot follow the "
				"one before it. " QUARANTINE,
				at);
		if (record.type == RECORD_ENTRY)
			remember_size(recovery, &record);
	}
	return SYNOD_OK;
}

/* The damaged batch's end mark is intact: it says what the batch touched. */
static int
skip_batch(struct recovery *recovery, const struct batch_scan *scan,
           const struct journal_found *own)
{
	struct journal_log *log = recovery->log;
	const struct journal_end *end = &own->end;
	const struct journal_record *mark = &own->record;

	if (end->lowest == 0 || end->lowest > log->length + 1 || end->lowest > mark->slot + 1 ||
	    ballot_compare(mark->ballot, log->accepted) < 0)
		return recovery_corrupt(
			recovery,
			"the end mark at offset %zu is intact but cannot follow what is "
			"before it. " QUARANTINE,
			own->at);
	journal_log_hole(log, end->lowest, mark->slot, recovery->segment, scan->bad);
	log->accepted = mark->ballot;
	log->number = mark->number + 1;
	log->chain = mark->checksum;
	recovery->last_batch = recovery->position;
	recovery->position = own->at + JOURNAL_SECTOR_SIZE;
	recovery->journal->ends_with_mark = false;
	return SYNOD_OK;
}

/* Damage, and behind it the batch that LATER belongs to. */
static int
resume_at(struct recovery *recovery, const struct batch_scan *scan,
          const struct journal_found *later)
{
	const struct journal_record *record = &later->record;
	struct journal_log *log = recovery->log;
	size_t next = later->at;
	int error;

	if (record->number == scan->bad_number + 1 && (record->flags & RECORD_FIRST)) {
		/* One record is lost, so it is the end mark of a batch that is intact itself. */
		error = apply_records(recovery, recovery->position, scan->bad);
	} else if (record->type == RECORD_ENTRY && record->slot > 0) {
		error = bridge(recovery, scan->bad, record->ballot, record->slot - 1);
	} else if (record->type == RECORD_END || record->type == RECORD_CONTINUE) {
		error = bridge(recovery, scan->bad, record->ballot, record->slot);
	} else {
		error = bridge(recovery, scan->bad, BALLOT_NONE, record->slot);
	}
	log->number = record->number;
	log->chain = record->chain;
	if (record->type == RECORD_END && !(record->flags & RECORD_FIRST)) {
		log->number = record->number + 1;
		log->chain = record->checksum;
		next += JOURNAL_SECTOR_SIZE;
	}
	recovery->position = next;
	recovery->journal->ends_with_mark = false;
	log->index.wants_point = true;
	return error;
}

/*
 * A crash keeps any part of the sectors that were being written.  Those that were
 * not kept are zero, as they were before; so the batch has more zero sectors than
 * its end mark counted.  Only the newest batch can be in this state.
 */
static bool
has_missing_sectors(const struct recovery *recovery, const struct journal_found *own)
{
	return journal_zero_sectors(recovery->bytes + recovery->position,
	                            own->at - recovery->position) > own->end.zero_sectors;
}

static void
cut_tail(struct recovery *recovery)
{
	size_t end = recovery->span.size;

	while (end > recovery->position &&
	       journal_is_zero(recovery->bytes + end - JOURNAL_SECTOR_SIZE, JOURNAL_SECTOR_SIZE))
		end -= JOURNAL_SECTOR_SIZE;
	recovery->torn_bytes = end - recovery->position;
}

/* Nothing good stands at the position.  Sets *IS_END when the segment's scan ends here. */
static int
on_bad_batch(struct recovery *recovery, const struct batch_scan *scan, bool *is_end)
{
	struct journal_found own;
	struct journal_found later;

	journal_search(recovery->span, recovery->position, recovery->journal->seed,
	               recovery->log->number, &own, &later);
	if (PLANTED(DAMAGE_CUT))
		own.found = later.found = false;
	if (own.found) {
		bool may_be_torn = recovery->is_last && !later.found;
		if (!may_be_torn || !has_missing_sectors(recovery, &own))
			return skip_batch(recovery, scan, &own);
	} else if (later.found) {
		return resume_at(recovery, scan, &later);
	}
	*is_end = true;
	if (recovery->is_last)
		cut_tail(recovery);
	return SYNOD_OK;
}

static int
scan_batch(struct recovery *recovery, bool *is_end)
{
	struct journal_log *log = recovery->log;
	struct batch_scan scan = {.bad = recovery->position, .bad_number = log->number};
	size_t rest = recovery->span.size - recovery->position;
	int error;

	switch (journal_batch_scan(recovery->span, recovery->position, recovery->journal->seed,
	                           log->number, log->chain, &scan)) {
	case BATCH_GOOD:
		error = apply_records(recovery, recovery->position, scan.mark + 1);
		recovery->journal->ends_with_mark = scan.mark == recovery->position;
		recovery->last_batch = recovery->position;
		recovery->position = scan.mark + JOURNAL_SECTOR_SIZE;
		return error;
	case BATCH_CONTINUE:
		recovery->continues = true;
		*is_end = true;
		return SYNOD_OK;
	case BATCH_NONE:
		*is_end = journal_is_zero(recovery->bytes + recovery->position, rest);
		return *is_end ? SYNOD_OK : on_bad_batch(recovery, &scan, is_end);
	case BATCH_BAD:
	default: return on_bad_batch(recovery, &scan, is_end);
	}
}

int
recovery_scan_segment(struct recovery *recovery, struct disk_file *file, size_t previous_end)
{
	bool is_end = false;

	recovery->continues = false;
	recovery->position = JOURNAL_HEADER_SIZE;
	recovery->last_batch = 0;
	recovery->log->index.wants_point = true;
	int error = read_segment(recovery, file);
	if (error == SYNOD_OK)
		error = check_header(recovery, recovery->segment == 1, previous_end);
	while (error == SYNOD_OK && !is_end)
		error = scan_batch(recovery, &is_end);
	return error;
}
