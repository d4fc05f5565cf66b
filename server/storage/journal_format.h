/*
 * The journal's bytes: segment headers, records and batches, to and from memory.
 *
 * Nothing here touches a disk.  The layout stands in journal.h.
 */
#ifndef SERVER_STORAGE_JOURNAL_FORMAT_H
#define SERVER_STORAGE_JOURNAL_FORMAT_H

#include "server/paxos/entry.h"
#include "server/storage/identity.h"

#define JOURNAL_HEADER_SIZE  4096u
#define JOURNAL_SECTOR_SIZE  512u
#define JOURNAL_RECORD_SIZE  64u /* a record without its payload */
#define JOURNAL_END_SIZE     32u /* the payload of an end mark */
#define JOURNAL_RECORD_ALIGN 8u
#define JOURNAL_SECTOR(bytes)                                                                      \
	(((bytes) + JOURNAL_SECTOR_SIZE - 1) & ~(size_t)(JOURNAL_SECTOR_SIZE - 1))

/* ---- segment headers ---- */

struct journal_header {
	uint64_t segment;
	uint8_t cluster_id[CLUSTER_ID_SIZE];
	uint64_t epoch;
	member_id member;
	uint8_t disk_id[DISK_ID_SIZE];
	uint64_t first_slot;    /* expected next */
	struct ballot accepted; /* in force at the start */
	uint64_t number;        /* of the first record */
	uint64_t chain;         /* which that record must carry */
};

void journal_header_encode(const struct journal_header *header, uint8_t bytes[JOURNAL_HEADER_SIZE]);

/* SYNOD_OK; SYNOD_UNSUPPORTED for another format; SYNOD_CORRUPT. */
int journal_header_decode(const uint8_t bytes[JOURNAL_HEADER_SIZE], struct journal_header *header);

/* ---- records ---- */

enum journal_record_type {
	RECORD_ENTRY = 1,
	RECORD_SYNC = 2,
	RECORD_END = 3,      /* the end mark of a batch */
	RECORD_CONTINUE = 4, /* the journal goes on in the next segment */
};

enum journal_record_flags {
	RECORD_FIRST = 1 << 0, /* of its batch */
	RECORD_LAST = 1 << 1,  /* before the end mark, which stands at the next sector */
};

struct journal_record {
	uint64_t checksum;
	uint64_t chain;
	uint8_t type;
	uint8_t kind;
	uint8_t flags;
	uint64_t number;
	uint64_t slot;
	struct ballot ballot;
	struct slice payload;
	size_t size; /* in the file, padding included */
};

/* What an end mark says of its batch. */
struct journal_end {
	uint64_t bytes;        /* from the batch's start to the mark */
	uint64_t lowest;       /* the lowest slot that the batch wrote or cut off */
	uint32_t count;        /* records before the mark */
	uint32_t zero_sectors; /* sectors before the mark that are all zero by content */
};

/* The seed of all checksums of one member's journal on one disk. */
uint64_t journal_seed(const struct identity *identity);

/* Read the fields at BYTES, of which AVAILABLE follow, without verifying; false when they cannot
 * be a record. */
bool journal_record_parse(const uint8_t *bytes, size_t available, struct journal_record *record);

/* Does RECORD, parsed at BYTES, carry the right checksum? */
bool journal_record_verify(const uint8_t *bytes, uint64_t seed,
                           const struct journal_record *record);

/* Of a verified RECORD_END; false when its payload makes no sense. */
bool journal_end_decode(const struct journal_record *record, struct journal_end *end);

bool journal_is_zero(const uint8_t *bytes, size_t size);
uint32_t journal_zero_sectors(const uint8_t *bytes, size_t size);

/* ---- writing a batch ---- */

struct journal_batch {
	uint8_t *bytes;
	size_t size;
	size_t capacity;
	size_t last; /* where the last record stands */
	uint32_t count;
	uint64_t lowest; /* UINT64_MAX: nothing written or cut yet */
	uint64_t seed;
	uint64_t number; /* of the next record */
	uint64_t chain;  /* for the next record */
};

void journal_batch_begin(struct journal_batch *batch, uint64_t seed, uint64_t number,
                         uint64_t chain);
void journal_batch_add_entry(struct journal_batch *batch, struct ballot ballot, uint64_t slot,
                             const struct entry *entry);
void journal_batch_add_sync(struct journal_batch *batch, struct ballot ballot, uint64_t previous);

/* Append the end mark; BATCH then holds whole sectors, ready to be written. */
void journal_batch_finish(struct journal_batch *batch, struct ballot accepted, uint64_t length);
void journal_batch_fini(struct journal_batch *batch);

/* A sector with a RECORD_CONTINUE. */
void journal_continue_encode(uint8_t sector[JOURNAL_SECTOR_SIZE], uint64_t seed, uint64_t number,
                             uint64_t chain, struct ballot accepted, uint64_t length);

/* ---- scanning ---- */

enum batch_outcome {
	BATCH_GOOD,
	BATCH_NONE,     /* zeroes */
	BATCH_CONTINUE, /* a RECORD_CONTINUE stands here */
	BATCH_BAD,
};

struct batch_scan {
	size_t mark; /* BATCH_GOOD: where the end mark stands; the next batch is a sector on */
	size_t bad;  /* BATCH_BAD: where the first bad record stands */
	uint64_t bad_number; /* and the number it should have */
};

/* Examine the batch at START of SPAN, whose first record must carry NUMBER and CHAIN. */
enum batch_outcome journal_batch_scan(struct slice span, size_t start, uint64_t seed,
                                      uint64_t number, uint64_t chain, struct batch_scan *scan);

/* Where the record after RECORD, which stands at OFFSET, begins. */
uint64_t journal_record_end(uint64_t offset, const struct journal_record *record);

/* A verified record found behind damage. */
struct journal_found {
	bool found;
	size_t at;
	struct journal_record record;
	struct journal_end end; /* RECORD_END */
};

/*
 * Search what follows a batch that began at START and is damaged: OWN becomes its
 * end mark, LATER the first record that proves a later batch.  Numbers below
 * NUMBER are of no interest.
 */
void journal_search(struct slice span, size_t start, uint64_t seed, uint64_t number,
                    struct journal_found *own, struct journal_found *later);

#endif
