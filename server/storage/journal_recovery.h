/* The start-up scan at work: what its two files share. */
#ifndef SERVER_STORAGE_JOURNAL_RECOVERY_H
#define SERVER_STORAGE_JOURNAL_RECOVERY_H

#include "server/storage/journal_internal.h"

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

/* Say in WHY what is wrong with the segment at hand; SYNOD_CORRUPT. */
int __attribute__((format(printf, 2, 3)))
recovery_corrupt(struct recovery *recovery, const char *format, ...);

/* Say in WHY what the disk says; SYNOD_NO_SPACE if ERROR is, else SYNOD_IO. */
int recovery_failed(struct recovery *recovery, int error);

/* Read the segment at hand from FILE and take its records into the log.  The scan of the one
 * before ended at PREVIOUS_END. */
int recovery_scan_segment(struct recovery *recovery, struct disk_file *file, size_t previous_end);

#endif
