/* What the files of the journal share; nobody else includes this. */
#ifndef SERVER_STORAGE_JOURNAL_INTERNAL_H
#define SERVER_STORAGE_JOURNAL_INTERNAL_H

#include "server/storage/journal.h"
#include "server/storage/journal_index.h"

#define JOURNAL_WHY_SIZE  512
#define JOURNAL_PATH_SIZE 1024

/* Kept free behind every batch: a sector for a RECORD_CONTINUE, and the one that stays zero. */
#define SEGMENT_RESERVE (2 * JOURNAL_SECTOR_SIZE)

/* The segment being written. */
struct journal_segment {
	struct disk_file *file;
	uint32_t number;
	uint64_t position;  /* of the next batch */
	uint64_t allocated; /* zero-filled durably up to here */
	uint64_t limit;     /* it may grow to this size */
};

/* Bytes of one file, kept between reads. */
struct journal_window {
	struct disk_file *file; /* NULL: the current segment's, or none */
	uint32_t segment;       /* 0: nothing */
	uint64_t end;           /* valid content of the file */
	uint64_t offset;
	size_t size;
	size_t capacity;
	uint8_t *bytes;
};

struct journal {
	struct disk *disk;
	struct journal_options options;
	char *directory;
	struct identity identity;
	uint64_t seed;

	struct journal_log log; /* durable */
	struct journal_segment current;
	struct disk_file *next; /* being prepared under the name "next", or NULL */
	uint64_t next_allocated;
	uint64_t closed_bytes; /* of the segments before the current one */
	bool ends_with_mark;
	bool has_failed;

	/* Gathered, not yet written: what the log will be. */
	struct journal_batch batch;
	struct ballot batch_accepted;
	uint64_t batch_length;

	struct journal_window window;
};

/* ---- journal_segment.c ---- */

void journal_segment_path(const struct journal *journal, uint32_t number,
                          char path[JOURNAL_PATH_SIZE]);
void journal_next_path(const struct journal *journal, char path[JOURNAL_PATH_SIZE]);

/* The first segment of an empty journal. */
int journal_segment_create_first(struct journal *journal);

/* Make the current segment one that takes SIZE bytes, without waiting for journal_make_room(). */
int journal_segment_secure(struct journal *journal, size_t size);

/* Would SIZE bytes fit in what is zero-filled already? */
bool journal_segment_is_ready(const struct journal *journal, size_t size);

/* One slice of zeroes ahead of need, when the space ahead has become short. */
int journal_segment_fill(struct journal *journal);

/* Grow so that SIZE bytes can be written, here or in the segment prepared next. */
int journal_segment_provide(struct journal *journal, size_t size);

/* ---- journal_recover.c ---- */

int journal_recover(struct journal *journal, uint64_t chosen_hint,
                    struct journal_recovered *recovered, char *why);

#endif
