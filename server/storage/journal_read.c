/* Reading entries back: from the index to a place in a file, and from there on. */
#include "server/storage/journal_internal.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

#define WINDOW_MIN  ((size_t)128 << 10)
#define WINDOW_MAX  ((size_t)1 << 20)
#define WINDOW_KEPT ((size_t)2 << 20)

/* ---- the window: bytes of one file ---- */

static struct disk_file *
window_file(const struct journal *journal)
{
	return journal->window.file ? journal->window.file : journal->current.file;
}

/* Turn the window to SEGMENT.  Of the segment being written, only what is committed counts. */
static int
window_select(struct journal *journal, uint32_t segment)
{
	struct journal_window *window = &journal->window;
	char path[JOURNAL_PATH_SIZE];

	bool is_current = segment == journal->current.number;
	if (window->segment != segment || is_current == (window->file != NULL)) {
		if (window->file)
			window->file->ops->close(window->file);
		window->file = NULL;
		window->segment = 0;
		window->size = 0;
		if (!is_current) {
			journal_segment_path(journal, segment, path);
			if (journal->disk->ops->open(journal->disk, path, DISK_READ_ONLY,
			                             &window->file) != SYNOD_OK)
				return SYNOD_IO;
			if (window->file->ops->size(window->file, &window->end) != SYNOD_OK)
				return SYNOD_IO;
		}
		window->segment = segment;
	}
	if (is_current)
		window->end = journal->current.position;
	return SYNOD_OK;
}

/* Make NEEDED bytes from OFFSET on available; reads AHEAD bytes if it has to read. */
static int
window_fill(struct journal *journal, uint64_t offset, size_t needed, size_t ahead)
{
	struct journal_window *window = &journal->window;

	if (window->end < needed || offset > window->end - needed)
		return SYNOD_CORRUPT;
	if (window->size > 0 && offset >= window->offset &&
	    offset + needed <= window->offset + window->size)
		return SYNOD_OK;

	size_t size = needed > ahead ? needed : ahead;
	if (size > window->end - offset)
		size = (size_t)(window->end - offset);
	if (size > window->capacity) {
		free(window->bytes);
		window->bytes = check_malloc(size);
		window->capacity = size;
	}
	window->size = 0;
	struct disk_file *file = window_file(journal);
	int error = file->ops->read(file, offset, window->bytes, size);
	if (error != SYNOD_OK)
		return SYNOD_IO;
	window->offset = offset;
	window->size = size;
	return SYNOD_OK;
}

static const uint8_t *
window_at(const struct journal *journal, uint64_t offset)
{
	return journal->window.bytes + (offset - journal->window.offset);
}

/* Large entries are rare; do not keep their memory. */
static void
window_trim(struct journal *journal)
{
	struct journal_window *window = &journal->window;

	if (window->capacity <= WINDOW_KEPT)
		return;
	free(window->bytes);
	window->bytes = NULL;
	window->capacity = 0;
	window->size = 0;
}

/* ---- walking from record to record ---- */

struct walk {
	struct journal *journal;
	uint64_t offset; /* of the next record */
	size_t ahead;
	struct journal_record record;
};

/* The whole record at the walk's offset, in the window. */
static int
load_record(struct walk *walk)
{
	struct journal *journal = walk->journal;
	int error = window_fill(journal, walk->offset, JOURNAL_RECORD_SIZE, walk->ahead);

	if (error != SYNOD_OK)
		return error;
	/* The fields lie in the first 64 bytes; AVAILABLE only bounds the payload. */
	if (!journal_record_parse(window_at(journal, walk->offset), SIZE_MAX, &walk->record))
		return SYNOD_CORRUPT;
	error = window_fill(journal, walk->offset, walk->record.size, walk->ahead);
	if (error != SYNOD_OK)
		return error;
	walk->record.payload.bytes = window_at(journal, walk->offset) + JOURNAL_RECORD_SIZE;
	return SYNOD_OK;
}

/* Go to the next entry; end marks between batches are passed over. */
static int
next_entry(struct walk *walk)
{
	for (;;) {
		int error = load_record(walk);
		if (error != SYNOD_OK)
			return error;
		if (walk->record.type == RECORD_ENTRY)
			return SYNOD_OK;
		if (walk->record.type != RECORD_END)
			return SYNOD_CORRUPT;
		walk->offset = journal_record_end(walk->offset, &walk->record);
	}
}

/* The entry of SLOT, whose record the walk stands at. */
static int
make_entry(struct walk *walk, uint64_t slot, struct entry **entry)
{
	const struct journal_record *record = &walk->record;
	const uint8_t *bytes = window_at(walk->journal, walk->offset);

	if (!journal_record_verify(bytes, walk->journal->seed, record) || record->slot != slot)
		return SYNOD_CORRUPT;
	*entry =
		entry_new_copy(record->kind, record->payload.bytes, (uint32_t)record->payload.size);
	return SYNOD_OK;
}

struct wanted {
	uint64_t slot; /* next */
	uint32_t count_max;
	size_t bytes_max;
	struct entry **entries;
	uint32_t count;
	size_t bytes;
};

static bool
is_full(const struct wanted *wanted, size_t size)
{
	if (wanted->count == 0)
		return false;
	return wanted->count == wanted->count_max || wanted->bytes >= wanted->bytes_max ||
	       size > wanted->bytes_max - wanted->bytes;
}

/* Read the wanted entries up to slot LAST that are found from POINT on. */
static int
read_from(struct journal *journal, const struct index_point *point, uint64_t last,
          struct wanted *wanted, bool *is_done)
{
	struct walk walk = {
		.journal = journal,
		.offset = (uint64_t)point->offset * JOURNAL_RECORD_ALIGN,
		.ahead = wanted->bytes_max < WINDOW_MIN   ? WINDOW_MIN
	                 : wanted->bytes_max > WINDOW_MAX ? WINDOW_MAX
	                                                  : wanted->bytes_max,
	};
	int error = window_select(journal, point->segment);

	for (uint64_t slot = point->first; error == SYNOD_OK && slot <= last; slot++) {
		error = next_entry(&walk);
		if (error == SYNOD_OK && slot == wanted->slot) {
			*is_done = is_full(wanted, walk.record.payload.size);
			if (*is_done)
				return SYNOD_OK;
			error = make_entry(&walk, slot, &wanted->entries[wanted->count]);
			if (error != SYNOD_OK)
				return error;
			wanted->bytes += walk.record.payload.size;
			wanted->count++;
			wanted->slot++;
		}
		walk.offset = journal_record_end(walk.offset, &walk.record);
	}
	return error;
}

int
journal_read(struct journal *journal, uint64_t first, uint32_t count_max, size_t bytes_max,
             struct entry **entries, uint32_t *count)
{
	struct journal_log *log = &journal->log;
	struct wanted wanted = {first, count_max, bytes_max, entries, 0, 0};
	bool is_done = false;
	int error = SYNOD_OK;

	CHECK(count_max > 0);

	*count = 0;
	if (first == 0 || first > log->length)
		return SYNOD_NOT_FOUND;
	while (error == SYNOD_OK && !is_done && wanted.count < count_max &&
	       wanted.slot <= log->length) {
		const struct index_point *point = journal_index_find(&log->index, wanted.slot);
		CHECK(point != NULL);
		if (point->is_hole)
			error = SYNOD_CORRUPT;
		else
			error = read_from(journal, point,
			                  journal_index_last(&log->index, point, log->length),
			                  &wanted, &is_done);
	}
	window_trim(journal);
	*count = wanted.count;
	return wanted.count > 0 ? SYNOD_OK : error;
}
