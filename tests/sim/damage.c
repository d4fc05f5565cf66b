/* What disks lose though it was synced: rot, lost files, writes that go astray, old images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/storage/journal_format.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/disk_state.h"

/* ---- which files ---- */

static void
note_segment(void *context, const char *name)
{
	struct sim_disk *disk = context;

	if (disk->name_count < 60 && strstr(name, ".seg") != NULL)
		snprintf(disk->names[disk->name_count++], sizeof disk->names[0], "%s/journal/%.30s",
		         disk->host->directory, name);
}

/* Segments in their order, then the promise files.  The number of segments. */
static unsigned
list_files(struct sim_disk *disk)
{
	char directory[64];
	unsigned segments;

	disk->name_count = 0;
	snprintf(directory, sizeof directory, "%s/journal", disk->host->directory);
	disk->inner->ops->list(disk->inner, directory, note_segment, disk);
	segments = disk->name_count;
	for (char letter = 'a'; letter <= 'b'; letter++)
		snprintf(disk->names[disk->name_count++], sizeof disk->names[0], "%s/promise.%c",
		         disk->host->directory, letter);
	return segments;
}

static struct slice
content_of(struct sim_disk *disk, const char *part)
{
	char path[PATH_SIZE_DISK];

	snprintf(path, sizeof path, "%s/%s", disk->host->directory, part);
	return memory_disk_content(disk->inner, path);
}

static void
flip(struct sim_disk *disk, const char *path, uint64_t offset, struct random *random)
{
	memory_disk_flip(disk->inner, path, offset, (uint8_t)(1u << random_below(random, 8)));
}

/* ---- journal and promise ---- */

/* An end mark has its sector to itself. */
static bool
is_end_mark(struct slice content, uint64_t offset)
{
	uint64_t sector = offset / JOURNAL_SECTOR_SIZE * JOURNAL_SECTOR_SIZE;

	return sector + 20 < content.size && content.bytes[sector + 20] == RECORD_END;
}

/* Without its end mark the newest batch cannot be told from one that a power cut has torn, so that
 * of the newest segment is left alone, unless the member MAY FORGET. */
bool
sim_disk_rot(struct sim_disk *disk, struct random *random, bool may_forget)
{
	unsigned segments = list_files(disk);
	unsigned number = (unsigned)random_below(random, disk->name_count);
	struct slice content;
	uint64_t offset;
	bool is_newest;

	if (segments > 0 && random_below(random, 2) == 0)
		number = segments - 1;
	content = memory_disk_content(disk->inner, disk->names[number]);
	if (content.size == 0)
		return false;
	is_newest = segments > 0 && number == segments - 1;
	offset = random_below(random, content.size);
	/* Most of a segment is empty. */
	for (unsigned i = 0; i < 20 && content.bytes[offset] == 0; i++)
		offset = random_below(random, content.size);
	if (is_newest && !may_forget && is_end_mark(content, offset))
		return false;
	if (is_newest)
		disk->host->world->statistics.rots_newest++;
	flip(disk, disk->names[number], offset, random);
	return true;
}

bool
sim_disk_lose(struct sim_disk *disk, struct random *random)
{
	unsigned segments = list_files(disk);
	struct slice content;

	switch (random_below(random, 4)) {
	case 0: memory_disk_remove(disk->inner, "/promise."); return true;
	case 1: memory_disk_remove(disk->inner, ".seg"); return segments > 0;
	case 2:
		if (segments < 2)
			return false;
		memory_disk_remove(disk->inner, disk->names[random_below(random, segments)]);
		return true;
	default:
		if (segments == 0)
			return false;
		content = memory_disk_content(disk->inner, disk->names[segments - 1]);
		content.size = random_below(random, content.size);
		content.bytes = memcpy(check_malloc(content.size + 1), content.bytes, content.size);
		memory_disk_put(disk->inner, disk->names[segments - 1], content);
		free((void *)content.bytes);
		return true;
	}
}

/* ---- the database ---- */

/* The log's frames have checksums, the pages of the database itself have none: of that the header
 * is changed, which is noticed.  Before the first checkpoint everything is in the log. */
