/*
 * The journal: the durable log of accepted values, in segments.
 *
 * [the full layout and the recovery algorithm stand here; see below]
 */
#ifndef SERVER_STORAGE_JOURNAL_H
#define SERVER_STORAGE_JOURNAL_H

#include "server/paxos/entry.h"
#include "server/storage/identity.h"

struct journal;

struct journal_options {
	struct disk *disk;
	const char *directory;   /* DATA/journal; made if missing */
	size_t segment_bytes;    /* default 64 MiB; an entry larger than this gets a segment of its own */
	uint64_t space_reserve;  /* refuse growth below this many free bytes; default 64 MiB */
	unsigned tail_entries;   /* how many of the newest entries recovery returns; default 4096 */
	size_t tail_bytes;       /* default 16 MiB */
};

/* What the start-up scan found. */
struct journal_recovered {
	struct ballot accepted;
	uint64_t length;
	uint64_t first_slot;     /* oldest slot still in the journal (base + 1) */
	uint64_t tail_first;     /* slots tail_first .. length are in TAIL (each one reference) */
	struct entry **tail;
	uint64_t torn_bytes;     /* cut off the end: never acknowledged */
	/* Damage inside an acknowledged range, never cut: slots damaged_first .. damaged_last must be
	 * fetched again; 0 when there is none. */
	uint64_t damaged_first;
	uint64_t damaged_last;
};

/*
 * Open and scan.  SYNOD_OK; SYNOD_CORRUPT for damage in an acknowledged range
 * or a missing segment, with WHY (at least 512 bytes) naming file, offset and
 * what to do; SYNOD_WRONG_CLUSTER/MEMBER/DISK when a segment belongs to
 * another; SYNOD_IO; SYNOD_NO_SPACE.  CHOSEN_HINT: the applied slot durable in the database;
 * damage at or below it is of chosen values.
 */
int journal_open(const struct journal_options *options, const struct identity *identity,
                 uint64_t chosen_hint, struct journal **journal,
                 struct journal_recovered *recovered, char *why);
void journal_recovered_fini(struct journal_recovered *recovered);
void journal_close(struct journal *journal);

/*
 * Gather one batch in memory, then journal_commit() writes it, its end mark,
 * and fdatasyncs.  journal_sync() says: accepted = ballot, cut after PREVIOUS.
 * journal_append() adds entries after the present length, at the present
 * accepted ballot (CHECKed against PREVIOUS and BALLOT).
 */
void journal_sync(struct journal *journal, struct ballot ballot, uint64_t previous);
void journal_append(struct journal *journal, struct ballot ballot, uint64_t previous,
                    struct entry *const *entries, uint32_t count);

/* SYNOD_OK: durable.  SYNOD_NO_SPACE: nothing was written, the batch is dropped, the journal is
 * as before, and the caller must not report it durable.  Anything else: stop the member. */
int journal_commit(struct journal *journal);

/* Enough room for SIZE more bytes, without dropping below the reserve?  Prepares the next segment
 * ahead of need.  SYNOD_OK, SYNOD_NO_SPACE, or an error that stops the member. */
int journal_make_room(struct journal *journal, size_t size);

/*
 * Read committed entries FIRST .. FIRST+COUNT_MAX-1, at most BYTES_MAX bytes but
 * at least one entry.  *COUNT entries with one reference each; fewer at the end
 * of the log or before damage.  SYNOD_NOT_FOUND if FIRST is before the oldest slot
 * or beyond the length; SYNOD_CORRUPT; SYNOD_IO.
 */
int journal_read(struct journal *journal, uint64_t first, uint32_t count_max, size_t bytes_max,
                 struct entry **entries, uint32_t *count);

uint64_t journal_bytes(const struct journal *journal); /* on disk */
uint64_t journal_length(const struct journal *journal);

#endif
