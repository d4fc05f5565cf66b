/* Where the journal's entries stand, and what its records add up to. */
#include "server/storage/journal_index.h"

#include <stdlib.h>

#include "shared/check.h"

static void
add_point(struct journal_index *index, uint64_t first, uint32_t segment, uint64_t offset,
          bool is_hole)
{
	CHECK(offset % JOURNAL_RECORD_ALIGN == 0);
	CHECK(offset <= INDEX_OFFSET_MAX);
	if (index->count > 0)
		CHECK(index->points[index->count - 1].first < first);

	if (index->count == index->capacity) {
		index->capacity = index->capacity ? 2 * index->capacity : 64;
		index->points =
			check_realloc(index->points, index->capacity * sizeof *index->points);
	}
	index->points[index->count++] = (struct index_point){
		.first = first,
		.segment = segment,
		.offset = (uint32_t)(offset / JOURNAL_RECORD_ALIGN) & ((1u << 29) - 1),
		.is_hole = is_hole,
	};
}

const struct index_point *
journal_index_find(const struct journal_index *index, uint64_t slot)
{
	size_t low = 0;
	size_t high = index->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (index->points[middle].first <= slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &index->points[low - 1] : NULL;
}

uint64_t
journal_index_last(const struct journal_index *index, const struct index_point *point,
                   uint64_t length)
{
	size_t next = (size_t)(point - index->points) + 1;

	return next < index->count ? index->points[next].first - 1 : length;
}

void
journal_log_fini(struct journal_log *log)
{
	free(log->index.points);
	*log = (struct journal_log){0};
}

/* Is the last point so near that the entry at OFFSET is found from there? */
static bool
is_near(const struct journal_index *index, uint32_t segment, uint64_t offset)
{
	if (index->wants_point || index->count == 0)
		return false;
	const struct index_point *last = &index->points[index->count - 1];
	return last->segment == segment &&
	       offset - (uint64_t)last->offset * JOURNAL_RECORD_ALIGN < INDEX_SPACING;
}

static bool
apply_entry(struct journal_log *log, const struct journal_record *record, uint32_t segment,
            uint64_t offset)
{
	if (record->slot != log->length + 1 || !ballot_equal(record->ballot, log->accepted))
		return false;
	if (record->kind < ENTRY_LEADER_START || record->kind > ENTRY_STOP)
		return false;
	if (!is_near(&log->index, segment, offset))
		add_point(&log->index, record->slot, segment, offset, false);
	log->index.wants_point = false;
	log->length++;
	return true;
}

static bool
apply_sync(struct journal_log *log, const struct journal_record *record)
{
	if (record->slot > log->length || ballot_compare(record->ballot, log->accepted) < 0)
		return false;
	journal_log_cut(log, record->slot);
	log->accepted = record->ballot;
	return true;
}

bool
journal_log_apply(struct journal_log *log, const struct journal_record *record, uint32_t segment,
                  uint64_t offset)
{
	switch (record->type) {
	case RECORD_ENTRY:
		if (!apply_entry(log, record, segment, offset))
			return false;
		break;
	case RECORD_SYNC:
		if (!apply_sync(log, record))
			return false;
		break;
	case RECORD_END:
		if (record->slot != log->length || !ballot_equal(record->ballot, log->accepted))
			return false;
		break;
	default: return false;
	}
	log->number = record->number + 1;
	log->chain = record->checksum;
	return true;
}

void
journal_log_cut(struct journal_log *log, uint64_t previous)
{
	struct journal_index *index = &log->index;

	CHECK(previous <= log->length);

	while (index->count > 0 && index->points[index->count - 1].first > previous)
		index->count--;
	index->wants_point = true;
	log->length = previous;
}

void
journal_log_hole(struct journal_log *log, uint64_t first, uint64_t last, uint32_t segment,
                 uint64_t offset)
{
	CHECK(first <= log->length + 1);

	journal_log_cut(log, first - 1);
	if (last < first)
		return;
	add_point(&log->index, first, segment, offset, true);
	log->length = last;
}
