/* The journal: opening, committing batches and closing.  The format stands in journal.h. */
#include "server/storage/journal_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

#define SEGMENT_BYTES_DEFAULT (64u << 20)
#define SEGMENT_BYTES_MIN     (JOURNAL_HEADER_SIZE + 8 * JOURNAL_SECTOR_SIZE)
#define SEGMENT_BYTES_MAX     ((size_t)1 << 30)
#define SLICE_BYTES_DEFAULT   ((size_t)512 << 10) /* written in about half a millisecond */
#define BATCH_KEPT_BYTES      (8u << 20)

/* ---- opening and closing ---- */

static void
set_options(struct journal *journal, const struct journal_options *options)
{
	struct journal_options *mine = &journal->options;

	*mine = *options;
	if (mine->segment_bytes == 0)
		mine->segment_bytes = SEGMENT_BYTES_DEFAULT;
	if (mine->segment_bytes < SEGMENT_BYTES_MIN)
		mine->segment_bytes = SEGMENT_BYTES_MIN;
	if (mine->segment_bytes > SEGMENT_BYTES_MAX)
		mine->segment_bytes = SEGMENT_BYTES_MAX;
	mine->segment_bytes = JOURNAL_SECTOR(mine->segment_bytes);
	if (mine->slice_bytes == 0)
		mine->slice_bytes = SLICE_BYTES_DEFAULT;
	mine->slice_bytes = JOURNAL_SECTOR(mine->slice_bytes);
	if (mine->space_reserve == 0)
		mine->space_reserve = 64u << 20;
	if (mine->tail_entries == 0)
		mine->tail_entries = 4096;
	if (mine->tail_bytes == 0)
		mine->tail_bytes = 16u << 20;
	journal->directory = check_strdup(options->directory);
	mine->directory = journal->directory;
}

/* Make the directory and its entry in its parent durable. */
static int
make_directory(struct journal *journal)
{
	struct disk *disk = journal->disk;
	char *parent = check_strdup(journal->directory);
	char *slash = strrchr(parent, '/');

	if (slash && slash != parent)
		*slash = '\0';
	else if (slash)
		slash[1] = '\0';
	int error = disk->ops->make_directory(disk, journal->directory);
	if (error == SYNOD_OK)
		error = disk->ops->sync_directory(disk, slash ? parent : ".");
	free(parent);
	return error == SYNOD_OK || error == SYNOD_NO_SPACE ? error : SYNOD_IO;
}

static void
begin_batch(struct journal *journal)
{
	const struct journal_log *log = &journal->log;

	journal_batch_begin(&journal->batch, journal->seed, log->number, log->chain);
	journal->batch_accepted = log->accepted;
	journal->batch_length = log->length;
}

int
journal_open(const struct journal_options *options, const struct identity *identity,
             uint64_t chosen_hint, struct journal **journal, struct journal_recovered *recovered,
             char *why)
{
	struct journal *opened = check_calloc(1, sizeof *opened);

	CHECK(strlen(options->directory) < JOURNAL_PATH_SIZE - 32);

	*journal = NULL;
	*recovered = (struct journal_recovered){0};
	why[0] = '\0';
	opened->disk = options->disk;
	opened->identity = *identity;
	opened->seed = journal_seed(identity);
	opened->ends_with_mark = true;
	set_options(opened, options);
	int error = make_directory(opened);
	if (error != SYNOD_OK)
		snprintf(why, JOURNAL_WHY_SIZE, "%s", opened->disk->ops->why(opened->disk));
	else
		error = journal_recover(opened, chosen_hint, recovered, why);
	if (error == SYNOD_OK) {
		begin_batch(opened);
		error = journal_mark(opened);
		/* Only a convenience for the next start; a full disk is found out soon enough. */
		if (error == SYNOD_NO_SPACE)
			error = SYNOD_OK;
		if (error != SYNOD_OK)
			snprintf(why, JOURNAL_WHY_SIZE, "%s", opened->disk->ops->why(opened->disk));
	}
	if (error != SYNOD_OK) {
		journal_recovered_fini(recovered);
		journal_close(opened);
		return error;
	}
	*journal = opened;
	return SYNOD_OK;
}

void
journal_recovered_fini(struct journal_recovered *recovered)
{
	if (recovered->tail)
		for (uint64_t slot = recovered->tail_first; slot <= recovered->length; slot++)
			entry_release(recovered->tail[slot - recovered->tail_first]);
	free(recovered->tail);
	*recovered = (struct journal_recovered){0};
}

static void
close_file(struct disk_file *file)
{
	if (file)
		file->ops->close(file);
}

