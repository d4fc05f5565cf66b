/*
 * The journal's files: room ahead of the batches, and the change from one
 * segment to the next.
 *
 * Space is zero-filled and synced before a batch goes there, so that a commit's
 * fdatasync has neither blocks nor sizes to record (measured: 95 us against 145).
 */
#include "server/storage/journal_internal.h"

#include <stdio.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

#define SLICES_AHEAD                                                                               \
	17 /* kept zero-filled ahead of the batches: the next segment begins to be                 \
	    * filled while this one still has room for the largest batches */

void
journal_segment_path(const struct journal *journal, uint32_t number, char path[JOURNAL_PATH_SIZE])
{
	snprintf(path, JOURNAL_PATH_SIZE, "%s/%08u.seg", journal->directory, number);
}

void
journal_next_path(const struct journal *journal, char path[JOURNAL_PATH_SIZE])
{
	snprintf(path, JOURNAL_PATH_SIZE, "%s/next", journal->directory);
}

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The size of a new segment that can take a batch of SIZE bytes. */
static uint64_t
limit_for(const struct journal *journal, size_t size)
{
	return larger(journal->options.segment_bytes,
	              JOURNAL_HEADER_SIZE + JOURNAL_SECTOR(size) + SEGMENT_RESERVE);
}

static bool
fits(uint64_t position, size_t size, uint64_t end)
{
	return position + JOURNAL_SECTOR(size) + SEGMENT_RESERVE <= end;
}

/* Would growing by SIZE leave the reserve alone? */
static int
check_free(struct journal *journal, uint64_t size)
{
	uint64_t bytes;
	int error = journal->disk->ops->free_bytes(journal->disk, journal->directory, &bytes);

	if (error != SYNOD_OK)
		return SYNOD_IO;
	bool has_room = bytes >= journal->options.space_reserve &&
	                bytes - journal->options.space_reserve >= size;
	return has_room ? SYNOD_OK : SYNOD_NO_SPACE;
}

/* Zero-fill FILE from *ALLOCATED to SIZE, durably.  Without space it is as large as before. */
static int
grow(struct journal *journal, struct disk_file *file, uint64_t *allocated, uint64_t size)
{
	if (size <= *allocated)
		return SYNOD_OK;
	int error = check_free(journal, size - *allocated);
	if (error != SYNOD_OK)
		return error;
	error = file->ops->allocate(file, size);
	if (error != SYNOD_OK) {
		bool is_undone = file->ops->truncate(file, *allocated) == SYNOD_OK;
		return error == SYNOD_NO_SPACE && is_undone ? SYNOD_NO_SPACE : SYNOD_IO;
	}
	if (file->ops->sync(file) != SYNOD_OK)
		return SYNOD_IO;
	*allocated = size;
	return SYNOD_OK;
}

static int
grow_current(struct journal *journal, size_t size)
{
	struct journal_segment *current = &journal->current;
	uint64_t needed = current->position + JOURNAL_SECTOR(size) + SEGMENT_RESERVE;
	uint64_t ample = larger(needed, current->allocated + journal->options.slice_bytes);

	CHECK(needed <= current->limit);

	if (needed <= current->allocated)
		return SYNOD_OK;
	return grow(journal, current->file, &current->allocated, smaller(ample, current->limit));
}

static int
open_next(struct journal *journal)
{
	char path[JOURNAL_PATH_SIZE];

	if (journal->next)
		return SYNOD_OK;
	journal_next_path(journal, path);
	int error = journal->disk->ops->open(journal->disk, path, DISK_CREATE | DISK_EXCLUSIVE,
	                                     &journal->next);
	journal->next_allocated = 0;
	return error == SYNOD_NO_SPACE || error == SYNOD_OK ? error : SYNOD_IO;
}

static int
grow_next(struct journal *journal, size_t size)
{
	uint64_t needed = JOURNAL_HEADER_SIZE + JOURNAL_SECTOR(size) + SEGMENT_RESERVE;
	uint64_t ample = larger(needed, journal->next_allocated + journal->options.slice_bytes);
	int error = open_next(journal);

	if (error != SYNOD_OK || needed <= journal->next_allocated)
		return error;
	return grow(journal, journal->next, &journal->next_allocated,
	            smaller(ample, limit_for(journal, size)));
}

