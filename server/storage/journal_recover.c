/*
 * The journal's start-up scan: read every segment, tell a torn tail from damage,
 * and make what was found certainly durable.  The algorithm stands in journal.h.
 */
#include "server/storage/journal_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

#define QUARANTINE                                                                                 \
	"Do not start this member again as it is: it may have forgotten what it accepted. Keep "   \
	"the directory for inspection, and start the member under a new name with an empty one "   \
	"once the ensemble can replace members"

struct recovery {
	struct journal *journal;
	struct journal_log *log;
	char *why;

	uint32_t *segments; /* numbers, ascending */
	size_t segment_count;

	/* The segment at hand. */
	uint32_t segment;
	bool is_last;
	bool continues; /* it ends with a RECORD_CONTINUE */
	uint8_t *bytes;
	size_t capacity;
	struct slice span;   /* whole sectors of it */
	size_t position;     /* of the next batch */
	size_t last_batch;   /* the newest good batch in this segment, 0: none */
	uint64_t torn_bytes; /* to be cut from `position` on */

	uint32_t *sizes;      /* of the newest entries, at slot % options.tail_entries */
	uint64_t sizes_first; /* the oldest slot whose size is still there */
};

static int __attribute__((format(printf, 2, 3)))
corrupt(struct recovery *recovery, const char *format, ...)
{
	va_list arguments;
	int used;

	used = snprintf(recovery->why, JOURNAL_WHY_SIZE,
			"%s/%08u.seg: ", recovery->journal->directory, recovery->segment);
	if (used < 0 || used >= JOURNAL_WHY_SIZE)
		return SYNOD_CORRUPT;
	va_start(arguments, format);
	vsnprintf(recovery->why + used, JOURNAL_WHY_SIZE - (size_t)used, format, arguments);
	va_end(arguments);
	return SYNOD_CORRUPT;
}

static int
disk_failed(struct recovery *recovery, int error)
{
	struct disk *disk = recovery->journal->disk;

	snprintf(recovery->why, JOURNAL_WHY_SIZE, "%s", disk->ops->why(disk));
	return error == SYNOD_NO_SPACE ? error : SYNOD_IO;
}

/* ---- which segments there are ---- */

