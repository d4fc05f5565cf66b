/*
 * The journal: the durable log of accepted values, in segments.
 *
 * Layout
 *
 * DATA/journal/NNNNNNNN.seg, numbered from 1 without gaps, and "next", a file
 * being prepared.  Numbers are little-endian.
 *
 *   segment header, 4096 bytes
 *     offset size
 *          0    8  magic "SYNODJNL"
 *          8    4  format, 1
 *         16    8  segment number
 *         24   16  cluster id
 *         40    8  epoch
 *         48    8  member id
 *         56   16  disk id
 *         72    8  slot of the next entry
 *         80   24  accepted ballot (epoch, round, member)
 *        104    8  number of the first record
 *        112    8  chain of the first record
 *        120    8  XXH3-64 of bytes 0-119
 *        128  ...  zero
 *
 *   batches, each from a multiple of 512 bytes on: records one behind the other,
 *   zeroes up to the next multiple of 512, and there, in a sector of its own, the
 *   end mark.  The next batch begins a sector later.  A batch never spans two
 *   segments; one that is larger than a segment gets a larger one.
 *
 *   record, padded with zeroes to a multiple of 8
 *          0    8  XXH3-64 of bytes 8 to the end of the payload, seeded with XXH3-64
 *                  of (cluster id, disk id, member id)
 *          8    8  chain: the checksum of the record before (the first: the seed)
 *         16    4  length, with these 64 bytes, without padding
 *         20    1  type: 1 ENTRY, 2 SYNC, 3 END, 4 CONTINUE
 *         21    1  ENTRY: kind of the entry
 *         22    1  flags: 1 first record of its batch, 2 last before the end mark
 *         23    1  zero
 *         24    8  number: 1 for the first, one more for each record of the journal
 *         32    8  slot: ENTRY its own; SYNC the last that stays; END, CONTINUE the length
 *         40   24  ballot accepted
 *         64  ...  ENTRY: the value.  END: bytes from the batch's start (8), lowest slot
 *                  written or cut off (8), records before the mark (4), sectors before
 *                  the mark that are zero by content (4), zero (8)
 *
 *   A mark that stands alone is an empty batch.  CONTINUE stands where a batch
 *   would, in a segment after which another begins; it takes no number and is no
 *   link of the chain.
 *
 * The checksum makes each record verifiable by itself, wherever the scan finds
 * it; number and chain make the order verifiable.
 *
 * Writing
 *
 *   1. The file is zero-filled, and that is synced, before a batch goes there:
 *      "not written" reads as zero, and the size of the file never changes with
 *      a batch.  At least the last sector always stays zero.
 *   2. One write for the whole batch, one fdatasync.  Then it counts.
 *   3. The next batch is written only after that.  So a valid record of a later
 *      batch proves that this one was acknowledged, or could have been.
 *   4. A new segment gets its header under the name "next", is synced, renamed,
 *      and the directory synced; then CONTINUE is written and synced in the old.
 *
 * Recovery
 *
 * Segments are read in order and batches verified whole.  At a batch that is not
 * in order, the sectors behind it are searched for verifiable records: its own end
 * mark, and a record that proves a later batch.
 *
 *   torn      in the last segment, nothing later, and either no end mark or more zero
 *             sectors than the end mark counted: the crash came before the fdatasync
 *             returned and sectors reach a disk in any order.  Never acknowledged:
 *             zeroed, reported in torn_bytes.
 *   damage    everything else lies in an acknowledged range and is never cut.
 *             With its end mark, exactly the slots that the batch touched are lost;
 *             if only the end mark is lost, nothing is.  If more is lost, the next
 *             record or segment header that can be verified tells how far, provided
 *             that the ballot is the same (nothing can have been replaced then).
 *             Lost slots up to CHOSEN_HINT can be fetched again from other members:
 *             SYNOD_OK, damaged_first and damaged_last.  Otherwise SYNOD_CORRUPT.
 *   missing   a gap in the numbers, CONTINUE without a next segment, no segment
 *             though the member has promised something, a last sector that is not
 *             zero (the file was cut short): SYNOD_CORRUPT.
 *
 * What remains ambiguous: if the newest batch of all loses its end mark, or whole
 * sectors of it read as zero, on a disk that had acknowledged them, it looks torn.
 * journal_mark() ends that: what is before a mark is provably acknowledged.  The
 * member writes one when it has been idle for a second and when it stops;
 * journal_open() writes one behind what it has recovered.
 *
 * Before anything else is done, the newest batch is written again and synced: after
 * a failed fdatasync it may be in the page cache only (ATC'20, see disk.h).
 */
#ifndef SERVER_STORAGE_JOURNAL_H
#define SERVER_STORAGE_JOURNAL_H

#include "server/paxos/entry.h"
#include "server/storage/identity.h"

struct journal;

/* Zero means the default. */
struct journal_options {
	struct disk *disk;
	const char *directory; /* DATA/journal; made if missing */
	size_t segment_bytes;  /* default 64 MiB; a batch larger than this gets a segment of its own
	                        */
	size_t slice_bytes;    /* zero-filled at a time, some 16 of them ahead; default 512 KiB */
	uint64_t space_reserve; /* refuse growth below this many free bytes; default 64 MiB */
	unsigned tail_entries;  /* how many of the newest entries recovery returns; default 4096 */
	size_t tail_bytes;      /* default 16 MiB */
};

/* What the start-up scan found. */
struct journal_recovered {
	struct ballot accepted;
	uint64_t length;
	uint64_t first_slot; /* oldest slot still in the journal (base + 1) */
	uint64_t tail_first; /* slots tail_first .. length are in TAIL (each one reference) */
	struct entry **tail;
	uint64_t torn_bytes; /* cut off the end: never acknowledged */
	/* Damage inside an acknowledged range, never cut: slots damaged_first .. damaged_last must
	 * be fetched again; 0 when there is none.  Between them can be sound entries too. */
	uint64_t damaged_first;
	uint64_t damaged_last;
};

/*
 * Open and scan.  SYNOD_OK; SYNOD_CORRUPT for damage in an acknowledged range
 * or a missing segment, with WHY (at least 512 bytes) naming file, offset and
 * what to do; SYNOD_WRONG_CLUSTER/MEMBER/DISK when a segment belongs to
 * another; SYNOD_IO; SYNOD_NO_SPACE.  CHOSEN_HINT: the applied slot durable in the
 * database; damage at or below it is of chosen values.
 */
int journal_open(const struct journal_options *options, const struct identity *identity,
                 uint64_t chosen_hint, struct journal **journal,
                 struct journal_recovered *recovered, char *why);
void journal_recovered_fini(struct journal_recovered *recovered);

/* Drops what is gathered and not committed.  Accepts NULL. */
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

/* Write an empty batch, unless there is one at the end already: proof that everything before it
 * was acknowledged.  Nothing may be gathered.  Results as journal_commit(). */
int journal_mark(struct journal *journal);

/* Enough room for SIZE more bytes, without dropping below the reserve?  Prepares space ahead of
 * need, a slice at a time; call it between batches.  SYNOD_OK, SYNOD_NO_SPACE, or an error that
 * stops the member. */
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