bool
sim_disk_rot_database(struct sim_disk *disk, struct random *random)
{
	char path[PATH_SIZE_DISK];
	struct slice database = content_of(disk, "namespace.db");
	struct slice log = content_of(disk, "namespace.db-wal");

	if (disk->copy && random_below(random, 3) == 0) {
		memory_disk_put_back(disk->inner, disk->copy, "namespace.db");
		disk->host->world->statistics.databases_restored++;
		return true;
	}
	if (log.size > 0 && database.size <= 4096) {
		snprintf(path, sizeof path, "%s/namespace.db-wal", disk->host->directory);
		flip(disk, path, random_below(random, log.size), random);
		return true;
	}
	if (log.size > 0 || database.size == 0)
		return false;
	snprintf(path, sizeof path, "%s/namespace.db", disk->host->directory);
	flip(disk, path, random_below(random, 16), random);
	return true;
}

void
sim_disk_remove_database(struct sim_disk *disk)
{
	memory_disk_remove(disk->inner, "/namespace.db");
}

/* ---- old images ---- */

void
sim_disk_keep(struct sim_disk *disk)
{
	memory_copy_free(disk->copy);
	disk->copy = memory_disk_copy(disk->inner);
}

bool
sim_disk_restore(struct sim_disk *disk)
{
	if (!disk->copy)
		return false;
	memory_disk_put_back(disk->inner, disk->copy, "");
	return true;
}

/* ---- writes that go astray ---- */

void
sim_disk_misdirect(struct sim_disk *disk, uint64_t write, bool may_forget)
{
	disk->may_forget = may_forget;
	disk->misdirect_in = write;
}

/* Another place of the same file, or the same place of another one. */
static void
land_elsewhere(struct sim_disk *disk, const struct sim_file *file, uint64_t offset,
               struct slice bytes)
{
	struct random *random = &disk->host->world->disk_random;
	struct slice content = memory_disk_content(disk->inner, file->path);
	const char *path = file->path;

	if (random_below(random, 2) == 0) {
		offset = random_below(random, content.size / JOURNAL_SECTOR_SIZE + 1) *
		         JOURNAL_SECTOR_SIZE;
	} else {
		list_files(disk);
		path = disk->names[random_below(random, disk->name_count)];
	}
	world_trace(disk->host->world, disk->host, "a write of %s goes astray: to %s, %lu",
	            file->path, path, (unsigned long)offset);
	memory_disk_poke(disk->inner, path, offset, bytes);
}

bool
sim_disk_misdirected(struct sim_file *file, uint64_t offset, struct slice bytes)
{
	struct sim_disk *disk = file->disk;
	bool is_journal = strstr(file->path, "/journal/") != NULL;

	if (disk->misdirect_in == 0 || (!is_journal && !strstr(file->path, "/promise.")) ||
	    --disk->misdirect_in > 0)
		return false;
	disk->host->world->statistics.misdirected++;
	disk->host->is_rotten = true;
	land_elsewhere(disk, file, offset, bytes);
	if (!is_journal || disk->may_forget)
		return true; /* of promises there are two */
	free(disk->debt.bytes);
	snprintf(disk->debt.path, sizeof disk->debt.path, "%s", file->path);
	disk->debt.offset = offset;
	disk->debt.bytes = memcpy(check_malloc(bytes.size), bytes.bytes, bytes.size);
	disk->debt.size = bytes.size;
	disk->debt.syncs = 2;
	return true;
}

/* The next batch behind it is synced as well: its loss can be seen from now on. */
void
sim_disk_synced(struct sim_file *file)
{
	struct sim_disk *disk = file->disk;

	if (!disk->debt.bytes || strcmp(disk->debt.path, file->path) != 0 || --disk->debt.syncs > 0)
		return;
	free(disk->debt.bytes);
	disk->debt.bytes = NULL;
	disk->host->world->statistics.misdirected_lost++;
}

void
sim_disk_pay(struct sim_disk *disk)
{
	struct slice bytes = {disk->debt.bytes, disk->debt.size};

	if (!disk->debt.bytes)
		return;
	memory_disk_poke(disk->inner, disk->debt.path, disk->debt.offset, bytes);
	free(disk->debt.bytes);
	disk->debt.bytes = NULL;
}