static void
on_name(void *context, const char *name)
{
	struct recovery *recovery = context;
	size_t digits = strspn(name, "0123456789");

	if (digits < 8 || digits > 9 || strcmp(name + digits, ".seg") != 0)
		return;
	recovery->segments = check_realloc(recovery->segments, (recovery->segment_count + 1) *
								       sizeof *recovery->segments);
	recovery->segments[recovery->segment_count++] = (uint32_t)strtoul(name, NULL, 10);
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int
list_segments(struct recovery *recovery)
{
	struct journal *journal = recovery->journal;
	struct disk *disk = journal->disk;
	char path[JOURNAL_PATH_SIZE];

	int error = disk->ops->list(disk, journal->directory, on_name, recovery);
	if (error != SYNOD_OK)
		return disk_failed(recovery, error);
	if (recovery->segment_count > 0)
		qsort(recovery->segments, recovery->segment_count, sizeof *recovery->segments,
		      compare_numbers);
	for (size_t i = 0; i < recovery->segment_count; i++) {
		recovery->segment = (uint32_t)i + 1;
		if (recovery->segments[i] != i + 1)
			return corrupt(recovery, "this segment is missing. " QUARANTINE);
	}
	/* A segment that was being prepared holds nothing yet. */
	journal_next_path(journal, path);
	error = disk->ops->remove(disk, path);
	return error == SYNOD_OK || error == SYNOD_NOT_FOUND ? SYNOD_OK
							     : disk_failed(recovery, error);
}

/* ---- one segment's bytes ---- */

static int
read_segment(struct recovery *recovery, struct disk_file *file)
{
	uint64_t size;

	if (file->ops->size(file, &size) != SYNOD_OK)
		return disk_failed(recovery, SYNOD_IO);
	if (size < JOURNAL_HEADER_SIZE)
		return corrupt(recovery, "the segment is shorter than its header. " QUARANTINE);
	if (size > INDEX_OFFSET_MAX)
		return corrupt(recovery, "the segment is larger than any can be");
	size_t sectors = JOURNAL_SECTOR((size_t)size);
	if (sectors > recovery->capacity) {
		free(recovery->bytes);
		recovery->bytes = check_malloc(sectors);
		recovery->capacity = sectors;
	}
	int error = file->ops->read(file, 0, recovery->bytes, (size_t)size);
	if (error != SYNOD_OK) {
		disk_failed(recovery, error);
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
			  : corrupt(recovery,
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
		corrupt(recovery,
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
		return corrupt(recovery,
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
		return corrupt(recovery, "the segment has a newer format: upgrade synodd");
	if (error != SYNOD_OK)
		return corrupt(recovery, "the segment's header (offset 0) is damaged. " QUARANTINE);
	error = check_identity(recovery, &header);
	if (error != SYNOD_OK)
		return error;
	if (header.segment != recovery->segment)
		return corrupt(recovery,
			       "the header says that this is segment %" PRIu64
			       ": was the file renamed?",
			       header.segment);
	if (is_first && (header.number != 1 || header.first_slot != 1 ||
			 header.chain != log->chain || !ballot_is_none(header.accepted)))
		return corrupt(recovery, "the first segment does not begin at slot 1. " QUARANTINE);
	if (header.number == log->number && header.chain == log->chain &&
	    header.first_slot == log->length + 1 && ballot_equal(header.accepted, log->accepted))
		return SYNOD_OK;

	/* The end of the segment before is damaged or missing. */
	recovery->segment--;
	if (header.number <= log->number)
		return corrupt(recovery,
			       "its %" PRIu64 " records and the next segment, which begins with "
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
			return corrupt(recovery,
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
		return corrupt(recovery,
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

static int
scan_segment(struct recovery *recovery, struct disk_file *file, size_t previous_end)
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

static int
scan_all(struct recovery *recovery)
{
	struct journal *journal = recovery->journal;
	struct disk *disk = journal->disk;
	int error = SYNOD_OK;

	for (size_t i = 0; error == SYNOD_OK && i < recovery->segment_count; i++) {
		char path[JOURNAL_PATH_SIZE];
		struct disk_file *file;

		recovery->segment = recovery->segments[i];
		recovery->is_last = i + 1 == recovery->segment_count;
		journal_segment_path(journal, recovery->segment, path);
		error = disk->ops->open(disk, path, 0, &file);
		if (error != SYNOD_OK)
			return disk_failed(recovery, SYNOD_IO);
		error = scan_segment(recovery, file, recovery->position);
		if (recovery->is_last) {
			journal->current.file = file;
		} else {
			journal->closed_bytes += recovery->span.size;
			file->ops->close(file);
		}
	}
	if (error == SYNOD_OK && recovery->continues) {
		recovery->segment++;
		error = corrupt(recovery, "this segment is missing: the one before says that the "
					  "journal goes on in it. " QUARANTINE);
	}
	return error;
}

/* ---- after the scan ---- */

/* Damage that is still part of the log must be of chosen slots, which others hold too. */
static int
check_holes(struct recovery *recovery, uint64_t chosen_hint, struct journal_recovered *recovered)
{
	const struct journal_log *log = recovery->log;

	for (size_t i = 0; i < log->index.count; i++) {
		const struct index_point *point = &log->index.points[i];
		if (!point->is_hole)
			continue;
		uint64_t last = journal_index_last(&log->index, point, log->length);
		if (recovered->damaged_first == 0)
			recovered->damaged_first = point->first;
		recovered->damaged_last = last;
		recovery->segment = point->segment;
		if (last > chosen_hint)
			return corrupt(recovery,
				       "damage at offset %" PRIu64 " in slots %" PRIu64
				       " to %" PRIu64
				       ", which were acknowledged and are not known to be chosen "
				       "(slot %" PRIu64 " is). " QUARANTINE,
				       (uint64_t)point->offset * JOURNAL_RECORD_ALIGN, point->first,
				       last, chosen_hint);
	}
	return SYNOD_OK;
}

/*
 * Zero what is cut, and write the newest batch once more: after a failed fdatasync
 * it can be in the page cache and not on the disk (ATC'20), and reading it proves
 * nothing.
 */
static int
make_durable(struct recovery *recovery)
{
	struct journal *journal = recovery->journal;
	struct disk_file *file = journal->current.file;
	size_t start = recovery->last_batch ? recovery->last_batch : recovery->position;
	size_t end = recovery->position + (size_t)recovery->torn_bytes;

	memset(recovery->bytes + recovery->position, 0, (size_t)recovery->torn_bytes);
	int error = SYNOD_OK;
	if (end > start)
		error = file->ops->write(file, start, recovery->bytes + start, end - start);
	if (error == SYNOD_OK)
		error = file->ops->sync(file);
	if (error == SYNOD_OK)
		error = journal->disk->ops->sync_directory(journal->disk, journal->directory);
	return error == SYNOD_OK ? SYNOD_OK : disk_failed(recovery, SYNOD_IO);
}

static void
adopt_last(struct recovery *recovery)
{
	struct journal_segment *current = &recovery->journal->current;
	uint64_t limit = recovery->journal->options.segment_bytes;

	current->number = recovery->segment;
	current->position = recovery->position;
	current->allocated = recovery->span.size;
	current->limit = limit > current->allocated ? limit : current->allocated;
}

/* The first slot of the tail that fits in the options' bounds and is not damaged. */
static uint64_t
tail_first(const struct recovery *recovery)
{
	const struct journal_options *options = &recovery->journal->options;
	const struct journal_log *log = recovery->log;
	uint64_t first = log->length + 1;
	uint64_t lowest = 1;
	size_t bytes = 0;

	for (size_t i = log->index.count; i-- > 0;) {
		const struct index_point *point = &log->index.points[i];
		if (point->is_hole) {
			lowest = journal_index_last(&log->index, point, log->length) + 1;
			break;
		}
		if (point->first < recovery->sizes_first)
			break;
	}
	if (lowest < recovery->sizes_first)
		lowest = recovery->sizes_first;
	while (first > lowest && log->length + 1 - first < options->tail_entries) {
		bytes += recovery->sizes[(first - 1) % options->tail_entries];
		if (bytes > options->tail_bytes)
			break;
		first--;
	}
	return first;
}

static int
read_tail(struct recovery *recovery, struct journal_recovered *recovered)
{
	struct journal *journal = recovery->journal;
	uint64_t length = recovery->log->length;
	uint64_t slot = tail_first(recovery);

	recovered->tail_first = slot;
	if (slot > length)
		return SYNOD_OK;
	recovered->tail = check_calloc((size_t)(length + 1 - slot), sizeof *recovered->tail);
	while (slot <= length) {
		uint32_t count;
		int error = journal_read(journal, slot, (uint32_t)(length + 1 - slot), SIZE_MAX,
					 recovered->tail + (slot - recovered->tail_first), &count);
		if (error != SYNOD_OK) {
			snprintf(recovery->why, JOURNAL_WHY_SIZE,
				 "%s: slot %" PRIu64 " cannot be read a second time",
				 journal->directory, slot);
			return error;
		}
		slot += count;
	}
	return SYNOD_OK;
}

static int
start_empty(struct recovery *recovery, uint64_t chosen_hint)
{
	struct journal *journal = recovery->journal;

	recovery->segment = 1;
	if (!ballot_is_none(journal->identity.promised) || chosen_hint > 0)
		return corrupt(recovery,
			       "the whole journal is missing, though this member has taken part "
			       "before. " QUARANTINE);
	int error = journal_segment_create_first(journal);
	return error == SYNOD_OK ? SYNOD_OK : disk_failed(recovery, error);
}

static int
recover(struct recovery *recovery, uint64_t chosen_hint, struct journal_recovered *recovered)
{
	int error = list_segments(recovery);

	if (error == SYNOD_OK && recovery->segment_count == 0)
		return start_empty(recovery, chosen_hint);
	if (error == SYNOD_OK)
		error = scan_all(recovery);
	if (error == SYNOD_OK)
		adopt_last(recovery);
	if (error == SYNOD_OK)
		error = check_holes(recovery, chosen_hint, recovered);
	if (error == SYNOD_OK)
		error = make_durable(recovery);
	return error;
}

int
journal_recover(struct journal *journal, uint64_t chosen_hint, struct journal_recovered *recovered,
		char *why)
{
	struct recovery recovery = {
		.journal = journal,
		.log = &journal->log,
		.why = why,
		.sizes = check_calloc(journal->options.tail_entries, sizeof(uint32_t)),
		.sizes_first = 1,
	};

	journal->log.number = 1;
	journal->log.chain = journal->seed;
	int error = recover(&recovery, chosen_hint, recovered);
	free(recovery.bytes);
	if (error == SYNOD_OK)
		error = read_tail(&recovery, recovered);
	recovered->accepted = journal->log.accepted;
	recovered->length = journal->log.length;
	recovered->first_slot = 1;
	recovered->torn_bytes = recovery.torn_bytes;
	free(recovery.segments);
	free(recovery.sizes);
	return error;
}