void
journal_close(struct journal *journal)
{
	if (!journal)
		return;
	close_file(journal->current.file);
	close_file(journal->next);
	close_file(journal->window.file);
	free(journal->window.bytes);
	journal_batch_fini(&journal->batch);
	journal_log_fini(&journal->log);
	free(journal->directory);
	free(journal);
}

/* ---- batches ---- */

void
journal_sync(struct journal *journal, struct ballot ballot, uint64_t previous)
{
	CHECK(!ballot_is_none(ballot));
	CHECK(ballot_compare(ballot, journal->batch_accepted) >= 0);
	CHECK(previous <= journal->batch_length);

	journal_batch_add_sync(&journal->batch, ballot, previous);
	journal->batch_accepted = ballot;
	journal->batch_length = previous;
}

void
journal_append(struct journal *journal, struct ballot ballot, uint64_t previous,
               struct entry *const *entries, uint32_t count)
{
	CHECK(!ballot_is_none(ballot));
	CHECK(ballot_equal(ballot, journal->batch_accepted));
	CHECK(previous == journal->batch_length);

	for (uint32_t i = 0; i < count; i++)
		journal_batch_add_entry(&journal->batch, ballot, ++journal->batch_length,
		                        entries[i]);
}

/* The batch is durable: take its records into the log, as recovery would. */
static void
take_batch(struct journal *journal)
{
	struct journal_segment *current = &journal->current;
	const struct journal_batch *batch = &journal->batch;
	struct journal_record record;

	for (size_t at = 0; at < batch->size; at = (size_t)journal_record_end(at, &record)) {
		CHECK(journal_record_parse(batch->bytes + at, batch->size - at, &record));
		CHECK(journal_log_apply(&journal->log, &record, current->number,
		                        current->position + at));
	}
	CHECK(journal->log.length == journal->batch_length);
	CHECK(journal->log.number == batch->number);
	CHECK(journal->log.chain == batch->chain);
	current->position += batch->size;
}

static int
write_batch(struct journal *journal)
{
	const struct journal_segment *current = &journal->current;
	struct disk_file *file = current->file;

	CHECK(current->position + journal->batch.size + SEGMENT_RESERVE <= current->allocated);

	if (file->ops->write(file, current->position, journal->batch.bytes, journal->batch.size))
		return SYNOD_IO;
	if (PLANTED(JOURNAL_NOT_SYNCED))
		return SYNOD_OK;
	return file->ops->sync(file) == SYNOD_OK || PLANTED(FAILED_SYNC_IGNORED) ? SYNOD_OK
	                                                                         : SYNOD_IO;
}

/* Write what is gathered, even if it is nothing. */
static int
commit(struct journal *journal)
{
	if (journal->has_failed)
		return SYNOD_IO;
	journal_batch_finish(&journal->batch, journal->batch_accepted, journal->batch_length);
	int error = journal_segment_secure(journal, journal->batch.size);
	if (error == SYNOD_OK)
		error = write_batch(journal);
	if (error == SYNOD_OK)
		take_batch(journal);
	else if (error != SYNOD_NO_SPACE)
		journal->has_failed = true;
	if (journal->batch.capacity > BATCH_KEPT_BYTES)
		journal_batch_fini(&journal->batch);
	begin_batch(journal);
	return error;
}

int
journal_commit(struct journal *journal)
{
	if (journal->batch.count == 0)
		return journal->has_failed ? SYNOD_IO : SYNOD_OK;
	int error = commit(journal);
	if (error == SYNOD_OK)
		journal->ends_with_mark = false;
	return error;
}

int
journal_mark(struct journal *journal)
{
	CHECK(journal->batch.count == 0);

	if (journal->ends_with_mark && !journal->has_failed)
		return SYNOD_OK;
	int error = commit(journal);
	if (error == SYNOD_OK)
		journal->ends_with_mark = true;
	return error;
}

int
journal_make_room(struct journal *journal, size_t size)
{
	if (journal->has_failed)
		return SYNOD_IO;
	bool is_ready = journal_segment_is_ready(journal, size);
	int error =
		is_ready ? journal_segment_fill(journal) : journal_segment_provide(journal, size);

	/* What is there already is enough; the shortage matters when it is used up. */
	if (error == SYNOD_NO_SPACE && is_ready)
		return SYNOD_OK;
	if (error != SYNOD_OK && error != SYNOD_NO_SPACE)
		journal->has_failed = true;
	return error;
}

uint64_t
journal_bytes(const struct journal *journal)
{
	return journal->closed_bytes + journal->current.allocated + journal->next_allocated;
}

uint64_t
journal_length(const struct journal *journal)
{
	return journal->log.length;
}