static int
write_header(struct journal *journal, uint32_t number)
{
	uint8_t bytes[JOURNAL_HEADER_SIZE];
	struct journal_header header = {
		.segment = number,
		.epoch = journal->identity.epoch,
		.member = journal->identity.self,
		.first_slot = journal->log.length + 1,
		.accepted = journal->log.accepted,
		.number = journal->log.number,
		.chain = journal->log.chain,
	};

	for (unsigned i = 0; i < CLUSTER_ID_SIZE; i++)
		header.cluster_id[i] = journal->identity.cluster_id[i];
	for (unsigned i = 0; i < DISK_ID_SIZE; i++)
		header.disk_id[i] = journal->identity.disk_id[i];
	journal_header_encode(&header, bytes);
	if (journal->next->ops->write(journal->next, 0, bytes, sizeof bytes) != SYNOD_OK)
		return SYNOD_IO;
	return journal->next->ops->sync(journal->next);
}

/*
 * Give the prepared file its header, then its name.  Its header is durable
 * before its name is, so a segment without a header is always damage.
 */
static int
install_next(struct journal *journal, uint32_t number)
{
	char from[JOURNAL_PATH_SIZE];
	char to[JOURNAL_PATH_SIZE];
	struct disk *disk = journal->disk;

	CHECK(journal->next != NULL);

	if (write_header(journal, number) != SYNOD_OK)
		return SYNOD_IO;
	journal_next_path(journal, from);
	journal_segment_path(journal, number, to);
	if (disk->ops->rename(disk, from, to) != SYNOD_OK)
		return SYNOD_IO;
	if (!PLANTED(SEGMENT_NAME_NOT_SYNCED) &&
	    disk->ops->sync_directory(disk, journal->directory) != SYNOD_OK)
		return SYNOD_IO;
	return SYNOD_OK;
}

/* Say in the full segment that another follows, so that its loss would be noticed. */
static int
write_continue(struct journal *journal)
{
	struct journal_segment *current = &journal->current;
	uint8_t sector[JOURNAL_SECTOR_SIZE];

	journal_continue_encode(sector, journal->seed, journal->log.number, journal->log.chain,
	                        journal->log.accepted, journal->log.length);
	if (current->file->ops->write(current->file, current->position, sector, sizeof sector))
		return SYNOD_IO;
	return current->file->ops->sync(current->file);
}

static void
adopt_next(struct journal *journal, uint32_t number, uint64_t limit)
{
	journal->current = (struct journal_segment){
		.file = journal->next,
		.number = number,
		.position = JOURNAL_HEADER_SIZE,
		.allocated = journal->next_allocated,
		.limit = larger(limit, journal->next_allocated),
	};
	journal->next = NULL;
	journal->next_allocated = 0;
	journal->log.index.wants_point = true;
}

int
journal_segment_create_first(struct journal *journal)
{
	int error = grow_next(journal, 0);

	if (error == SYNOD_OK)
		error = install_next(journal, 1);
	if (error == SYNOD_OK)
		adopt_next(journal, 1, limit_for(journal, 0));
	return error;
}

/* Go over to the next segment. */
static int
rotate(struct journal *journal, size_t size)
{
	uint32_t number = journal->current.number + 1;
	int error = grow_next(journal, size);

	if (error != SYNOD_OK)
		return error;
	if (install_next(journal, number) != SYNOD_OK || write_continue(journal) != SYNOD_OK)
		return SYNOD_IO;
	journal->current.file->ops->close(journal->current.file);
	journal->closed_bytes += journal->current.allocated;
	adopt_next(journal, number, limit_for(journal, size));
	return SYNOD_OK;
}

int
journal_segment_secure(struct journal *journal, size_t size)
{
	if (fits(journal->current.position, size, journal->current.limit))
		return grow_current(journal, size);
	return rotate(journal, size);
}

bool
journal_segment_is_ready(const struct journal *journal, size_t size)
{
	const struct journal_segment *current = &journal->current;

	if (fits(current->position, size, current->limit))
		return fits(current->position, size, current->allocated);
	return journal->next && fits(JOURNAL_HEADER_SIZE, size, journal->next_allocated);
}

int
journal_segment_fill(struct journal *journal)
{
	struct journal_segment *current = &journal->current;
	uint64_t ahead = current->allocated - current->position + journal->next_allocated;
	uint64_t slice = journal->options.slice_bytes;

	if (ahead + slice > SLICES_AHEAD * slice)
		return SYNOD_OK;
	if (current->allocated < current->limit)
		return grow(journal, current->file, &current->allocated,
		            smaller(current->allocated + slice, current->limit));
	uint64_t limit = limit_for(journal, 0);
	if (journal->next_allocated >= limit)
		return SYNOD_OK;
	int error = open_next(journal);
	if (error != SYNOD_OK)
		return error;
	return grow(journal, journal->next, &journal->next_allocated,
	            smaller(journal->next_allocated + slice, limit));
}

int
journal_segment_provide(struct journal *journal, size_t size)
{
	if (fits(journal->current.position, size, journal->current.limit))
		return grow_current(journal, size);
	return grow_next(journal, size);
}
