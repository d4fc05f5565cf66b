/*
 * A journal on a disk in memory, beside a model of what must be in it.
 *
 * The model is kept twice: what was committed, and what the batch at hand would
 * make of it.  After a crash the journal must hold one or the other.
 */
#ifndef TESTS_SUPPORT_JOURNAL_FIXTURE_H
#define TESTS_SUPPORT_JOURNAL_FIXTURE_H

#include "server/storage/journal.h"
#include "tests/support/disk_memory.h"

#define MODEL_SLOTS_MAX 4096

struct journal_model {
	struct ballot accepted;
	uint64_t length;
	uint64_t nonces[MODEL_SLOTS_MAX + 1]; /* by slot; decides an entry's kind, size and bytes */
};

struct journal_fixture {
	struct disk *disk;
	struct identity identity;
	struct journal_options options;
	struct journal *journal;
	struct journal_recovered recovered;
	char why[512];
	uint64_t nonce;
	uint32_t entry_size_max;
	struct journal_model committed;
	struct journal_model pending;
};

/* SEGMENT_BYTES as small as tests want; the directory is "data/journal". */
void fixture_init(struct journal_fixture *fixture, uint64_t seed, size_t segment_bytes);
void fixture_fini(struct journal_fixture *fixture);

/* The member's promise, that the journal's own checks look at, rises with every sync. */
int fixture_open(struct journal_fixture *fixture, uint64_t chosen_hint);
void fixture_close(struct journal_fixture *fixture);

void fixture_sync(struct journal_fixture *fixture, uint64_t round, uint64_t previous);
void fixture_append(struct journal_fixture *fixture, uint32_t count);
int fixture_commit(struct journal_fixture *fixture);

/* A sync with round 1, if there was none, then BATCHES batches of COUNT entries, all committed. */
void fixture_fill(struct journal_fixture *fixture, unsigned batches, uint32_t count);

/* Does the journal hold exactly MODEL?  Reads in runs of COUNT_MAX entries and BYTES_MAX bytes. */
bool fixture_holds(struct journal_fixture *fixture, const struct journal_model *model,
                   uint32_t count_max, size_t bytes_max);

/* Are the slots FIRST .. LAST readable and as in MODEL? */
bool fixture_has_slots(struct journal_fixture *fixture, const struct journal_model *model,
                       uint64_t first, uint64_t last, uint32_t count_max, size_t bytes_max);

/* "data/journal/00000001.seg" for 1; static. */
const char *fixture_segment(uint32_t number);

#endif
