/*
 * Recovery: find the segments, scan them in order, judge the damage, and make what
 * was found certainly durable.  The algorithm stands in journal.h.
 */
#include "server/storage/journal_recovery.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

int
recovery_corrupt(struct recovery *recovery, const char *format, ...)
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

int
recovery_failed(struct recovery *recovery, int error)
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
		return recovery_failed(recovery, error);
	if (recovery->segment_count > 0)
		qsort(recovery->segments, recovery->segment_count, sizeof *recovery->segments,
		      compare_numbers);
	for (size_t i = 0; i < recovery->segment_count; i++) {
		recovery->segment = (uint32_t)i + 1;
		if (recovery->segments[i] != i + 1)
			return recovery_corrupt(recovery, "this segment is missing. " QUARANTINE);
	}
	/* A segment that was being prepared holds nothing yet. */
	journal_next_path(journal, path);
	error = disk->ops->remove(disk, path);
	return error == SYNOD_OK || error == SYNOD_NOT_FOUND ? SYNOD_OK
	                                                     : recovery_failed(recovery, error);
}

/* ---- scanning them ---- */

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
			return recovery_failed(recovery, SYNOD_IO);
		error = recovery_scan_segment(recovery, file, recovery->position);
		if (recovery->is_last) {
			journal->current.file = file;
		} else {
			journal->closed_bytes += recovery->span.size;
			file->ops->close(file);
		}
	}
	if (error == SYNOD_OK && recovery->continues) {
		recovery->segment++;
		error = recovery_corrupt(recovery,
		                         "this segment is missing: the one before says that the "
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
			return recovery_corrupt(
				recovery,
				"damage at offset %" PRIu64 " in slots %" PRIu64 " to %" PRIu64
				", which were acknowledged and are not known to be chosen "
				"(slot %" PRIu64 " is). " QUARANTINE,
				(uint64_t)point->offset * JOURNAL_RECORD_ALIGN, point->first, last,
				chosen_hint);
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
	return error == SYNOD_OK ? SYNOD_OK : recovery_failed(recovery, SYNOD_IO);
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
		return recovery_corrupt(
			recovery, "the whole journal is missing, though this member has taken part "
				  "before. " QUARANTINE);
	int error = journal_segment_create_first(journal);
	return error == SYNOD_OK ? SYNOD_OK : recovery_failed(recovery, error);
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
