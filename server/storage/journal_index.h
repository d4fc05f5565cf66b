/*
 * Where the journal's entries stand: a sparse index from slots to file offsets,
 * and the state that the records read so far add up to.
 *
 * A point says that the entries from its slot on follow one another from its
 * offset on, up to the next point's slot.  There is one per INDEX_SPACING bytes,
 * so the index grows by 16 bytes for 64 KiB of journal.  A hole is a point whose
 * entries are damaged.
 */
#ifndef SERVER_STORAGE_JOURNAL_INDEX_H
#define SERVER_STORAGE_JOURNAL_INDEX_H

#include "server/storage/journal_format.h"

#define INDEX_SPACING (64u << 10)

struct index_point {
	uint64_t first;
	uint32_t segment;
	uint32_t offset : 29; /* in units of 8 bytes */
	uint32_t is_hole : 1;
};

struct journal_index {
	struct index_point *points; /* ascending slots */
	size_t count;
	size_t capacity;
	bool wants_point; /* the next entry does not follow the last one in the file */
};

/* The greatest offset that a point can hold. */
#define INDEX_OFFSET_MAX ((1ull << 32) - 8)

/* The last point whose slot is at most SLOT, or NULL. */
const struct index_point *journal_index_find(const struct journal_index *index, uint64_t slot);

/* The last slot that POINT can speak of, when the log has LENGTH entries. */
uint64_t journal_index_last(const struct journal_index *index, const struct index_point *point,
                            uint64_t length);

/* What the records up to some place add up to. */
struct journal_log {
	struct ballot accepted;
	uint64_t length;
	uint64_t number; /* of the next record */
	uint64_t chain;  /* for the next record */
	struct journal_index index;
};

void journal_log_fini(struct journal_log *log);

/* Take one record that stands at OFFSET of SEGMENT.  False if it cannot follow: then nothing has
 * changed. */
bool journal_log_apply(struct journal_log *log, const struct journal_record *record,
                       uint32_t segment, uint64_t offset);

/* Forget the slots after PREVIOUS. */
void journal_log_cut(struct journal_log *log, uint64_t previous);

/* The entries FIRST .. LAST are damaged, at OFFSET of SEGMENT; the log is LAST long. */
void journal_log_hole(struct journal_log *log, uint64_t first, uint64_t last, uint32_t segment,
                      uint64_t offset);

#endif
